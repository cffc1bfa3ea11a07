"""Names that are almost a setting's: their values are not used."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from keepsake.settings import Settings, dot_env
from keepsake.settings.files import ENV_FILE, env_file

LIKE = 0.85  # of 1, as difflib measures: CHAT_BASEURL and CHAT_BASE_URL are 0.96 alike


@dataclass(frozen=True)
class Misspelt:
    """A name that is set, where it is set, and the setting that is probably meant, if any."""

    name: str
    where: str
    meant: str | None

    def __str__(self) -> str:
        advice = f"is {self.meant} meant?" if self.meant else "there is no such setting"
        return f"{self.name} in {self.where}: {advice}"


def misspelt() -> list[Misspelt]:
    """All such names in `.env` and in the environment.

    Raises:
        SettingsError: `.env` cannot be read.
    """
    known = {name.upper() for name in Settings.model_fields} | {ENV_FILE}
    file = env_file()
    found = list(_unknown(dot_env(file), str(file), known))
    # Other programs use the environment too: check only names that begin like a setting's.
    begin = {name.partition("_")[0] for name in known}
    ours = [name for name in os.environ if name.upper().partition("_")[0] in begin]
    return found + list(_unknown(ours, "the environment", known))


def _unknown(names: Collection[str], where: str, known: set[str]) -> Iterator[Misspelt]:
    for name in sorted(names):
        if name.upper() in known:
            continue
        meant = next(iter(get_close_matches(name.upper(), known, n=1, cutoff=LIKE)), None)
        if meant or name.upper().startswith("KEEPSAKE_"):
            yield Misspelt(name, where, meant)

"""Reading the settings from the environment and `.env`, with errors that name each variable.

What the settings are is in `groups.py`; where `.env` is, in `files.py`.
"""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from keepsake.errors import SettingsError
from keepsake.settings import groups
from keepsake.settings.files import ENV_FILE, env_file

PATHS = frozenset({"keepsake_home", "backup_dir", "prices_file", "notify_config"})


class _DotEnv(DotEnvSettingsSource):
    """What `.env` says. A relative path in it starts at the folder of the file."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        if isinstance(self.env_file, Path):
            for name in PATHS & values.keys():
                if not re.match(r"~|\w+://", values[name]):
                    values[name] = str(self.env_file.parent / values[name])
        return values


class Settings(
    BaseSettings,
    # In this order the fields of the last group come first, as pydantic puts them together.
    groups.DeliverySettings,
    groups.TraceSettings,
    groups.LogSettings,
    groups.JobSettings,
    groups.WorkerSettings,
    groups.WebSettings,
    groups.StepSettings,
    groups.IntakeSettings,
    groups.AudioSettings,
    groups.ModelSettings,
    groups.BackupSettings,
    groups.ObjectSettings,
    groups.AccountSettings,
    groups.ApiSettings,
    groups.DagsterSettings,
    groups.DatabaseSettings,
):
    """All settings in force. A process reads them once, at its start, and passes them on."""

    model_config = SettingsConfigDict(
        # A file that Windows wrote begins with a byte order mark.
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over `.env`."""
        file = dotenv_settings.env_file if isinstance(dotenv_settings, DotEnvSettingsSource) else ""
        return init_settings, env_settings, _DotEnv(settings_cls, env_file=file or None)


def load_settings() -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: naming every variable that is wrong, and why.
    """
    file = env_file()
    dot_env(file)
    try:
        return Settings(_env_file=file)  # type: ignore[call-arg]  # every field has a default
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        raise SettingsError("; ".join(lines)) from None


def dot_env(file: Path) -> Mapping[str, str | None]:
    """What a `.env` sets, by name as it is written there. No file: nothing.

    Raises:
        SettingsError: it cannot be read, or a line is no `NAME=value`. The message quotes no line.
    """
    from dotenv.parser import parse_stream

    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        if os.environ.get(ENV_FILE):
            raise SettingsError(f"{ENV_FILE}: there is no file {file}") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} is not UTF-8 text (line {line}): convert it") from None
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error:
            written = binding.original.string  # with the empty lines before it
            empty = written[: len(written) - len(written.lstrip())].count("\n")
            line = binding.original.line + empty
            raise SettingsError(
                f"line {line} of {file} is no NAME=value: correct it, or begin it with #"
            )
    return {binding.key: binding.value for binding in bindings if binding.key}

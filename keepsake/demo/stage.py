"""What the chapters of the demo have in common: where they play, and how a line is shown.

A chapter is one line of the pipeline: `family.py`, `bookmarks.py`, `running.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keepsake.database import Connection
from keepsake.demo.api import Api
from keepsake.local.up import Addresses
from keepsake.records.adding import Added
from keepsake.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Stage:
    """Everything that a chapter works with.

    Attributes:
        api: by which records come in.
        site: the address of the demo's own site.
    """

    settings: Settings
    addresses: Addresses
    api: Api
    connection: Connection
    site: str
    console: "Console"

    def page(self, owner: str, line: str, record_id: int) -> str:
        """The address of a record's page."""
        return f"{self.addresses.api_url}/o/{owner}/{line}/{record_id}"


@dataclass(frozen=True)
class Chapter:
    """One line in the demo.

    Attributes:
        about: what becomes of what, in a few words.
        labels: what each step does, in a few words, in the order in which steps are shown.
        add: adds the demo's records, those that are not there yet.
        added: what was added, in a few words.
        show: prints what was made of the records.
    """

    about: str
    labels: Mapping[str, str]
    add: Callable[[Stage], list[Added]]
    added: str
    show: Callable[[Stage, Sequence[int]], None]

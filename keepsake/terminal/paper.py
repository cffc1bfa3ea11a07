"""What one record is written on: a terminal, with its files by name. No line's texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Paper:
    """A console, and where a person finds each object, by its key."""

    console: "Console"
    places: Mapping[str, str]

    def title(self, text: str) -> None:
        """Print the title of the record."""
        self.console.print(text, style="bold")

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.console.print()
        self.console.print(text, style="bold")

    def line(self, text: str, *, style: str | None = None) -> None:
        """Print a line."""
        self.console.print(text, style=style)

    def prose(self, text: str) -> None:
        """Print a text: between words, as wide as the terminal; in a pipe each line as it is."""
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    def file(self, key: str | None) -> None:
        """Print where a file is, if there is one."""
        if key is not None and key in self.places:
            self.console.print(f"  {self.places[key]}")

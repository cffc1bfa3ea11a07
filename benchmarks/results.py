"""What a benchmark found, how it is judged and shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One thing that was measured. `at_most` or `at_least` is its target, in the same unit.

    `floor` is what no program could be better than, given how long the models take.
    """

    name: str
    measured: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    floor: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the target, if there is one, is met."""
        return (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )

    @property
    def verdict(self) -> str:
        """`ok`, `missed`, or nothing where there is no target."""
        if self.at_most is None and self.at_least is None:
            return ""
        return "ok" if self.passed else "missed"

    @property
    def target(self) -> str:
        """The target as it is shown."""
        if self.at_most is not None:
            return f"<= {_number(self.at_most)}"
        return f">= {_number(self.at_least)}" if self.at_least is not None else ""

    @property
    def ratio(self) -> str:
        """Measured to floor, as it is shown."""
        return f"{self.measured / self.floor:.2f}" if self.floor else ""


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the figures as a table."""
    table = Table("Measured", "", "Unit", "Floor", "Ratio", "Target", "", "Note", box=None)
    for column in (1, 3, 4, 5):
        table.columns[column].justify = "right"
    for figure in figures:
        color = "green" if figure.passed else "bold red"
        table.add_row(
            figure.name,
            _number(figure.measured),
            figure.unit,
            _number(figure.floor),
            figure.ratio,
            figure.target,
            f"[{color}]{figure.verdict}[/]",
            figure.note,
        )
    console.print(table)


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as JSON, for comparing two machines or two commits."""
    rows = [asdict(figure) | {"passed": figure.passed} for figure in figures]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

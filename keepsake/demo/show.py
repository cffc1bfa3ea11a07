"""What every chapter of the demo says at its end: lines with labels, what failed, what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from keepsake.database import Connection

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Spent:
    """What the models were asked for these records, ever."""

    calls: int
    tokens: int
    audio_seconds: float
    characters: int


def spent(connection: Connection, ids: Sequence[int]) -> Spent:
    """What the models were asked for these records, ever."""
    with connection.cursor(row_factory=class_row(Spent)) as cursor:
        found = cursor.execute(
            "SELECT coalesce(sum(calls), 0)::int AS calls,"
            " coalesce(sum(tokens_in + tokens_out), 0)::bigint AS tokens,"
            " coalesce(sum(audio_seconds), 0)::float8 AS audio_seconds,"
            " coalesce(sum(characters), 0)::bigint AS characters"
            " FROM ledger WHERE record_id = ANY(%s)",
            (list(ids),),
        ).fetchone()
    assert found is not None  # noqa: S101  # sums are one row
    return found


def line(console: "Console", label: str, text: str) -> None:
    """A labelled line; paths stay on one, so that they can be clicked and copied."""
    console.print(f"  {label:8} {text}")


def clock(seconds: float) -> str:
    """Minutes and seconds: 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def show_failures(connection: Connection, ids: Sequence[int], console: "Console") -> bool:
    """Name what failed for good. Returns whether anything did."""
    rows = connection.execute(
        "SELECT record_id, step, error_message FROM ledger"
        " WHERE record_id = ANY(%s) AND status = 'failed' ORDER BY 1, 2",
        (list(ids),),
    ).fetchall()
    if rows:
        console.print()
    for record_id, step, message in rows:
        console.print(
            f"Failed: {step} of record {record_id}: {message} "
            f"(see `keepsake status {record_id}`, try again with `keepsake retry`)",
            style="red",
        )
    return bool(rows)

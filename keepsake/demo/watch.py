"""Following the demo's records through the steps, until nothing is open."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.errors import KeepsakeError
from keepsake.local.up import Addresses

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 180.0  # without any progress


class NothingMoves(KeepsakeError):
    """No record has moved for minutes. The message says where to look."""


@dataclass(frozen=True)
class Progress:
    """How far the demo's records are in one step."""

    step: str
    done: int
    total: int
    failed: int
    running: int
    held: int  # left alone: switched off, or beyond what the owner's tier covers
    open: int  # due now or later


def watch(
    connection: Connection,
    ids: Sequence[int],
    labels: Mapping[str, str],
    addresses: Addresses,
    console: "Console",
) -> None:
    """Show progress until nothing is open: a live table on a terminal, elsewhere what is new.

    `labels` say what each step does, in the order in which steps are shown.

    Raises:
        NothingMoves: it has not changed for three minutes.
    """
    from rich.live import Live

    looks = _looks(connection, ids, list(labels), addresses)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for seconds, rows in looks:
                live.update(_table(seconds, rows, labels), refresh=True)
        return
    said: list[str] = []
    for seconds, rows in looks:
        counts = [_count(row) for row in rows]
        if news := [count for count in counts if count not in said]:
            console.print(f"{seconds:5.1f} s  {', '.join(news)}")
            said = counts


def _count(row: Progress) -> str:
    failed = f" ({row.failed} failed)" if row.failed else ""
    held = f" ({row.held} held)" if row.held else ""
    return f"{row.step} {row.done}/{row.total}{failed}{held}"


def progress(connection: Connection, ids: Sequence[int], steps: Sequence[str]) -> list[Progress]:
    """How far these records are, a row a step, in the order of `steps`."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute(
            """
            SELECT step, count(*) AS total,
                   count(*) FILTER (WHERE status = 'succeeded') AS done,
                   count(*) FILTER (WHERE status = 'failed') AS failed,
                   count(*) FILTER (WHERE status = 'running') AS running,
                   count(hold_reason) AS held,
                   count(*) FILTER (WHERE due_at IS NOT NULL) AS open
            FROM ledger WHERE record_id = ANY(%(ids)s)
            GROUP BY step ORDER BY array_position(%(steps)s, step)
            """,
            {"ids": list(ids), "steps": list(steps)},
        ).fetchall()


def _looks(
    connection: Connection, ids: Sequence[int], steps: Sequence[str], addresses: Addresses
) -> Iterator[tuple[float, list[Progress]]]:
    """The seconds gone by and how far the records are, again and again until nothing is open.

    Raises:
        NothingMoves: it has not changed for three minutes.
    """
    began = changed = time.monotonic()
    seen: list[Progress] = []
    rows = progress(connection, ids, steps)
    while any(row.open for row in rows):
        now = time.monotonic()
        if rows != seen:
            seen, changed = rows, now
        if now - changed > PATIENCE_SECONDS:
            raise NothingMoves(
                f"nothing has moved for {PATIENCE_SECONDS:.0f} s: see the runs at "
                f"{addresses.dagster_pages}/runs, the logs in {addresses.logs}, "
                "and `keepsake doctor`"
            )
        yield now - began, rows
        time.sleep(POLL_SECONDS)
        rows = progress(connection, ids, steps)
    if seen:  # else all was done by an earlier demo
        yield time.monotonic() - began, rows


def _table(seconds: float, rows: Sequence[Progress], labels: Mapping[str, str]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, caption=f"{seconds:.0f} s", caption_justify="left")
    for name in ("step", "done", "failed", "in hand", ""):
        table.add_column(name)
    for row in rows:
        settled = row.done + row.held == row.total
        style = "red" if row.failed else "green" if settled else None
        table.add_row(
            row.step,
            f"{row.done}/{row.total}",
            str(row.failed or ""),
            str(row.running or ""),
            labels.get(row.step, "") + (f" ({row.held} held)" if row.held else ""),
            style=style,
        )
    return table

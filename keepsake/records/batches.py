"""Batches: records that were taken in together, from one file or folder.

A batch is opened before its first record and closed after its last, so that whoever looks at it
knows whether more is to come. When all its records are done its owner hears of it, once: the batch
is claimed before anything is sent, so a send that broke off is not repeated. How the records are
read stands with their lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg.rows import class_row
from psycopg.sql import SQL

from keepsake.clients.notifications import notify, urls_for
from keepsake.database import Connection
from keepsake.lines import module_of
from keepsake.owners.costs import usd
from keepsake.records.progress import StepProgress, progress
from keepsake.settings import Settings

TELL_SECONDS = 15.0  # that one message may take
_AMOUNTS = {  # what a message counts over all steps, in its words
    "failed": "failed",
    "waiting": "waiting",
    "beyond_tier": "beyond the tier",
    "switched_off": "switched off",
    "over_budget": "over this month's budget",
}


@dataclass(frozen=True)
class Batch:
    """Records that were taken in together, and how many were.

    Attributes:
        id: of the batch.
        owner: short name of its owner.
        owner_name: as it is written.
        line: of its records.
        name: of the file or folder they came from.
        added: new records.
        known: recognised as there already.
        refused: no record could be made of them.
        started_at: when the import began.
        taken_in_at: when it was over; None: it is not, or it broke off.
        told_at: when all was done and the owner was told.
        told: how telling went.
    """

    id: int
    owner: str
    owner_name: str
    line: str
    name: str
    added: int
    known: int
    refused: int
    started_at: datetime
    taken_in_at: datetime | None
    told_at: datetime | None
    told: str | None


_BATCH = SQL("""
    SELECT b.id, o.slug AS owner, o.name AS owner_name, b.line, b.name, b.added, b.known, b.refused,
           b.started_at, b.taken_in_at, b.told_at, b.told
    FROM batches b JOIN owners o ON o.id = b.owner_id
""")


def start_batch(connection: Connection, owner_id: int, line: str, name: str) -> int:
    """Open a batch and return its id. `name` is that of the file or folder."""
    row = connection.execute(
        "INSERT INTO batches (owner_id, line, name) VALUES (%s, %s, %s) RETURNING id",
        (owner_id, line, name),
    ).fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    return int(row[0])


def finish_batch(
    connection: Connection, batch_id: int, *, added: int, known: int, refused: int
) -> None:
    """Close a batch: how many records are new, were there already, or could not be made."""
    connection.execute(
        "UPDATE batches SET added = %s, known = %s, refused = %s, taken_in_at = now()"
        " WHERE id = %s",
        (added, known, refused, batch_id),
    )


def batches(connection: Connection, *, limit: int = 20) -> list[Batch]:
    """The newest batches."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(_BATCH + SQL(" ORDER BY b.id DESC LIMIT %s"), (limit,)).fetchall()


def complete_batches(connection: Connection) -> list[Batch]:
    """Batches that brought something new, whose records are all done and whose owner was not told.

    What is put off to the next month, since the budget is spent, is not waited for.
    """
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            _BATCH
            + SQL("""
            WHERE b.taken_in_at IS NOT NULL AND b.told_at IS NULL AND b.added > 0
              AND NOT EXISTS (SELECT FROM records r JOIN ledger l ON l.record_id = r.id
                              WHERE r.batch_id = b.id AND l.due_at IS NOT NULL
                                AND (l.error_type IS DISTINCT FROM 'OverBudget'
                                     OR l.due_at <= now()))
            ORDER BY b.id
            """)
        ).fetchall()


async def tell(connection: Connection, settings: Settings, batch: Batch) -> str | None:
    """Tell the owner of a batch that it is done, and say how that went. None if someone else has.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read; the owner is told once it can.
    """
    urls = urls_for(settings, batch.owner)
    message = _message(connection, batch)  # first: what fails here fails before the claim
    claimed = connection.execute(
        "UPDATE batches SET told_at = now(), told = 'sending' WHERE id = %s AND told_at IS NULL",
        (batch.id,),
    ).rowcount
    if not claimed:
        return None
    delivery = await notify(
        urls,
        title=f"{batch.owner_name}: an import is done",
        body=message,
        seconds=TELL_SECONDS,
    )
    connection.execute("UPDATE batches SET told = %s WHERE id = %s", (delivery.detail, batch.id))
    return delivery.detail


def _message(connection: Connection, batch: Batch) -> str:
    """What became of a batch: counts and the cost, no content."""
    records = module_of(batch.line).records
    steps = progress(connection, batch_id=batch.id)
    made = [f"{s.done} {s.step.replace('_', ' ')}" for s in steps if s.step != records]
    parts = [*made, *_amounts(steps), *_cost(connection, batch)]
    others = [
        f"{count} {how}"
        for count, how in ((batch.known, "known already"), (batch.refused, "refused"))
        if count
    ]
    aside = f" ({', '.join(others)})" if others else ""
    return f"{batch.added} {records} taken in{aside}: {', '.join(parts)}"


def _amounts(steps: Sequence[StepProgress]) -> list[str]:
    counts = {label: sum(getattr(s, name) for s in steps) for name, label in _AMOUNTS.items()}
    return [f"{count} {label}" for label, count in counts.items() if count]


def _cost(connection: Connection, batch: Batch) -> list[str]:
    """What its records have cost, if they called a model at all."""
    row = connection.execute(
        """
        SELECT coalesce(sum(l.cost), 0), bool_and(l.cost IS NOT NULL)
        FROM ledger l JOIN records r ON r.id = l.record_id
        WHERE r.batch_id = %s AND l.calls > 0 HAVING count(*) > 0
        """,
        (batch.id,),
    ).fetchone()
    if row is None:
        return []
    known: Decimal = row[0]
    return [f"USD {usd(known, known if row[1] else None)}"]

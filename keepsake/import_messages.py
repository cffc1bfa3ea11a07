"""The message to an owner that an import is done: what it says, and when it is due.

How it is sent, once, is in `keepsake/delivery/outbox.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Pool
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.lines import module_of
from keepsake.owners.costs import usd
from keepsake.records.progress import StepProgress, batch_progress
from keepsake.text.counted import counted

KIND = "import"
EXPIRES = timedelta(days=1)  # without an address to send it to by then, it is old news
_AMOUNTS = {  # what a message counts over all steps, in its words
    "failed": "failed",
    "waiting": "waiting",
    "beyond_tier": "beyond the tier",
    "switched_off": "switched off",
    "over_budget": "over this month's budget",
}


@dataclass(frozen=True)
class CompleteBatch:
    """A batch whose records are all done, and how many there are; see `batches.Batch`."""

    id: int
    owner_id: int
    owner_name: str
    line: str
    created: int
    duplicates: int
    rejected: int


async def complete_batches(connection: AsyncConnection) -> list[CompleteBatch]:
    """Batches that brought something new, whose records are all done, without a message so far.

    What is put off to the next month, since the budget is spent, is not waited for.
    """
    async with connection.cursor(row_factory=class_row(CompleteBatch)) as cursor:
        await cursor.execute(
            """
            SELECT b.id, b.owner_id, o.name AS owner_name, b.line, b.created,
                   b.duplicates, b.rejected
            FROM batches b JOIN owners o ON o.id = b.owner_id
            WHERE b.taken_in_at IS NOT NULL AND b.completed_at IS NULL AND b.created > 0
              AND NOT EXISTS (SELECT FROM records r JOIN ledger l ON l.record_id = r.id
                              WHERE r.batch_id = b.id AND l.due_at IS NOT NULL
                                AND (l.wait_reason IS DISTINCT FROM 'budget'
                                     OR l.due_at <= now()))
            ORDER BY b.id
            """
        )
        return await cursor.fetchall()


async def enqueue_import_messages(pool: Pool) -> int:
    """Enqueue a message for every import that has become complete; how many."""
    async with pool.connection() as connection:
        found = await complete_batches(connection)
        return sum([await complete(connection, batch) for batch in found])


async def complete(connection: AsyncConnection, batch: CompleteBatch) -> bool:
    """Mark a batch complete and enqueue the message; False if another process has done so."""
    async with connection.transaction():
        cursor = await connection.execute(
            "UPDATE batches SET completed_at = now() WHERE id = %s AND completed_at IS NULL",
            (batch.id,),
        )
        return cursor.rowcount == 1 and await enqueue(
            connection,
            NewMessage(
                batch.owner_id,
                KIND,
                f"{KIND}/{batch.id}",
                title=f"{batch.owner_name}: an import is done",
                body=await _body(connection, batch),
                expires_at=datetime.now(UTC) + EXPIRES,
            ),
        )


async def _body(connection: AsyncConnection, batch: CompleteBatch) -> str:
    """What became of a batch: counts and the cost, no content."""
    records = module_of(batch.line).records
    steps = await batch_progress(connection, batch.owner_id, batch.id)
    made = [f"{s.done} {s.step.replace('_', ' ')}" for s in steps if s.step != records]
    parts = [*made, *_amounts(steps), *await _cost(connection, batch.id)]
    others = [
        said
        for count, said in (
            (batch.duplicates, counted(batch.duplicates, "duplicate")),
            (batch.rejected, f"{batch.rejected:,} rejected"),
        )
        if count
    ]
    aside = f" ({', '.join(others)})" if others else ""
    return f"{batch.created} {records} imported{aside}: {', '.join(parts)}"


def _amounts(steps: Sequence[StepProgress]) -> list[str]:
    counts = {label: sum(getattr(s, name) for s in steps) for name, label in _AMOUNTS.items()}
    return [f"{count} {label}" for label, count in counts.items() if count]


async def _cost(connection: AsyncConnection, batch_id: int) -> list[str]:
    """What its records have cost, if they called a model at all."""
    cursor = await connection.execute(
        """
        SELECT coalesce(sum(l.cost), 0), bool_and(l.cost IS NOT NULL)
        FROM ledger l JOIN records r ON r.id = l.record_id
        WHERE r.batch_id = %s AND l.calls > 0 HAVING count(*) > 0
        """,
        (batch_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return []
    known: Decimal = row[0]
    return [f"USD {usd(known, known if row[1] else None)}"]

"""Batches: records that were taken in together, from one file or folder.

A batch is opened before its first record and closed after its last, so that a reader knows whether
more is to come. One that was accepted over HTTP has a job, which takes it in. The message to its
owner, when all its records are done, is in `keepsake/import_messages.py`. How records are read from
a file belongs to their lines.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from psycopg.rows import class_row
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from keepsake.clients.objects import ObjectStore
from keepsake.database import AsyncConnection, Connection, Pool
from keepsake.owners.owners import Owner
from keepsake.settings import Settings


class Hold(Protocol):
    """Called at the start of each transaction of an import; what it raises ends the import."""

    def __call__(self, connection: AsyncConnection) -> Awaitable[None]:
        """Let the transaction go on only while the import counts."""


async def hold_nothing(connection: AsyncConnection) -> None:
    """The `Hold` of an import that nothing can take away."""


class Import(Protocol):
    """Takes in a file as a batch that was started, and finishes it; safe to repeat."""

    def __call__(
        self,
        pool: Pool,
        objects: ObjectStore,
        settings: Settings,
        owner: Owner,
        path: Path,
        *,
        batch_id: int,
        hold: Hold,
    ) -> Awaitable[object]:
        """Take in the file at `path`."""


@dataclass(frozen=True)
class StartedBatch:
    """A batch that is being taken in."""

    id: int
    line: str


@dataclass(frozen=True)
class Batch:
    """Records that were taken in together, and how many were.

    Attributes:
        id: of the batch.
        owner: short name of its owner.
        owner_name: as it is written.
        line: of its records.
        name: of the file or folder they came from.
        created: new records.
        duplicates: recognised as there already.
        rejected: no record could be made of them.
        started_at: when the import began.
        taken_in_at: when it was over; None: it is not, or it broke off.
        completed_at: when all its records were found done, and a message to its owner enqueued.
        notification: the status of that message, and how its last attempt went.
        job_id: of the job that takes it in; None: none does, or it is gone.
    """

    id: int
    owner: str
    owner_name: str
    line: str
    name: str
    created: int
    duplicates: int
    rejected: int
    started_at: datetime
    taken_in_at: datetime | None
    completed_at: datetime | None
    notification: str | None
    job_id: int | None


_BATCH = SQL("""
    SELECT b.id, o.slug AS owner, o.name AS owner_name, b.line, b.name, b.created, b.duplicates,
           b.rejected,
           b.started_at, b.taken_in_at, b.completed_at,
           m.status || coalesce(': ' || m.detail, '') AS notification,
           b.job_id
    FROM batches b JOIN owners o ON o.id = b.owner_id
    LEFT JOIN outbox m ON m.owner_id = b.owner_id AND m.channel = 'apprise'
                      AND m.idempotency_key = 'import/' || b.id
""")


async def start_batch(
    connection: AsyncConnection, owner_id: int, line: str, name: str, *, job_id: int | None = None
) -> int:
    """Open a batch and return its id.

    `name` is that of the file or folder, `job_id` that of the job that takes it in, if one does.
    """
    cursor = await connection.execute(
        "INSERT INTO batches (owner_id, line, name, job_id) VALUES (%s, %s, %s, %s) RETURNING id",
        (owner_id, line, name, job_id),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  # RETURNING returns
    return int(row[0])


async def finish_batch(
    connection: AsyncConnection,
    owner_id: int,
    batch_id: int,
    *,
    created: int,
    duplicates: int,
    rejected: int,
    reasons: Sequence[tuple[str, str]] = (),
) -> None:
    """Close an owner's batch: how many records are created, duplicates, and rejected.

    `reasons` are what was rejected, by name or place, and why; the first ones are enough.
    """
    await connection.execute(
        "UPDATE batches SET created = %s, duplicates = %s, rejected = %s, rejections = %s,"
        " taken_in_at = now() WHERE id = %s AND owner_id = %s",
        (created, duplicates, rejected, Jsonb(list(reasons)), batch_id, owner_id),
    )


async def reopen_batch(
    connection: AsyncConnection, owner_id: int, job_id: int
) -> StartedBatch | None:
    """Open the batch of a job for another attempt; None: it has none."""
    async with connection.cursor(row_factory=class_row(StartedBatch)) as cursor:
        await cursor.execute(
            "UPDATE batches SET taken_in_at = NULL, rejected = 0, rejections = '[]'"
            " WHERE job_id = %s AND owner_id = %s RETURNING id, line",
            (job_id, owner_id),
        )
        return await cursor.fetchone()


async def recount_batch(
    connection: AsyncConnection, owner_id: int, batch_id: int
) -> dict[str, int]:
    """Count what an earlier attempt has added as new, not as there already; the counts."""
    cursor = await connection.execute(
        """
        UPDATE batches SET created = found.new,
            duplicates = greatest(0, duplicates - (found.new - created))
        FROM (SELECT count(*) AS new FROM records
              WHERE batch_id = %(batch)s AND owner_id = %(owner)s) AS found
        WHERE id = %(batch)s AND owner_id = %(owner)s
        RETURNING created, duplicates, rejected
        """,
        {"batch": batch_id, "owner": owner_id},
    )
    counts = await cursor.fetchone() or (0, 0, 0)
    return dict(zip(("created", "duplicates", "rejected"), counts, strict=True))


def batches(
    connection: Connection,
    *,
    owner_id: int | None = None,
    before: int | None = None,
    limit: int = 20,
) -> list[Batch]:
    """The newest batches, of an owner or of all; those with a lower id than `before`."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            _BATCH
            + SQL(
                " WHERE (%(owner)s::bigint IS NULL OR b.owner_id = %(owner)s)"
                " AND (%(before)s::bigint IS NULL OR b.id < %(before)s)"
                " ORDER BY b.id DESC LIMIT %(limit)s"
            ),
            {"owner": owner_id, "before": before, "limit": limit},
        ).fetchall()


def find_batch(connection: Connection, owner_id: int, batch_id: int) -> Batch | None:
    """A batch of an owner; None: there is none of that id."""
    with connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(
            _BATCH + SQL(" WHERE b.id = %s AND b.owner_id = %s"), (batch_id, owner_id)
        ).fetchone()


def rejections(connection: Connection, owner_id: int, batch_id: int) -> list[tuple[str, str]]:
    """What was rejected of a batch of an owner, and why: the first ones, once it is taken in."""
    row = connection.execute(
        "SELECT rejections FROM batches WHERE id = %s AND owner_id = %s", (batch_id, owner_id)
    ).fetchone()
    return [(name, reason) for name, reason in row[0]] if row else []

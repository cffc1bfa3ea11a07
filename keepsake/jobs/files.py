"""The file of a job: one that it is to take in, or one that it has made.

The object leaves the store with the job's row: a trigger notes it for the next sweep. Who may read
it is decided elsewhere, and so is how it gets into the store.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from keepsake.database import AsyncConnection


@dataclass(frozen=True)
class JobFile:
    """A file of a job.

    Attributes:
        job_id: of the job.
        key: of the object.
        name: what people call it.
        size_bytes: how large it is.
        created_at: when it was stored.
        remove_at: when it leaves with its job; None: that is not known yet.
    """

    job_id: int
    key: str
    name: str
    size_bytes: int
    created_at: datetime
    remove_at: datetime | None


_FILES: LiteralString = (
    "SELECT job_id, object_key AS key, name, size_bytes, f.created_at, remove_at"
    " FROM job_files f JOIN jobs ON jobs.id = job_id WHERE f.owner_id = %(owner)s"
)


async def keep_file(
    connection: AsyncConnection, owner_id: int, job_id: int, *, key: str, name: str, size_bytes: int
) -> None:
    """Give a job of an owner its file, in place of one of an earlier attempt."""
    await drop_file(connection, job_id)
    await connection.execute(
        "INSERT INTO job_files (job_id, owner_id, object_key, name, size_bytes)"
        " VALUES (%s, %s, %s, %s, %s)",
        (job_id, owner_id, key, name, size_bytes),
    )


async def drop_file(connection: AsyncConnection, job_id: int) -> None:
    """Let a job have no file any more; the next sweep deletes it."""
    await connection.execute("DELETE FROM job_files WHERE job_id = %s", (job_id,))


async def find_file(connection: AsyncConnection, owner_id: int, job_id: int) -> JobFile | None:
    """The file of an owner's job; None: it has none."""
    async with connection.cursor(row_factory=class_row(JobFile)) as cursor:
        await cursor.execute(f"{_FILES} AND job_id = %(job)s", {"owner": owner_id, "job": job_id})
        return await cursor.fetchone()


async def files_of(connection: AsyncConnection, owner_id: int, job_type: str) -> list[JobFile]:
    """The files that an owner's jobs of a type have, the newest first."""
    async with connection.cursor(row_factory=class_row(JobFile)) as cursor:
        await cursor.execute(
            f"{_FILES} AND type = %(type)s ORDER BY job_id DESC",
            {"owner": owner_id, "type": job_type},
        )
        return await cursor.fetchall()

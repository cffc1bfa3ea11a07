"""Which jobs there are, the newest first, by what is known of them; one's attempts and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.jobs.rows import STATUSES, Attempt, Job, LogLine, Status, no_job

MOST = 500
MOST_CHILDREN = 20
MOST_CONTAINING = 1_000  # jobs that are named in a query by their ids
_COLUMNS = SQL(", ").join(
    SQL("(SELECT slug FROM owners WHERE owners.id = owner_id) AS owner")
    if each.name == "owner"
    else SQL("jobs.{}").format(Identifier(each.name))
    for each in fields(Job)
)


@dataclass(frozen=True)
class JobFilter:
    """What jobs to find; what is None or empty does not matter.

    Attributes:
        statuses: of which they have one.
        type: of the job.
        tag: of the job.
        tags: of which they have all.
        metadata: which theirs contains.
        owner_id: whose they are.
        system: whether only those of the system are meant, which have no owner.
        user_id: who asked for them.
        parent_id: the job that asked for them.
        schedule_id: the schedule that they are of.
        since, until: when they were submitted.
        before: an id; only jobs with smaller ones: the next page.
        after: an id; only jobs with larger ones.
    """

    statuses: Sequence[str] = ()
    type: str | None = None
    tag: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    owner_id: int | None = None
    system: bool = False
    user_id: int | None = None
    parent_id: int | None = None
    schedule_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    after: int | None = None


async def find_jobs(
    connection: AsyncConnection, wanted: JobFilter, *, limit: int = 50
) -> list[Job]:
    """The newest jobs that the connection sees, at most `MOST`.

    Raises:
        InvalidInput: there is no such status.
    """
    where, values = await _matching(connection, wanted)
    query = SQL("SELECT {} FROM jobs {} ORDER BY jobs.id DESC LIMIT %(limit)s").format(
        _COLUMNS, where
    )
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        await cursor.execute(query, {**values, "limit": min(limit, MOST)})
        return await cursor.fetchall()


async def find_ids(
    connection: AsyncConnection, wanted: JobFilter, *, limit: int | None = None
) -> list[int]:
    """The ids of the jobs that are found, the oldest first: so many of them, or all.

    Raises:
        InvalidInput: there is no such status.
    """
    where, values = await _matching(connection, wanted)
    cursor = await connection.execute(
        SQL("SELECT id FROM jobs {} ORDER BY id LIMIT %(limit)s").format(where),
        {**values, "limit": limit},
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


async def count_jobs(
    connection: AsyncConnection, wanted: JobFilter, *, most: int | None = None
) -> dict[Status, int]:
    """How many jobs are found, by status; a status that none has is not there.

    With `most` no more are counted of a status than that, so that it takes about as long however
    many jobs there are.

    Raises:
        InvalidInput: there is no such status.
    """
    _check_statuses(wanted)
    conditions, values = await _conditions(connection, replace(wanted, statuses=()))
    # A query for each status, which names it: so the planner knows how many there are of it.
    query = SQL(" UNION ALL ").join(
        SQL("SELECT {}, count(*) FROM (SELECT FROM jobs WHERE {} LIMIT %(most)s) AS found").format(
            status, SQL(" AND ").join([SQL("status = {}").format(status), *conditions])
        )
        for status in map(Literal, wanted.statuses or STATUSES)
    )
    cursor = await connection.execute(query, {**values, "most": most})
    counts: dict[Status, int] = dict(await cursor.fetchall())
    return {status: counts[status] for status in STATUSES if counts.get(status)}


async def _matching(
    connection: AsyncConnection, wanted: JobFilter
) -> tuple[Composed, dict[str, Any]]:
    """The condition of a query, and its values."""
    _check_statuses(wanted)
    conditions, values = await _conditions(connection, wanted)
    where = SQL("WHERE {}").format(SQL(" AND ").join(conditions)) if conditions else Composed([])
    return where, values


def _check_statuses(wanted: JobFilter) -> None:
    if unknown := sorted(set(wanted.statuses) - set(STATUSES)):
        raise InvalidInput(f"there is no status {unknown[0]!r} (known: {', '.join(STATUSES)})")


async def _conditions(
    connection: AsyncConnection, wanted: JobFilter
) -> tuple[list[SQL], dict[str, Any]]:
    """The conditions, and their values: only those that matter are asked, so indexes serve."""
    values = {
        **{each.name: getattr(wanted, each.name) for each in fields(wanted)},
        "statuses": list(wanted.statuses),
        "tags": list(wanted.tags),
        "metadata": Jsonb(wanted.metadata),
        "containing": None,
    }
    conditions = [condition for condition, value in _all_conditions(wanted) if value]
    if wanted.metadata or wanted.tags:
        values["containing"] = await _containing(connection, values)
        if values["containing"] is not None:  # no more than a hint: the others hold as well
            conditions.append(SQL("id = ANY(%(containing)s)"))
    return conditions, values


async def _containing(connection: AsyncConnection, values: Mapping[str, Any]) -> list[int] | None:
    """The owner's jobs with that metadata and those tags: no policy is in the way of an index.

    None: they are many, or the connection sees all owners, and needs no help.
    """
    cursor = await connection.execute(
        SQL("SELECT jobs_containing(%(metadata)s, %(tags)s, {})").format(MOST_CONTAINING), values
    )
    row = await cursor.fetchone()
    found: list[int] | None = row[0] if row else None
    return found


def _all_conditions(wanted: JobFilter) -> list[tuple[SQL, Any]]:
    """Each condition with what it is about."""
    return [
        (SQL("status = ANY(%(statuses)s)"), wanted.statuses),
        (SQL("type = %(type)s"), wanted.type),
        (SQL("tag = %(tag)s"), wanted.tag),
        (SQL("tags @> %(tags)s"), wanted.tags),
        (SQL("metadata @> %(metadata)s"), wanted.metadata),
        (SQL("owner_id = %(owner_id)s"), wanted.owner_id),
        (SQL("owner_id IS NULL"), wanted.system),
        (SQL("user_id = %(user_id)s"), wanted.user_id),
        (SQL("parent_id = %(parent_id)s"), wanted.parent_id),
        (SQL("schedule_id = %(schedule_id)s"), wanted.schedule_id),
        (SQL("created_at >= %(since)s"), wanted.since),
        (SQL("created_at < %(until)s"), wanted.until),
        (SQL("id < %(before)s"), wanted.before),
        (SQL("id > %(after)s"), wanted.after),
    ]


async def find_job(connection: AsyncConnection, job_id: int) -> Job:
    """The job of that id.

    Raises:
        InvalidInput: there is none, or the connection does not see it.
    """
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        await cursor.execute(SQL("SELECT {} FROM jobs WHERE id = %s").format(_COLUMNS), (job_id,))
        job = await cursor.fetchone()
    if job is None:
        raise no_job(job_id)
    return job


async def attempts(connection: AsyncConnection, job_id: int) -> list[Attempt]:
    """The attempts at a job that have ended, in order."""
    return (await attempts_of(connection, [job_id])).get(job_id, [])


async def attempts_of(
    connection: AsyncConnection, job_ids: Sequence[int]
) -> dict[int, list[Attempt]]:
    """The same of several jobs, by job; one without any is not there."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT job_id, attempt, worker_id, run_id, started_at, finished_at, outcome,"
            " error_type, error"
            " FROM job_attempts WHERE job_id = ANY(%s) ORDER BY job_id, attempt",
            (list(job_ids),),
        )
        found: dict[int, list[Attempt]] = {}
        async for row in cursor:
            found.setdefault(row.pop("job_id"), []).append(Attempt(**row))
    return found


async def children_of(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, list[Job]]:
    """The newest jobs that each of these has submitted, at most `MOST_CHILDREN`, by job."""
    query = SQL(
        "SELECT {} FROM unnest(%(ids)s::bigint[]) AS parent(job_id) CROSS JOIN LATERAL ("
        " SELECT * FROM jobs WHERE parent_id = parent.job_id ORDER BY id DESC LIMIT %(most)s)"
        " AS jobs ORDER BY jobs.id DESC"
    ).format(_COLUMNS)
    found: dict[int, list[Job]] = {}
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        await cursor.execute(query, {"ids": list(job_ids), "most": MOST_CHILDREN})
        async for job in cursor:
            if job.parent_id is not None:
                found.setdefault(job.parent_id, []).append(job)
    return found


async def log(connection: AsyncConnection, job_id: int, *, after: int = 0) -> list[LogLine]:
    """What was logged of a job, in order: the newest thousand lines or so are kept.

    Args:
        connection: to the database.
        job_id: of the job. There is no line of one that is not there.
        after: the id of a line; only those after it. To follow a job, ask with the last one's.
    """
    async with connection.cursor(row_factory=class_row(LogLine)) as cursor:
        await cursor.execute(
            "SELECT id, attempt, at, level, message FROM job_log"
            " WHERE job_id = %s AND id > %s ORDER BY id",
            (job_id, after),
        )
        return await cursor.fetchall()

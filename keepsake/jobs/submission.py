"""Submitting jobs: what is accepted, and one pending job for each owner and tag.

Whether a job is new is decided by one INSERT under a unique index, so that of any number of
submissions at once one is. A retry of a job is not submitted: it is the same row again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput, KeepsakeError
from keepsake.jobs.registry import JobType, Retry
from keepsake.jobs.rows import PRIORITIES, Fence, check_json, expire, hold, wake_workers

LONGEST_TAG = 200
MOST_TAGS = 20
LARGEST_DATA = 256_000  # characters of JSON
LARGEST_METADATA = 16_000
EARLIEST_DUE = timedelta(days=1)  # before now: clocks differ
LATEST_DUE = timedelta(days=5 * 366)
_TRIES = 20


@dataclass(frozen=True)
class Debounce:
    """Start only once nothing was submitted under the tag for a while.

    Attributes:
        delay: how long after the last submission.
        longest: how long after the first, at most.
    """

    delay: timedelta
    longest: timedelta


@dataclass(frozen=True)
class Nominal:
    """The time of a schedule that a job is for; it has one job."""

    schedule_id: int
    time: datetime


@dataclass(frozen=True)
class NewJob:
    """A job to submit.

    Attributes:
        type: of the job.
        data: for the type's model.
        owner_id: whose job it is; None: the system's own.
        user_id: who asks for it.
        tag: of the work: while a job of the owner and tag is pending, no other is made.
        run_after: when it is due; None: now. It has a time zone.
        priority: low, normal or urgent.
        ttl: how long from now it is worth starting; None: as its type says.
        debounce: with a tag: later submissions put a job off that has not started, and replace its
            data.
        metadata: an object, to be found by.
        tags: words, to be found by.
        persistent: whether its row stays for good.
        removal_delay: how long after its end its row stays; None: as its type says.
        retry: how often it is tried; None: as its type says.
        concurrency_key: of the jobs with one key, one runs at a time; None: as its type says.
        parent: the running job that asks for it, and takes it along when it is cancelled.
        nominal: the time of a schedule that it is for; its tag then excludes no other job.
    """

    type: JobType[Any]
    data: Any = field(default_factory=dict)
    owner_id: int | None = None
    user_id: int | None = None
    tag: str | None = None
    run_after: datetime | None = None
    priority: str = "normal"
    ttl: timedelta | None = None
    debounce: Debounce | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    persistent: bool = False
    removal_delay: timedelta | None = None
    retry: Retry | None = None
    concurrency_key: str | None = None
    parent: Fence | None = None
    nominal: Nominal | None = None


@dataclass(frozen=True)
class Submission:
    """What became of a submission: the job's id, and whether it is new or was pending before."""

    id: int
    created: bool


async def submit(connection: AsyncConnection, new: NewJob) -> Submission:
    """Submit a job, in the transaction of the connection if there is one.

    While a job of the owner and tag is pending, it is the answer, and its data stays what it was
    (unless the submission debounces).

    Raises:
        InvalidInput: something of it is not accepted.
        JobLost: its parent has been cancelled or given up.
    """
    row = _row(new)
    async with connection.transaction():
        if new.parent is not None:
            await hold(connection, new.parent)
        for _ in range(_TRIES):
            submission = await _insert(connection, row)
            if submission is None:  # another's insertion was committed meanwhile
                continue
            if submission.created:
                await wake_workers(connection)
            elif not new.nominal and not await _join(connection, submission.id, row, new):
                continue
            return submission
    raise KeepsakeError(f"jobs with the tag {new.tag!r} come and go all the time: try again")


async def _insert(connection: AsyncConnection, row: Mapping[str, Any]) -> Submission | None:
    cursor = await connection.execute(
        """
        WITH there AS (
            (SELECT id FROM jobs
             WHERE tag = %(tag)s AND owner_id IS NOT DISTINCT FROM %(owner_id)s
               AND status = 'pending' AND %(schedule_id)s::bigint IS NULL ORDER BY id LIMIT 1)
            UNION ALL
            SELECT id FROM jobs
            WHERE schedule_id = %(schedule_id)s AND nominal_time = %(nominal_time)s),
        added AS (
            INSERT INTO jobs (owner_id, user_id, parent_id, schedule_id, nominal_time, type, tag,
                              executor, data, metadata, tags, priority, due_at, expires_at,
                              attempts_left, retry, timeout, concurrency_key, has_turn, persistent,
                              removal_delay)
            SELECT %(owner_id)s, %(user_id)s, %(parent_id)s, %(schedule_id)s, %(nominal_time)s,
                   %(type)s, %(tag)s, %(executor)s,
                   %(data)s, %(metadata)s, %(tags)s, %(priority)s,
                   coalesce(%(due_at)s, now() + %(delay)s), now() + %(ttl)s, %(attempts)s,
                   %(retry)s, %(timeout)s, %(concurrency_key)s, %(concurrency_key)s::text IS NULL,
                   %(persistent)s, %(removal_delay)s
            WHERE NOT EXISTS (SELECT FROM there)
            ON CONFLICT DO NOTHING RETURNING id)
        SELECT id, true FROM added UNION ALL SELECT id, false FROM there
        """,
        row,
    )
    found = await cursor.fetchone()
    return Submission(*found) if found else None


async def _join(
    connection: AsyncConnection, job_id: int, row: Mapping[str, Any], new: NewJob
) -> bool:
    """Let a pending job do the work of a submission too. False: it is not to be had any more.

    It does not start before our transaction ends: so it sees what the submission is about.

    Raises:
        InvalidInput: it is of another type.
    """
    cursor = await connection.execute(
        "SELECT type, attempt FROM jobs WHERE id = %s AND status = 'pending' FOR UPDATE", (job_id,)
    )
    pending = await cursor.fetchone()
    if pending is None or await expire(connection, job_id):
        return False
    of_type, attempt = pending
    if of_type != new.type.name:
        raise InvalidInput(
            f"job {job_id} with the tag {new.tag!r} is pending, and is of type {of_type}: "
            "choose another tag, or cancel it"
        )
    if new.debounce is not None and attempt == 0:
        await connection.execute(
            "UPDATE jobs SET data = %(data)s, concurrency_key = %(concurrency_key)s,"
            " has_turn = %(concurrency_key)s::text IS NULL,"
            " due_at = least(now() + %(delay)s, created_at + %(longest)s) WHERE id = %(id)s",
            {**row, "id": job_id, "longest": new.debounce.longest},
        )
    return True


def _row(new: NewJob) -> dict[str, Any]:
    """The values of a job's columns, checked."""
    new.type.check_owner(new.owner_id)
    data = new.type.check(new.data)
    retry = new.retry or new.type.retry
    ttl = new.type.ttl if new.ttl is None else new.ttl
    removal_delay = new.removal_delay
    if removal_delay is None:
        removal_delay = new.type.removal_delay
    key = new.concurrency_key
    if key is None and new.type.concurrency_key is not None:
        key = new.type.concurrency_key(new.owner_id, data)
    if new.priority not in PRIORITIES:
        raise InvalidInput(f"priority {new.priority!r} is none of {', '.join(PRIORITIES)}")
    return {
        "owner_id": new.owner_id,
        "user_id": new.user_id,
        "parent_id": new.parent.job_id if new.parent else None,
        "schedule_id": new.nominal.schedule_id if new.nominal else None,
        "nominal_time": new.nominal.time if new.nominal else None,
        "type": new.type.name,
        "tag": check_tag(new.tag, "the tag") if new.tag is not None else None,
        "executor": new.type.executor,
        "data": _json(data.model_dump(mode="json"), LARGEST_DATA, "the data"),
        "metadata": _json(_object(new.metadata), LARGEST_METADATA, "the metadata"),
        "tags": _tags(new.tags),
        "priority": PRIORITIES[new.priority],
        "due_at": _due(new),
        "delay": _span(new.debounce.delay, "the delay") if new.debounce else timedelta(),
        "ttl": None if ttl is None else _span(ttl, "the ttl"),
        "attempts": retry.attempts,
        "retry": Jsonb(retry.model_dump()),
        "timeout": new.type.timeout,
        "concurrency_key": check_tag(key, "the concurrency key") if key is not None else None,
        "persistent": new.persistent,
        "removal_delay": _span(removal_delay, "the removal delay", least=timedelta()),
    }


def check_tag(tag: str, what: str) -> str:
    """The tag.

    Raises:
        InvalidInput: it is empty, too long, or has characters that cannot be printed.
    """
    if not tag.strip():
        raise InvalidInput(f"{what} is empty: give it a letter, or leave it out")
    if len(tag) > LONGEST_TAG:
        raise InvalidInput(f"{what} has {len(tag):,} characters; at most {LONGEST_TAG} are allowed")
    if not tag.isprintable():
        raise InvalidInput(f"{what} has characters that cannot be printed: take them out")
    return tag


def _tags(tags: Sequence[str]) -> list[str]:
    if len(tags) > MOST_TAGS:
        raise InvalidInput(f"{len(tags)} tags were given; at most {MOST_TAGS} are allowed")
    return sorted({check_tag(tag, "one of the tags") for tag in tags})


def _due(new: NewJob) -> datetime | None:
    if new.debounce is not None:
        if new.type.executor == "dagster":
            raise InvalidInput(
                f"a job of type {new.type.name} is a run of Dagster, which cannot be put off once "
                "it is asked for: leave debouncing out"
            )
        if new.tag is None or new.run_after is not None:
            raise InvalidInput("debouncing needs a tag, and says itself when the job is due")
        if new.debounce.longest < new.debounce.delay:
            raise InvalidInput("the longest delay of debouncing is shorter than its delay")
        return None
    return None if new.run_after is None else check_due(new.run_after)


def check_due(moment: datetime) -> datetime:
    """The moment, at which a job may be due.

    Raises:
        InvalidInput: it has no time zone, or is not within the next five years.
    """
    if moment.tzinfo is None:
        raise InvalidInput("the due time has no time zone: write it like 2026-12-01T09:00+01:00")
    now = datetime.now(UTC)
    if not now - EARLIEST_DUE <= moment <= now + LATEST_DUE:
        raise InvalidInput(
            f"the due time {moment.isoformat()} is not within the next five years: "
            "choose one that is, or leave it out to run now"
        )
    return moment


def _span(span: timedelta, what: str, *, least: timedelta = timedelta(seconds=1)) -> timedelta:
    if not least <= span <= LATEST_DUE:
        raise InvalidInput(f"{what} must be from {least.total_seconds():g} s to five years")
    return span


def _object(metadata: Any) -> Mapping[str, Any]:
    if not isinstance(metadata, Mapping):
        raise InvalidInput('the metadata is no object: write it like {"department": "sales"}')
    return metadata


def _json(document: Any, most: int, what: str) -> Jsonb:
    check_json(document, most, what)
    return Jsonb(document)

"""Schedules: jobs that come round by the clock, made, changed, paused and removed at run time.

Each time that a schedule's expression names, its nominal time, has one job. Firing is one
transaction: the job is inserted and the schedule moves on to its next time, both or neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection, Pool
from keepsake.errors import InvalidInput
from keepsake.jobs.control import cancel
from keepsake.jobs.cron import Cron, check_cron
from keepsake.jobs.registry import JobData, JobType, Registry
from keepsake.jobs.submission import NewJob, Nominal, check_tag, submit

Missed = Literal["skip", "once", "catch_up"]
Overlap = Literal["skip", "queue", "cancel_running"]

ON_TIME = timedelta(minutes=5)  # a time that is older when it is seen was missed
AT_ONCE = 100  # missed times that are caught up in one transaction
MOST_SCHEDULES = 100  # of an owner


@dataclass(frozen=True)
class NewSchedule:
    """A schedule to make.

    Attributes:
        type: of its jobs.
        tag: its name, and the tag of its jobs. An owner has one schedule of a tag.
        expression: cron, five fields, or a name such as `@daily`.
        time_zone: an IANA name: whose clock the expression means.
        data: of its jobs.
        owner_id: whose jobs they are; None: the system's own.
        user_id: who asks for them.
        missed: what becomes of times that passed while no worker ran: no job (`skip`), one for the
            last of them (`once`), one for each (`catch_up`).
        overlap: what happens at a time when an earlier job is under way: no job (`skip`), one that
            runs after it (`queue`), one in its place (`cancel_running`).
    """

    type: JobType[Any]
    tag: str
    expression: str
    time_zone: str = "UTC"
    data: Any = field(default_factory=dict)
    owner_id: int | None = None
    user_id: int | None = None
    missed: Missed = "once"
    overlap: Overlap = "skip"


@dataclass(frozen=True)
class Schedule:
    """A schedule as it is now. The columns are explained in `keepsake/migrations/`.

    `owner` is the owner's short name.
    """

    id: int
    owner_id: int | None
    owner: str | None
    user_id: int | None
    tag: str
    type: str
    data: Mapping[str, Any]
    expression: str
    time_zone: str
    missed: Missed
    overlap: Overlap
    paused: bool
    next_at: datetime
    last_at: datetime | None
    skipped: int
    problem: str | None
    created_at: datetime

    @property
    def cron(self) -> Cron:
        """When it comes round.

        Raises:
            InvalidInput: its expression or its time zone means nothing any more.
        """
        return check_cron(self.expression, self.time_zone)


async def add_schedule(connection: AsyncConnection, new: NewSchedule) -> int:
    """Make a schedule; returns its id.

    Raises:
        InvalidInput: something of it is not accepted, or the owner has one of that tag, or too
            many.
    """
    cron = check_cron(new.expression, new.time_zone)
    check_policies(new.missed, new.overlap)
    new.type.check_owner(new.owner_id)
    data = new.type.check(new.data)
    try:
        async with connection.transaction():
            cursor = await connection.execute(
                """
                INSERT INTO job_schedules (owner_id, user_id, tag, type, data, expression,
                                           time_zone, missed, overlap, next_at)
                SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s
                WHERE (SELECT count(*) FROM job_schedules
                       WHERE owner_id IS NOT DISTINCT FROM %s) < %s
                RETURNING id
                """,
                (
                    new.owner_id, new.user_id, check_tag(new.tag, "the tag"), new.type.name,
                    Jsonb(data.model_dump(mode="json")), cron.expression, new.time_zone,
                    new.missed, new.overlap, cron.next(datetime.now(UTC)),
                    new.owner_id, MOST_SCHEDULES,
                ),
            )  # fmt: skip
    except UniqueViolation:
        raise InvalidInput(
            f"there is already a schedule {new.tag!r}: change it, or choose another tag"
        ) from None
    created = await cursor.fetchone()
    if created is None:
        raise InvalidInput(
            f"there are {MOST_SCHEDULES} schedules already: remove one, or have a job do more"
        )
    return int(created[0])


def check_policies(missed: str, overlap: str) -> None:
    """Check what becomes of missed times, and of times at which an earlier job is under way.

    Raises:
        InvalidInput: there is no such policy, or the two do not go together.
    """
    for name, value, known in (
        ("missed", missed, get_args(Missed)),
        ("overlap", overlap, get_args(Overlap)),
    ):
        if value not in known:
            raise InvalidInput(f"{name} {value!r} is none of {', '.join(known)}")
    if missed == "catch_up" and overlap != "queue":
        raise InvalidInput(
            f"to catch up makes several jobs at once, of which overlap {overlap!r} would leave "
            "one: choose overlap 'queue'"
        )


async def find_schedule(connection: AsyncConnection, schedule_id: int) -> Schedule:
    """The schedule of that id.

    Raises:
        InvalidInput: there is none, or the connection does not see it.
    """
    found = await schedules(connection, schedule_id)
    if not found:
        raise InvalidInput(
            f"there is no schedule {schedule_id}: `keepsake jobs schedules list` shows those that "
            "there are"
        )
    return found[0]


async def schedules(connection: AsyncConnection, schedule_id: int | None = None) -> list[Schedule]:
    """All that the connection sees, or one, those first that come next."""
    async with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        await cursor.execute(
            """
            SELECT s.id, owner_id, o.slug AS owner, user_id, tag, type, data, expression,
                   s.time_zone, missed, overlap, paused, next_at, last_at, skipped, problem,
                   s.created_at
            FROM job_schedules s LEFT JOIN owners o ON o.id = owner_id
            WHERE %(id)s::bigint IS NULL OR s.id = %(id)s
            ORDER BY paused, next_at, s.id
            """,
            {"id": schedule_id},
        )
        return await cursor.fetchall()


async def change_schedule(
    connection: AsyncConnection,
    schedule_id: int,
    *,
    data: JobData | None = None,
    expression: str | None = None,
    time_zone: str | None = None,
    missed: Missed | None = None,
    overlap: Overlap | None = None,
    paused: bool | None = None,
) -> Schedule:
    """Change what is given of a schedule. Its next time is then counted from now.

    Times that pass while it is paused are not missed. Jobs that it has made keep their data.
    `data` is what its type has made of it (`JobType.check`).

    Raises:
        InvalidInput: there is no such schedule, or what it would be is not accepted.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM job_schedules WHERE id = %s FOR UPDATE", (schedule_id,)
        )
        now = await find_schedule(connection, schedule_id)
        zone = time_zone or now.time_zone
        cron = check_cron(expression or now.expression, zone)
        check_policies(missed or now.missed, overlap or now.overlap)
        await connection.execute(
            """
            UPDATE job_schedules SET data = coalesce(%s, data), expression = %s, time_zone = %s,
                missed = %s, overlap = %s, paused = %s, next_at = %s, problem = NULL
            WHERE id = %s
            """,
            (
                None if data is None else Jsonb(data.model_dump(mode="json")),
                cron.expression, zone, missed or now.missed, overlap or now.overlap,
                now.paused if paused is None else paused, cron.next(datetime.now(UTC)),
                schedule_id,
            ),
        )  # fmt: skip
        return await find_schedule(connection, schedule_id)


async def remove_schedule(connection: AsyncConnection, schedule_id: int) -> None:
    """Remove a schedule. The jobs that it has made stay.

    Raises:
        InvalidInput: there is no such schedule.
    """
    cursor = await connection.execute("DELETE FROM job_schedules WHERE id = %s", (schedule_id,))
    if cursor.rowcount == 0:
        await find_schedule(connection, schedule_id)


# -- firing ---------------------------------------------------------------------------------------


async def fire_due(pool: Pool, registry: Registry) -> int:
    """Make the jobs of the schedules whose time has come; returns how many.

    Any number of workers may do so at once. Schedules of types that are not in the registry are
    left to those which know them.
    """
    fired = 0
    while True:
        async with pool.connection() as connection, connection.transaction():
            schedule = await _take_due(connection, registry)
            if schedule is None:
                return fired
            try:
                async with connection.transaction():
                    fired += await _fire(connection, schedule, registry)
            except InvalidInput as error:
                await connection.execute(
                    "UPDATE job_schedules SET paused = true, problem = %s WHERE id = %s",
                    (str(error), schedule.id),
                )


async def _take_due(connection: AsyncConnection, registry: Registry) -> Schedule | None:
    types = [each.name for each in registry.all()]
    cursor = await connection.execute(
        "SELECT id FROM job_schedules WHERE NOT paused AND next_at <= now() AND type = ANY(%s)"
        " ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        (types,),
    )
    row = await cursor.fetchone()
    return await find_schedule(connection, row[0]) if row else None


async def _fire(connection: AsyncConnection, schedule: Schedule, registry: Registry) -> int:
    """Make the jobs of the times up to now, and move on."""
    cron, now = schedule.cron, datetime.now(UTC)
    times, seen = _times(schedule, cron, now)
    made = skipped = 0
    under_way = await _under_way(connection, schedule.id)
    if schedule.overlap == "skip" and under_way:
        times, skipped = [], len(times)
    elif schedule.overlap == "cancel_running" and times:
        for job_id in under_way:
            await cancel(connection, job_id)
    for time in times:
        submission = await submit(connection, _job(schedule, time, registry))
        made += submission.created
    await connection.execute(
        "UPDATE job_schedules SET next_at = %s, last_at = coalesce(%s, last_at),"
        " skipped = skipped + %s WHERE id = %s",
        (cron.next(seen), times[-1] if times else None, skipped, schedule.id),
    )
    return made


def _times(schedule: Schedule, cron: Cron, now: datetime) -> tuple[list[datetime], datetime]:
    """The times that get a job, and the last time that was looked at."""
    first = schedule.next_at
    if schedule.missed == "catch_up":
        times = cron.from_until(first, now, limit=AT_ONCE)
        return times, times[-1]
    latest = cron.latest(first, now)
    if schedule.missed == "skip" and now - latest > ON_TIME:
        return [], latest
    return [latest], latest


async def _under_way(connection: AsyncConnection, schedule_id: int) -> list[int]:
    cursor = await connection.execute(
        "SELECT id FROM jobs WHERE schedule_id = %s AND status IN ('pending', 'running')"
        " ORDER BY id",
        (schedule_id,),
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


def _job(schedule: Schedule, time: datetime, registry: Registry) -> NewJob:
    return NewJob(
        registry.find(schedule.type),
        schedule.data,
        owner_id=schedule.owner_id,
        user_id=schedule.user_id,
        tag=schedule.tag,
        concurrency_key=f"schedule/{schedule.id}" if schedule.overlap == "queue" else None,
        nominal=Nominal(schedule.id, time),
    )

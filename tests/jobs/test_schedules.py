"""Schedules: one job for each time, whatever happens, and what was missed as the policy says."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepsake.database import AsyncConnection, Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.jobs.attempts import End, claim, end
from keepsake.jobs.registry import JobType, Registry
from keepsake.jobs.schedules import (
    MOST_SCHEDULES,
    NewSchedule,
    add_schedule,
    change_schedule,
    find_schedule,
    fire_due,
    remove_schedule,
    schedules,
)
from tests.jobs.greetings import REGISTRY, column, given, greet, row

HOURLY = "0 * * * *"


async def made(db: AsyncConnection, **fields: Any) -> int:
    """The id of a schedule with what `fields` say."""
    values = {"type": greet, "tag": "hourly", "expression": HOURLY, **fields}
    return await add_schedule(db, NewSchedule(**values))


async def missed(db: AsyncConnection, schedule_id: int, *, hours: int) -> datetime:
    """Let a schedule have been due `hours` times, at full hours; the last of them."""
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await db.execute(
        "UPDATE job_schedules SET next_at = %s WHERE id = %s",
        (last - timedelta(hours=hours - 1), schedule_id),
    )
    return last


async def due(db: AsyncConnection, schedule_id: int) -> datetime:
    """Let a schedule that comes each minute be due for this one."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await db.execute("UPDATE job_schedules SET next_at = %s WHERE id = %s", (now, schedule_id))
    return now


async def nominal_times(db: AsyncConnection) -> list[datetime]:
    return await column(db, "SELECT nominal_time FROM jobs ORDER BY id")


# -- firing ---------------------------------------------------------------------------------------


async def test_a_time_that_has_come_has_a_job_and_the_schedule_moves_on(
    pool: Pool, db: AsyncConnection
) -> None:
    schedule_id = await made(db, data={"name": "Ben"}, owner_id=1, user_id=2)
    assert await fire_due(pool, REGISTRY) == 0, "it is not due yet"
    last = await missed(db, schedule_id, hours=1)
    assert await fire_due(pool, REGISTRY) == 1
    found = await row(db, (await column(db, "SELECT id FROM jobs"))[0])
    assert (found["schedule_id"], found["nominal_time"], found["tag"]) == (
        schedule_id, last, "hourly",
    )  # fmt: skip
    assert (found["data"]["name"], found["owner_id"], found["user_id"]) == ("Ben", 1, 2)
    schedule = await find_schedule(db, schedule_id)
    assert (schedule.last_at, schedule.next_at) == (last, last + timedelta(hours=1))
    assert await fire_due(pool, REGISTRY) == 0


async def test_of_many_workers_one_makes_the_job_of_a_time(pool: Pool, db: AsyncConnection) -> None:
    for number in range(5):
        await missed(db, await made(db, tag=f"s{number}"), hours=1)
    assert sum(await asyncio.gather(*(fire_due(pool, REGISTRY) for _ in range(6)))) == 5
    assert len(await nominal_times(db)) == 5


async def test_a_time_has_one_job_even_if_the_schedule_is_set_back(
    pool: Pool, db: AsyncConnection
) -> None:
    schedule_id = await made(db, overlap="queue")
    for _ in range(2):
        await missed(db, schedule_id, hours=1)
        await fire_due(pool, REGISTRY)
    assert len(await nominal_times(db)) == 1


async def test_a_schedule_whose_data_fits_no_more_is_paused_and_holds_back_none(
    pool: Pool, db: AsyncConnection
) -> None:
    broken, well = await made(db), await made(db, tag="well")
    await db.execute("UPDATE job_schedules SET data = '{\"nom\": 1}' WHERE id = %s", (broken,))
    for schedule_id in (broken, well):
        await missed(db, schedule_id, hours=1)
    assert await fire_due(pool, REGISTRY) == 1
    schedule = await find_schedule(db, broken)
    assert schedule.paused
    assert "nom" in (schedule.problem or "")


async def test_types_that_a_worker_does_not_know_are_left_to_others(
    pool: Pool, db: AsyncConnection
) -> None:
    await missed(db, await made(db), hours=1)
    nothing: list[JobType[Any]] = []
    assert await fire_due(pool, Registry(nothing)) == 0
    assert await fire_due(pool, REGISTRY) == 1


# -- what was missed ------------------------------------------------------------------------------


async def test_missed_times_are_skipped(pool: Pool, db: AsyncConnection) -> None:
    schedule_id = await made(db, missed="skip", expression="0 0 1 1 *")
    await db.execute("UPDATE job_schedules SET next_at = date_trunc('year', now())")
    assert await fire_due(pool, REGISTRY) == 0
    assert (await find_schedule(db, schedule_id)).next_at > datetime.now(UTC)


async def test_of_those_that_are_skipped_the_one_of_just_now_is_not(
    pool: Pool, db: AsyncConnection
) -> None:
    schedule_id = await made(db, missed="skip", expression="* * * * *")
    now = await due(db, schedule_id)
    assert await fire_due(pool, REGISTRY) == 1
    assert (await nominal_times(db))[0] >= now


async def test_missed_times_have_one_job_for_the_last_of_them(
    pool: Pool, db: AsyncConnection
) -> None:
    last = await missed(db, await made(db, missed="once"), hours=100)
    assert await fire_due(pool, REGISTRY) == 1
    assert await nominal_times(db) == [last]


async def test_missed_times_are_caught_up_one_by_one(
    pool: Pool, db: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.jobs.schedules.AT_ONCE", 2)
    last = await missed(db, await made(db, missed="catch_up", overlap="queue"), hours=5)
    assert await fire_due(pool, REGISTRY) == 5
    assert await nominal_times(db) == [last - timedelta(hours=n) for n in (4, 3, 2, 1, 0)]
    for _ in range(5):
        (job,) = await claim(db, 7, ["greet"], limit=5)
        assert job.nominal_time is not None
        await end(db, job.fence, End("succeeded"))


# -- overlap --------------------------------------------------------------------------------------


async def under_way(pool: Pool, db: AsyncConnection, **fields: Any) -> tuple[int, int]:
    """A schedule that is due again, and its job that runs."""
    schedule_id = await made(db, **fields)
    await missed(db, schedule_id, hours=2)
    await db.execute("UPDATE job_schedules SET next_at = next_at - interval '1 day'")
    await fire_due(pool, REGISTRY)
    (job,) = await claim(db, 7, ["greet"])
    await db.execute("UPDATE jobs SET nominal_time = nominal_time - interval '1 hour'")
    await missed(db, schedule_id, hours=1)
    return schedule_id, job.id


async def test_while_a_job_is_under_way_no_other_is_made_and_this_is_counted(
    pool: Pool, db: AsyncConnection
) -> None:
    schedule_id, job_id = await under_way(pool, db, overlap="skip")
    assert await fire_due(pool, REGISTRY) == 0
    schedule = await find_schedule(db, schedule_id)
    assert schedule.skipped == 1
    assert schedule.next_at > datetime.now(UTC)
    assert await column(db, "SELECT id FROM jobs") == [job_id]


async def test_a_job_is_queued_until_the_one_under_way_has_ended(
    pool: Pool, db: AsyncConnection
) -> None:
    _, job_id = await under_way(pool, db, overlap="queue")
    assert await fire_due(pool, REGISTRY) == 1
    assert await claim(db, 7, ["greet"]) == []
    await db.execute(
        "UPDATE jobs SET status = 'failed', finished_at = now() WHERE id = %s", (job_id,)
    )
    assert len(await claim(db, 7, ["greet"])) == 1


async def test_a_job_under_way_is_cancelled_for_the_next(pool: Pool, db: AsyncConnection) -> None:
    await under_way(pool, db, overlap="cancel_running")
    assert await fire_due(pool, REGISTRY) == 1
    assert await column(db, "SELECT status FROM jobs ORDER BY id") == ["cancelled", "pending"]


# -- at run time ----------------------------------------------------------------------------------


async def test_a_paused_schedule_makes_no_job_and_has_missed_none_afterwards(
    pool: Pool, db: AsyncConnection
) -> None:
    schedule_id = await made(db, missed="catch_up", overlap="queue")
    assert (await change_schedule(db, schedule_id, paused=True)).paused
    await missed(db, schedule_id, hours=9)
    assert await fire_due(pool, REGISTRY) == 0
    resumed = await change_schedule(db, schedule_id, paused=False)
    assert resumed.next_at > datetime.now(UTC)
    assert await fire_due(pool, REGISTRY) == 0


async def test_a_schedule_is_changed_at_run_time(db: AsyncConnection) -> None:
    schedule_id = await made(db)
    changed = await change_schedule(
        db, schedule_id, expression="@daily", time_zone="Asia/Tokyo", overlap="queue"
    )
    assert (changed.expression, changed.time_zone) == ("0 0 * * *", "Asia/Tokyo")
    assert changed.next_at.astimezone(UTC).hour == 15
    with pytest.raises(InvalidInput, match="no time that ever comes"):
        await change_schedule(db, schedule_id, expression="0 0 31 2 *")
    assert (await find_schedule(db, schedule_id)).expression == "0 0 * * *"


async def test_a_removed_schedule_leaves_its_jobs(pool: Pool, db: AsyncConnection) -> None:
    schedule_id = await made(db)
    await missed(db, schedule_id, hours=1)
    await fire_due(pool, REGISTRY)
    await given(db, tag="hourly-by-hand")
    await remove_schedule(db, schedule_id)
    assert await column(db, "SELECT schedule_id FROM jobs ORDER BY id") == [None, None]
    with pytest.raises(InvalidInput, match=f"there is no schedule {schedule_id}"):
        await remove_schedule(db, schedule_id)


async def test_an_owner_sees_and_changes_its_own_schedules(pool: Pool, db: AsyncConnection) -> None:
    mine, theirs = await made(db, owner_id=1), await made(db, owner_id=2)
    async with owner_transaction(pool, 1) as connection:
        assert [schedule.id for schedule in await schedules(connection)] == [mine]
        assert (await change_schedule(connection, mine, paused=True)).paused
        for change in (change_schedule, remove_schedule):
            with pytest.raises(InvalidInput, match=f"there is no schedule {theirs}"):
                await change(connection, theirs)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"expression": "0 0 31 2 *"}, "no time that ever comes"),
        ({"time_zone": "Mars/Olympus"}, "no IANA time zone"),
        ({"data": {"nom": "Ada"}}, "does not fit a job of type greet"),
        ({"tag": "t" * 10_000}, "the tag has 10,000 characters"),
        ({"missed": "never"}, "missed 'never' is none of skip, once, catch_up"),
        ({"overlap": "all"}, "overlap 'all' is none of skip, queue, cancel_running"),
        ({"missed": "catch_up"}, "choose overlap 'queue'"),
    ],
)
async def test_what_is_not_accepted_is_refused(
    db: AsyncConnection, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        await made(db, **fields)
    assert await schedules(db) == []


async def test_an_owner_has_one_schedule_of_a_tag(db: AsyncConnection) -> None:
    await made(db, owner_id=1)
    await made(db, owner_id=2)
    await made(db)
    for owner in (1, None):
        with pytest.raises(InvalidInput, match="there is already a schedule 'hourly'"):
            await made(db, owner_id=owner)


async def test_an_owner_has_so_many_schedules_and_no_more(db: AsyncConnection) -> None:
    for number in range(MOST_SCHEDULES):
        await made(db, tag=f"tag {number}", owner_id=1)
    with pytest.raises(InvalidInput, match="100 schedules already: remove one"):
        await made(db, tag="one more", owner_id=1)
    await made(db, tag="one more", owner_id=2)
    await made(db, tag="one more")

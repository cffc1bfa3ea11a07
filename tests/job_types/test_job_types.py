"""The types of jobs that there are, each run by a real worker."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepsake.accounts.permissions import PERMISSIONS
from keepsake.accounts.tokens import create_token
from keepsake.clients.objects import open_objects
from keepsake.database import Connection, Pool
from keepsake.delivery.outbox import Result, deliver
from keepsake.errors import InvalidInput
from keepsake.family.daily_quote import DAILY_QUOTE
from keepsake.family.mornings import enqueue_due
from keepsake.family.response import add_family, add_member
from keepsake.job_types import REGISTRY
from keepsake.job_types.records import RecordOf, delete_a_record
from keepsake.jobs.attempts import claim
from keepsake.jobs.context import JobContext
from keepsake.jobs.control import cancel
from keepsake.jobs.registry import JobType
from keepsake.jobs.rows import JobLost
from keepsake.jobs.submission import NewJob, submit
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from keepsake.settings import Settings
from tests.doubles.server import serving
from tests.doubles.webhook import Webhook
from tests.given import given_record
from tests.job_types.running import done
from tests.jobs.greetings import until
from tests.running.runner import new_runner


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


@pytest.fixture
def settings(database_url: str, tmp_path: Path, webhook: Webhook) -> Iterator[Settings]:
    """Settings that send every message to the webhook, at any hour."""
    with serving(webhook) as address:
        yield Settings.model_validate(
            {
                "database_url": database_url,
                "keepsake_home": str(tmp_path),
                "notify_urls": address.replace("http:", "json:"),
                "quote_hour": 0,
            }
        )


@pytest.mark.parametrize("job_type", REGISTRY.all(), ids=lambda each: each.name)
def test_every_type_says_what_it_does_and_who_may_ask_for_it(job_type: JobType[Any]) -> None:
    assert job_type.description.endswith(".")
    assert job_type.permission in PERMISSIONS


# -- messages -------------------------------------------------------------------------------------


def given_quote(db: Connection) -> None:
    """A family with a quote to send."""
    family = add_family(db, "The Marlows")
    add_member(db, family, "Rose")
    record = given_record(db, line="family", owner_id=family.id, external_id="one").record_id
    db.execute(
        "INSERT INTO responses (record_id, owner_id, member_id, text)"
        " SELECT %s, owner_id, id, '' FROM members",
        (record,),
    )
    db.execute(
        "INSERT INTO quotes (record_id, owner_id, position, text) VALUES (%s, %s, 0, 'Sing.')",
        (record, family.id),
    )


async def test_the_daily_quote_is_delivered_once(
    pool: Pool, db: Connection, settings: Settings, webhook: Webhook
) -> None:
    given_quote(db)
    first = await done(pool, settings, "deliver_daily_quote")
    second = await done(pool, settings, "deliver_daily_quote")
    assert first.result == {"enqueued": 1, "sent": 1, "failed": 0}
    assert second.result == {"enqueued": 0, "sent": 0, "failed": 0}
    assert len(webhook.messages) == 1


async def test_a_job_beside_the_schedule_of_dagster_sends_no_quote_twice(
    pool: Pool, db: Connection, settings: Settings, webhook: Webhook
) -> None:
    given_quote(db)
    webhook.open.clear()

    async def tick() -> list[Result]:
        """What the schedule's run does (`schedules/delivery.py`)."""
        await enqueue_due(pool, settings, DAILY_QUOTE)
        return await deliver(pool, settings)

    async def open_once_all_have_looked() -> None:
        await until(pool, "SELECT count(*) = 1 FROM outbox WHERE status = 'sending'")
        await tick()
        webhook.open.set()

    await asyncio.gather(
        done(pool, settings, "deliver_daily_quote"), tick(), tick(), open_once_all_have_looked()
    )
    await done(pool, settings, "deliver_daily_quote")
    assert len(webhook.messages) == 1
    assert db.execute("SELECT status FROM outbox").fetchall() == [("sent",)]


async def test_without_an_address_the_daily_quote_says_which_setting_to_give(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    nowhere = Settings.model_validate(
        {"database_url": database_url, "keepsake_home": str(tmp_path)}
    )
    job = await done(pool, nowhere, "deliver_daily_quote")
    assert (job.status, job.attempt) == ("failed", 1)
    assert "NOTIFY_URLS" in (job.error or "")


async def test_what_reaches_all_owners_is_not_submitted_for_one(pool: Pool) -> None:
    async with pool.connection() as connection:
        with pytest.raises(InvalidInput, match="the system's own: submit it without an owner"):
            await submit(connection, NewJob(REGISTRY.find("clean_up"), owner_id=1))
        with pytest.raises(InvalidInput, match="is of an owner: say of which"):
            await submit(connection, NewJob(REGISTRY.find("make_digest")))


# -- running --------------------------------------------------------------------------------------


async def test_a_digest_is_made_for_a_week(
    pool: Pool, settings: Settings, database_url: str
) -> None:
    runner = new_runner(database_url)
    runner.ran("2026-05-04T07:00")
    job = await done(pool, settings, "make_digest", {"week": "2026-05-06"}, owner=runner.owner.id)
    assert job.result == {"week": "2026-05-04", "digests": 1}
    [(key,)] = runner.rows("SELECT page_key FROM weekly_digests")
    assert (settings.objects_folder / key).exists()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("make_digest", {"week": "soon"}, "week: .* no week: write 2026-W46"),
        ("delete_record", {"record_id": 0}, "record_id: .* greater than or equal to 1"),
        ("process_record", {"record_id": 2**63}, "record_id: .* less than or equal to"),
        ("delete_person", {"member_id": -1}, "member_id: .* greater than or equal to 1"),
    ],
    ids=["no week", "no record", "more than an id holds", "no member"],
)
def test_what_can_be_none_is_refused_on_submission(
    name: str, data: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        REGISTRY.find(name).check(data)
    assert "soon" not in str(refused.value)


# -- records --------------------------------------------------------------------------------------


@pytest.fixture
def given(db: Connection, settings: Settings) -> Callable[[int], int]:
    """Adds a record of an owner, with an object and a page; its id."""

    def add(owner_id: int) -> int:
        record_id = given_record(
            db, line="bookmarks", owner_id=owner_id, external_id=f"of {owner_id}"
        ).record_id
        key = f"made/{record_id}"
        asyncio.run(open_objects(settings).put_bytes(key, b"x", "text/plain"))
        db.execute(
            "INSERT INTO loose_objects (key, owner_id, record_id) VALUES (%s, %s, %s)",
            (key, owner_id, record_id),
        )
        page = settings.home / "pages" / f"record-{record_id}.html"
        page.parent.mkdir(exist_ok=True)
        page.write_text("x")
        return record_id

    return add


async def test_a_record_is_deleted_with_its_objects_and_its_page(
    pool: Pool, db: Connection, settings: Settings, given: Callable[[int], int], database_url: str
) -> None:
    owner = new_runner(database_url).owner.id
    record = await asyncio.to_thread(given, owner)
    job = await done(pool, settings, "delete_record", {"record_id": record}, owner=owner)
    assert (job.status, job.result) == ("succeeded", {"records": 1, "objects": 1})
    assert db.execute("SELECT count(*) FROM records").fetchone() == (0,)
    left = [path for path in settings.home.rglob("*") if path.is_file()]
    assert left == []


async def test_another_owners_record_is_not_deleted(
    pool: Pool, db: Connection, settings: Settings, database_url: str
) -> None:
    ada, ben = (new_runner(database_url, name).owner.id for name in ("Ada", "Ben"))
    record = await asyncio.to_thread(
        given_record, db, line="bookmarks", owner_id=ada, external_id="hers"
    )
    job = await done(pool, settings, "delete_record", {"record_id": record.record_id}, owner=ben)
    assert (job.status, job.error_type) == ("failed", "InvalidInput")
    assert db.execute("SELECT count(*) FROM records").fetchone() == (1,)


async def test_a_later_attempt_that_finds_no_record_does_not_say_it_has_deleted_one(
    pool: Pool, settings: Settings, database_url: str
) -> None:
    owner = new_runner(database_url).owner.id
    async with pool.connection() as connection:
        new = NewJob(delete_a_record, RecordOf(record_id=999), owner_id=owner)
        job_id = (await submit(connection, new)).id
        await connection.execute("UPDATE jobs SET attempt = 1 WHERE id = %s", (job_id,))
        (job,) = await claim(connection, 7, ["delete_record"])
    context = JobContext(job.fence, owner, None, None, pool, settings)
    result = await delete_a_record.run(context, RecordOf(record_id=999))
    assert result == {"records": 0, "objects": 0}


async def test_a_record_that_a_run_works_on_is_deleted_later(
    pool: Pool, db: Connection, settings: Settings, database_url: str
) -> None:
    owner = new_runner(database_url).owner.id
    record = await asyncio.to_thread(
        given_record, db, line="bookmarks", owner_id=owner, external_id="busy"
    )
    db.execute("SELECT pg_advisory_lock(%s::bigint + %s)", (RECORD_LOCKS, record.record_id))
    deleting = asyncio.create_task(
        done(pool, settings, "delete_record", {"record_id": record.record_id}, owner=owner)
    )
    await until(pool, "SELECT EXISTS (SELECT FROM jobs WHERE error_type = 'RetryableError')")
    assert db.execute("SELECT status FROM jobs").fetchone() == ("pending",)
    db.execute("SELECT pg_advisory_unlock_all()")
    db.execute("UPDATE jobs SET due_at = now()")
    assert (await deleting).status == "succeeded"


async def test_a_deletion_that_was_cancelled_deletes_nothing(
    pool: Pool, db: Connection, settings: Settings, database_url: str
) -> None:
    owner = new_runner(database_url).owner.id
    record = await asyncio.to_thread(
        given_record, db, line="bookmarks", owner_id=owner, external_id="stays"
    )
    data = RecordOf(record_id=record.record_id)
    async with pool.connection() as connection:
        await submit(connection, NewJob(delete_a_record, data, owner_id=owner))
        (job,) = await claim(connection, 7, ["delete_record"])
        await cancel(connection, job.id)
    context = JobContext(job.fence, owner, None, None, pool, settings)
    with pytest.raises(JobLost):
        await delete_a_record.run(context, data)
    assert db.execute("SELECT count(*) FROM records").fetchone() == (1,)


async def test_an_owner_is_deleted_with_all_that_it_has_and_others_stay(
    pool: Pool, db: Connection, settings: Settings, given: Callable[[int], int], database_url: str
) -> None:
    ada, ben = (new_runner(database_url, name) for name in ("Ada", "Ben"))
    for runner in (ada, ben):
        runner.ran("2026-05-04T07:00")
        await done(pool, settings, "make_digest", {"week": "2026-05-04"}, owner=runner.owner.id)
    await asyncio.to_thread(given, ada.owner.id)
    create_token(db, "phone", owner_id=ada.owner.id, scopes=["read"])
    job = await done(pool, settings, "delete_owner", {"owner": "ada"})
    assert (job.status, job.result) == ("succeeded", {"records": 2, "objects": 2})
    for (table,) in db.execute(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name)"
        " WHERE table_schema = 'keepsake' AND column_name = 'owner_id' AND table_type LIKE 'BASE%'"
    ).fetchall():
        found = db.execute(f"SELECT DISTINCT owner_id FROM {table}".encode()).fetchall()
        assert {owner for (owner,) in found} <= {ben.owner.id, None}, table
    kept = [path for path in settings.objects_folder.rglob("*") if path.is_file()]
    assert [(f"{ben.owner.id}", "2026-05-04.html")] == [(p.parts[-3], p.name) for p in kept]


async def test_an_owner_that_is_not_there_is_not_deleted(pool: Pool, settings: Settings) -> None:
    job = await done(pool, settings, "delete_owner", {"owner": "zoe"})
    assert (job.status, job.attempt) == ("failed", 1)
    assert "there is no owner 'zoe'" in (job.error or "")


# -- upkeep ---------------------------------------------------------------------------------------


async def test_cleaning_up_removes_what_is_old_or_loose(
    pool: Pool, db: Connection, settings: Settings, given: Callable[[int], int], database_url: str
) -> None:
    owner = new_runner(database_url).owner.id
    record = await asyncio.to_thread(given, owner)
    db.execute(
        "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at,"
        " seconds, outcome) VALUES (%s, %s, 'pages', 1, 'r', %s, 1, 'failed')",
        (record, owner, datetime(2020, 1, 1, tzinfo=UTC)),
    )
    job = await done(pool, settings, "clean_up")
    assert job.result == {
        "attempts": 1, "sign_ins": 0, "writes": 0, "alerts": 0, "requests": 0, "figures": 0,
        "objects": 1,
    }  # fmt: skip

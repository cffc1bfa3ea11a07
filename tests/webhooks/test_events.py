"""Events: each is told where it happens, in the same transaction, to those who ask for it."""

import json
from typing import Any

import pytest

from keepsake.database import AsyncConnection, connect, owner_transaction
from keepsake.family.feed.approval import decide, set_policy
from keepsake.family.response import add_family
from keepsake.import_messages import complete, complete_batches
from keepsake.job_types.running import make_digest
from keepsake.job_types.upkeep import clean_up
from keepsake.job_types.webhooks import send_webhook
from keepsake.jobs.attempts import End, become_worker, claim, end
from keepsake.jobs.control import cancel
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.upkeep import DIED
from keepsake.pipeline.ledger import writes
from keepsake.pipeline.ledger.rows import Outcome
from keepsake.records.adding import NewRecord, add_records
from keepsake.records.batches import finish_batch, start_batch
from keepsake.settings import Settings
from keepsake.webhooks.events import EVENTS
from tests.given import NOON
from tests.jobs.greetings import row
from tests.webhooks.conftest import ADA, BEN, Hooks

SETTINGS = Settings.model_validate({})


async def given(db: AsyncConnection, count: int = 1, owner_id: int = ADA) -> list[int]:
    """Ids of bookmarks that an owner has added."""
    cursor = await db.execute("SELECT count(*) FROM records")
    (there,) = await cursor.fetchone() or (0,)
    rows = [NewRecord(f"{owner_id}/{there + n}", NOON, "", 0) for n in range(count)]
    added = await add_records(db, SETTINGS, line="bookmarks", owner_id=owner_id, rows=rows)
    return [each.record_id for each in added]


async def finish(db: AsyncConnection, record_id: int, **statuses: Any) -> None:
    """Write what became of steps of a record as a run does."""
    outcomes = [
        Outcome(record_id=record_id, owner_id=ADA, step=step, status=status,
                output_fingerprint="x" if status == "succeeded" else None)
        for step, status in statuses.items()
    ]  # fmt: skip
    await writes.write(db, "bookmarks", outcomes, run_id="run")


async def steps_of(db: AsyncConnection, record_id: int) -> list[str]:
    cursor = await db.execute("SELECT step FROM ledger WHERE record_id = %s", (record_id,))
    return [step for (step,) in await cursor.fetchall()]


async def test_records_that_are_added_are_told_one_by_one(hooks: Hooks) -> None:
    await hooks.add(events=["record.added"])
    first, second = await given(hooks.db, 2)
    assert await hooks.told() == [
        ("record.added", {"record_id": record_id, "line": "bookmarks", "batch_id": None})
        for record_id in (first, second)
    ]


async def test_what_is_rolled_back_is_not_told(hooks: Hooks) -> None:
    await hooks.add()
    async with hooks.db.transaction(force_rollback=True):
        await given(hooks.db)
        assert len(await hooks.told()) == 1
    assert await hooks.told() == []


async def test_each_endpoint_gets_the_events_it_asks_for_of_its_owner_under_one_id(
    hooks: Hooks,
) -> None:
    _, everything = await hooks.add()
    _, added = await hooks.add(events=["record.added", "job.failed"])
    await hooks.add(events=["job.failed"])
    await hooks.add(BEN)
    await given(hooks.db)
    cursor = await hooks.db.execute(
        "SELECT (data ->> 'endpoint_id')::int, data ->> 'message_id', data ->> 'body', tag"
        " FROM jobs ORDER BY id"
    )
    found = await cursor.fetchall()
    assert [each for each, *_ in found] == [everything.id, added.id]
    assert len({message for _, message, *_ in found}) == len({body for *_, body, _ in found}) == 1
    assert [tag for *_, tag in found] == [f"webhook/{e}/{m}" for e, m, *_ in found]


async def test_what_the_api_does_as_an_owner_is_told(hooks: Hooks) -> None:
    await hooks.add(events=["record.added"])
    async with owner_transaction(hooks.pool, ADA) as connection:
        await given(connection)
    assert len(await hooks.told()) == 1


async def test_a_record_is_completed_once_nothing_of_it_is_due(hooks: Hooks) -> None:
    await hooks.add(events=["record.completed", "record.failed"])
    [record_id] = await given(hooks.db)
    *some, last = await steps_of(hooks.db, record_id)
    await finish(hooks.db, record_id, **dict.fromkeys(some, "succeeded"))
    assert await hooks.told() == []
    await finish(hooks.db, record_id, **{last: "succeeded"})
    about = {
        "record_id": record_id, "line": "bookmarks", "status": "COMPLETED",
        "steps_succeeded": len(some) + 1, "steps_failed": 0,
    }  # fmt: skip
    assert await hooks.told() == [("record.completed", about)]
    await hooks.db.execute("UPDATE ledger SET hold_reason = NULL")  # nothing ends by this
    assert len(await hooks.told()) == 1


@pytest.mark.parametrize(
    ("others", "event", "status"),
    [
        ("succeeded", "record.completed", "PARTIAL_SUCCESS"),
        ("failed", "record.failed", "FAILED"),
    ],
)
async def test_a_record_with_failures_says_so(
    hooks: Hooks, others: str, event: str, status: str
) -> None:
    await hooks.add(events=["record.completed", "record.failed"])
    [record_id] = await given(hooks.db)
    *some, last = await steps_of(hooks.db, record_id)
    await finish(hooks.db, record_id, **dict.fromkeys(some, others), **{last: "failed"})
    [(told, about)] = await hooks.told()
    assert (told, about["status"]) == (event, status)


async def test_a_record_that_is_deleted_is_told(hooks: Hooks) -> None:
    await hooks.add(events=["record.deleted"])
    [record_id] = await given(hooks.db)
    await hooks.db.execute("DELETE FROM records")
    assert await hooks.told() == [("record.deleted", {"record_id": record_id, "line": "bookmarks"})]


async def test_an_owner_with_endpoints_can_be_deleted_with_all_it_has(hooks: Hooks) -> None:
    await hooks.add()
    await given(hooks.db, 3)
    await hooks.db.execute("DELETE FROM owners WHERE id = %s", (ADA,))
    assert await hooks.told() == []


async def test_a_batch_that_is_complete_is_told(hooks: Hooks) -> None:
    await hooks.add(events=["batch.completed"])
    batch_id = await start_batch(hooks.db, ADA, "bookmarks", "export.html")
    await finish_batch(hooks.db, ADA, batch_id, created=5, duplicates=2, rejected=1)
    assert await hooks.told() == []
    for batch in await complete_batches(hooks.db):
        await complete(hooks.db, batch)
    about = {
        "batch_id": batch_id, "line": "bookmarks", "created": 5, "duplicates": 2, "rejected": 1
    }  # fmt: skip
    assert await hooks.told() == [("batch.completed", about)]


async def test_an_episode_is_told_once_it_is_in_the_feed(hooks: Hooks, database_url: str) -> None:
    with connect(database_url) as db:
        family = add_family(db, "The Marlows")
        await hooks.db.execute(
            "INSERT INTO webhook_endpoints (owner_id, url) VALUES (%s, 'http://127.0.0.1/')",
            (family.id,),
        )
        ids = [
            db.execute(
                "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
                " VALUES ('family', %s, %s, now(), '') RETURNING id",
                (family.id, name),
            ).fetchone()
            for name in ("a", "b")
        ]
        one, two = [row[0] for row in ids if row]
        db.execute("DELETE FROM jobs")

        def has_sound(record_id: int) -> None:
            db.execute(
                "INSERT INTO podcasts (record_id, owner_id, audio_key, vtt_key, chapters_key,"
                " duration, loudness, size_bytes, speech_keys)"
                " VALUES (%s, %s, '', '', '', 1, 1, 1, '{}')",
                (record_id, family.id),
            )

        has_sound(one)
        set_policy(db, family.id, "approved")
        has_sound(two)
        decide(db, None, family.id, two, "approved")
        decide(db, None, family.id, two, "approved")
        decide(db, None, family.id, one, "hidden")
    assert await hooks.told() == [
        ("episode.published", {"record_id": one}),
        ("story.approved", {"record_id": two}),
        ("episode.published", {"record_id": two}),
        ("story.hidden", {"record_id": one}),
    ]


async def test_jobs_of_an_owner_are_told_from_start_to_end(hooks: Hooks) -> None:
    await hooks.add()
    worker = await become_worker(hooks.db)
    ids = [(await submit(hooks.db, NewJob(make_digest, owner_id=ADA))).id for _ in range(3)]
    await submit(hooks.db, NewJob(clean_up))  # the system's own
    ends = [End("succeeded", result={"digests": 1}), DIED]
    for how in ends:
        [job] = await claim(hooks.db, worker, ["make_digest"])
        await end(hooks.db, job.fence, how)
    await cancel(hooks.db, ids[2])
    await claim(hooks.db, worker, ["clean_up", "send_webhook"], limit=9)
    assert [(event, about["job_id"], about["status"]) for event, about in await hooks.told()] == [
        ("job.started", ids[0], "running"),
        ("job.succeeded", ids[0], "succeeded"),
        ("job.started", ids[1], "running"),
        ("job.failed", ids[1], "orphaned"),
        ("job.cancelled", ids[2], "cancelled"),
    ]


async def test_all_that_is_told_is_in_the_list_of_events_and_small(hooks: Hooks) -> None:
    await hooks.add()
    cursor = await hooks.db.execute(
        "SELECT prosrc FROM pg_proc WHERE pronamespace = 'keepsake'::regnamespace"
        " AND proname LIKE 'tell%'"
    )
    source = " ".join(text for (text,) in await cursor.fetchall())
    kinds: set[Any] = {event.split(".")[0] for event in EVENTS}
    assert all(f"'{kind}." in source for kind in kinds - {"alert", "webhook"})
    await given(hooks.db)
    cursor = await hooks.db.execute("SELECT data ->> 'body' FROM jobs")
    for (body,) in await cursor.fetchall():
        assert len(body) < 20_000
        assert json.loads(body)["type"] in EVENTS


async def test_messages_that_the_database_submits_are_those_of_the_type(hooks: Hooks) -> None:
    _, endpoint = await hooks.add()
    data = {"endpoint_id": endpoint.id, "message_id": "msg_x", "event": "record.added"}
    new = NewJob(send_webhook, {**data, "body": "{}"}, owner_id=ADA)
    [told] = await hooks.tell()
    ours = await row(hooks.db, (await submit(hooks.db, new)).id)
    theirs = await row(hooks.db, told)
    for name in (
        "type", "owner_id", "executor", "attempts_left", "timeout", "concurrency_key",
        "removal_delay", "priority", "persistent", "expires_at",
    ):  # fmt: skip
        assert theirs[name] == ours[name], name
    assert theirs["data"].keys() == ours["data"].keys()
    assert type(send_webhook.retry).model_validate(theirs["retry"]) == send_webhook.retry

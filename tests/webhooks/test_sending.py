"""Sending: what goes over the wire, and what becomes of an endpoint that does not take it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from starlette.responses import RedirectResponse, Response

from keepsake.database import connect, owner_transaction
from keepsake.job_types.upkeep import clean_up
from keepsake.job_types.webhooks import PAUSES, send_webhook
from keepsake.jobs.submission import NewJob, submit
from keepsake.jobs.worker import WAITING_PLACES, Worker
from keepsake.local.ports import free_port
from keepsake.webhooks.endpoints import (
    Change,
    Endpoint,
    change_endpoint,
    find_endpoint,
    remove_endpoint,
    rotate_secret,
)
from tests.jobs.greetings import column, row
from tests.metrics.reading import total
from tests.webhooks.conftest import ADA, BEN, Hooks, verified

pytestmark = pytest.mark.usefixtures("worker")


async def now(hooks: Hooks, endpoint: Endpoint) -> Endpoint:
    return await find_endpoint(hooks.db, ADA, endpoint.id)


async def test_a_message_is_what_its_event_said_and_signed(hooks: Hooks) -> None:
    secret, _ = await hooks.add()
    [job_id] = await hooks.tell("record.added", record_id=12)
    done = await hooks.attempted(job_id)
    assert (done["status"], done["result"]) == ("succeeded", {"http_status": 204})
    [seen] = hooks.receiver.seen
    body = verified(seen, secret)
    assert (body["type"], body["data"]) == ("record.added", {"record_id": 12})
    assert body["id"] == seen.headers["webhook-id"] == done["data"]["message_id"]
    assert "." not in body["id"]
    assert abs(datetime.fromisoformat(body["timestamp"]) - datetime.now(UTC)).total_seconds() < 60
    assert seen.path == "/hook"
    assert seen.headers["content-type"] == "application/json"
    assert "x-trigger-signature-hmacsha256" not in seen.headers


async def test_every_attempt_sends_the_same_bytes_under_the_same_id_at_its_own_time(
    hooks: Hooks,
) -> None:
    secret, _ = await hooks.add()
    hooks.receiver.next(Response(status_code=500))
    [job_id] = await hooks.tell()
    first = await hooks.attempted(job_id)
    assert (first["status"], first["error"]) == (
        "pending",
        "127.0.0.1 did not take the message (500)",
    )
    await hooks.attempted(job_id, times=2)
    one, two = hooks.receiver.seen
    assert one.body == two.body
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    verified(two, secret)
    stored = await column(
        hooks.db, "SELECT http_status FROM webhook_attempts WHERE job_id = %s", job_id
    )
    assert stored == [500, 204]


async def test_trigger_mode_signs_as_trigger_dev_does_as_well(hooks: Hooks) -> None:
    secret, endpoint = await hooks.add(mode="trigger")
    await hooks.attempted(await hooks.ping(endpoint))
    [seen] = hooks.receiver.seen
    verified(seen, secret)
    assert len(seen.headers["x-trigger-signature-hmacsha256"]) == 64


async def test_while_secrets_rotate_both_sign(hooks: Hooks) -> None:
    former, endpoint = await hooks.add()
    async with owner_transaction(hooks.pool, ADA) as connection:
        current = await rotate_secret(
            connection, None, ADA, endpoint.id, overlap=timedelta(hours=1)
        )
    await hooks.attempted(await hooks.ping(endpoint))
    await hooks.db.execute("UPDATE webhook_secrets SET signs_until = now() WHERE id = 1")
    await hooks.attempted(await hooks.ping(endpoint))
    both, one = hooks.receiver.seen
    for secret in (former, current):
        verified(both, secret)
    assert len(one.headers["webhook-signature"].split()) == 1
    verified(one, current)


async def test_a_redirect_is_not_followed(hooks: Hooks) -> None:
    await hooks.add()
    hooks.receiver.next(RedirectResponse(hooks.url, 307))
    [job_id] = await hooks.tell()
    done = await hooks.attempted(job_id)
    assert (done["status"], "redirects" in done["error"]) == ("pending", True)
    assert len(hooks.receiver.seen) == 1


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://[::1]:9/"])
async def test_nothing_is_sent_to_a_private_address(hooks: Hooks, url: str) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute("UPDATE webhook_endpoints SET url = %s", (url,))  # as DNS might
    [job_id] = await hooks.tell()
    done = await hooks.attempted(job_id)
    assert (done["status"], done["error_type"]) == ("failed", "AddressRefused")
    assert (await now(hooks, endpoint)).failures == 1


async def test_what_says_that_it_is_gone_is_disabled_at_once_and_says_so(hooks: Hooks) -> None:
    _, endpoint = await hooks.add(events=["record.added"])
    await hooks.add(events=["webhook.disabled"])
    hooks.receiver.next(Response(status_code=410))
    [job_id] = await hooks.tell("record.added")
    done = await hooks.attempted(job_id)
    assert (done["status"], done["error_type"]) == ("failed", "PermanentError")
    assert (await now(hooks, endpoint)).disabled_reason == "gone"
    assert await column(hooks.db, "SELECT kind FROM outbox WHERE owner_id = 1") == [
        "webhook_disabled"
    ]
    assert (await hooks.told())[-1] == (
        "webhook.disabled",
        {"endpoint_id": endpoint.id, "reason": "gone"},
    )
    assert await hooks.tell("record.added") == []


@pytest.mark.parametrize(("days", "reason"), [(4.9, None), (5.1, "failing")])
async def test_five_days_of_nothing_but_failures_disable(
    hooks: Hooks, days: float, reason: str | None
) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute(
        "UPDATE webhook_endpoints SET failures = 9, first_failure_at = now() - %s",
        (timedelta(days=days),),
    )
    hooks.receiver.next(Response(status_code=500))
    [job_id] = await hooks.tell()
    await hooks.attempted(job_id)
    assert (await now(hooks, endpoint)).disabled_reason == reason


async def test_a_success_lets_the_clock_of_failures_start_anew(hooks: Hooks) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute(
        "UPDATE webhook_endpoints SET failures = 9, first_failure_at = now() - interval '9 days'"
    )
    await hooks.attempted((await hooks.tell())[0])
    found = await now(hooks, endpoint)
    assert (found.failures, found.first_failure_at) == (0, None)
    assert found.last_success_at is not None


@pytest.mark.parametrize("status", [429, 502, 504])
async def test_an_overloaded_endpoint_is_left_alone_for_a_while(hooks: Hooks, status: int) -> None:
    _, endpoint = await hooks.add()
    first, second = [(await hooks.tell())[0] for _ in range(2)]
    await hooks.db.execute("UPDATE jobs SET due_at = now() + interval '4 s' WHERE id > 1")
    hooks.receiver.next(Response(status_code=status, headers={"Retry-After": "100"}))
    before = datetime.now(UTC)
    done = await hooks.attempted(first)
    until = (await now(hooks, endpoint)).throttled_until
    assert until is not None
    assert timedelta(seconds=90) < until - before < timedelta(seconds=110)
    assert (await row(hooks.db, second))["due_at"] == until
    assert done["due_at"] - before > timedelta(seconds=99)
    [third] = await hooks.tell()
    assert (await row(hooks.db, third))["due_at"] == until


async def test_without_a_word_from_it_the_pause_doubles_with_each_failure(hooks: Hooks) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute("UPDATE webhook_endpoints SET failures = 4, url = 'http://127.0.0.1:9/'")
    before = datetime.now(UTC)
    done = await hooks.attempted((await hooks.tell())[0])
    until = (await now(hooks, endpoint)).throttled_until
    assert done["error_type"] == "RetryableError"
    assert until is not None
    assert timedelta(seconds=75) < until - before < timedelta(seconds=85)


async def test_a_server_cannot_ask_for_more_than_a_day(hooks: Hooks) -> None:
    await hooks.add()
    hooks.receiver.next(Response(status_code=503, headers={"Retry-After": "9" * 400}))
    done = await hooks.attempted((await hooks.tell())[0])
    assert done["due_at"] - datetime.now(UTC) < timedelta(days=1)


async def test_what_is_disabled_gets_a_ping_and_nothing_else(hooks: Hooks) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute("UPDATE webhook_endpoints SET throttled_until = now() + interval '1 h'")
    [waits] = await hooks.tell()
    async with owner_transaction(hooks.pool, ADA) as connection:
        await change_endpoint(
            connection, hooks.settings, None, ADA, endpoint.id, Change(enabled=False)
        )
    assert "is disabled" in (await hooks.attempted(waits))["error"]
    assert hooks.receiver.seen == []
    done = await hooks.attempted(await hooks.ping(endpoint))
    assert (done["status"], done["data"]["event"]) == ("succeeded", "webhook.ping")
    assert len(hooks.receiver.seen) == 1


async def test_what_waits_for_an_endpoint_that_was_removed_is_not_sent(hooks: Hooks) -> None:
    _, endpoint = await hooks.add()
    await hooks.db.execute("UPDATE webhook_endpoints SET throttled_until = now() + interval '1 h'")
    [job_id] = await hooks.tell()
    async with owner_transaction(hooks.pool, ADA) as connection:
        await remove_endpoint(connection, None, ADA, endpoint.id)
    assert (await hooks.attempted(job_id))["error"] == f"endpoint {endpoint.id} was removed"
    assert hooks.receiver.seen == []


async def test_endpoints_that_hang_keep_no_other_job_waiting(hooks: Hooks, worker: Worker) -> None:
    hooks.receiver.delay = 3.0
    try:
        for owner_id in (ADA, BEN):
            for _ in range(WAITING_PLACES // 2):
                await hooks.ping((await hooks.add(owner_id))[1], owner_id)
        async with asyncio.timeout(10):
            while hooks.receiver.at_once < WAITING_PLACES:  # noqa: ASYNC110  # in its thread
                await asyncio.sleep(0.02)
        begun = time.monotonic()
        await hooks.attempted((await submit(hooks.db, NewJob(clean_up))).id)
        assert time.monotonic() - begun < 2.5
    finally:
        hooks.receiver.delay = 0.0


def test_attempts_are_spread_over_75_hours() -> None:
    at = [0.0, *accumulate(send_webhook.retry.pause(n + 1).total_seconds() for n in range(9))]
    assert send_webhook.retry.attempts == len(at) == len(PAUSES) + 1
    assert 75 < at[-1] / 3600 < 83.2  # and a tenth by chance
    assert all(
        pause <= b - a <= pause * 1.1 for pause, a, b in zip(PAUSES, at, at[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("status", "outcome"), [(204, "delivered"), (500, "refused"), (None, "unreachable")]
)
async def test_an_attempt_is_counted_with_what_came_of_it(
    hooks: Hooks, database_url: str, status: int | None, outcome: str
) -> None:
    await hooks.add()
    if status is None:
        await hooks.db.execute(
            "UPDATE webhook_endpoints SET url = %s", (f"http://127.0.0.1:{free_port()}/",)
        )
    else:
        hooks.receiver.next(Response(status_code=status))
    [job_id] = await hooks.tell("record.added", record_id=12)
    await hooks.attempted(job_id)
    with connect(database_url) as db:
        counted = total(db, "keepsake_webhook_attempts_total")
    assert counted == {("record.added", outcome): 1}

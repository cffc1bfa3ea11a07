"""Sending one message to one endpoint, and what becomes of the endpoint.

An attempt is one POST through the guarded client: a status of 2xx is success, anything else is not,
and redirects are not followed. What came of it is stored in one transaction that counts only while
the attempt does. A worker that dies between the answer and that transaction sends the message
again: the id is the same.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.delivery.signatures import signed_headers
from keepsake.errors import PermanentError, RetryableError, StepError
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData
from keepsake.metrics import totals
from keepsake.metrics.counts import Counts
from keepsake.web.guard import AddressRefused
from keepsake.web.post import Posted, post
from keepsake.webhooks.events import PING

SECONDS = 20.0  # for an answer to begin
GONE = 410
THROTTLED = {429, 502, 504}  # and no answer at all: the endpoint's other messages wait as well
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds for which they do, doubled by each failure
MOST_ASKED_FOR = 86_400.0  # seconds of a Retry-After
FAILING = timedelta(days=5)  # of nothing but failures: then an endpoint is disabled
SAID_FOR = timedelta(days=7)  # that it was: later it is old news


class Message(JobData):
    """A message to an endpoint, as it was when its event happened.

    Attributes:
        endpoint_id: to which.
        message_id: the same in all attempts, and to all endpoints.
        event: its type.
        body: JSON, as it is sent.
    """

    endpoint_id: int
    message_id: str
    event: str
    body: str


@dataclass(frozen=True)
class _Target:
    url: str
    trigger: bool
    disabled: bool
    failures: int
    secrets: list[str]  # the current one first


@dataclass(frozen=True)
class _Outcome:
    """What came of an attempt: an answer, or an error that says why there is none."""

    seconds: float
    answer: Posted | None = None
    error: StepError | None = None

    @property
    def taken(self) -> bool:
        return self.answer is not None and 200 <= self.answer.status < 300

    @property
    def counted_as(self) -> str:
        """What metrics call it."""
        if self.answer is None:
            return "unreachable"
        return "delivered" if self.taken else "refused"

    def throttle(self, failures: int) -> float:
        """For how many seconds the endpoint is left alone, after so many failures before."""
        wait = self.answer.retry_after if self.answer else None
        asked = min(wait or 0.0, MOST_ASKED_FOR)
        if self.answer is None or self.answer.status in THROTTLED:
            return max(asked, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 20)))
        return asked


async def send(context: JobContext, message: Message) -> dict[str, int]:
    """Make an attempt at a message of the job's owner.

    Raises:
        PermanentError: the endpoint is gone or disabled, or nothing may be sent there.
        RetryableError: it did not take the message this time.
    """
    target = await _target(context, message.endpoint_id)
    if target is None:
        raise PermanentError(f"endpoint {message.endpoint_id} was removed")
    if target.disabled and message.event != PING:
        raise PermanentError(f"endpoint {message.endpoint_id} is disabled: enable it, then replay")
    outcome = await _post(context, target, message)
    pause = 0.0 if outcome.taken else outcome.throttle(target.failures)
    async with context.transaction() as connection:
        await _note(connection, context, outcome)
        if outcome.taken:
            await connection.execute(_TAKEN, (message.endpoint_id,))
        else:
            await _failed(connection, context, message.endpoint_id, outcome, pause)
        counts = Counts()
        counts.count(
            "keepsake_webhook_attempts_total", event=message.event, outcome=outcome.counted_as
        )
        await totals.add(connection, counts)
    return _result(outcome, pause)


def _result(outcome: _Outcome, pause: float) -> dict[str, int]:
    if isinstance(outcome.error, AddressRefused):
        raise outcome.error
    if outcome.answer is None:
        raise RetryableError(str(outcome.error), retry_after=pause or None)
    host, status = outcome.answer.host, outcome.answer.status
    if outcome.taken:
        return {"http_status": status}
    if status == GONE:
        raise PermanentError(f"{host} says that it is gone (410), and was disabled")
    what = "redirects, which is not followed" if 300 <= status < 400 else "did not take the message"
    raise RetryableError(f"{host} {what} ({status})", retry_after=pause or None)


async def _target(context: JobContext, endpoint_id: int) -> _Target | None:
    async with context.pool.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT url, mode = 'trigger', disabled_at IS NOT NULL, failures,
                   ARRAY(SELECT secret FROM webhook_secrets s WHERE s.endpoint_id = e.id
                           AND (signs_until IS NULL OR signs_until > now()) ORDER BY s.id DESC)
            FROM webhook_endpoints e WHERE id = %s AND owner_id = %s
            """,
            (endpoint_id, context.owner_id),
        )
        row = await cursor.fetchone()
    return _Target(*row) if row else None


async def _post(context: JobContext, target: _Target, message: Message) -> _Outcome:
    body = message.body.encode()
    headers = signed_headers(
        message.message_id, body, target.secrets, at=int(time.time()), trigger=target.trigger
    )
    headers["Content-Type"] = "application/json"
    begun = time.monotonic()
    try:
        answer = await post(context.settings, target.url, body, headers, seconds=SECONDS)
    except StepError as error:
        return _Outcome(time.monotonic() - begun, error=error)
    return _Outcome(time.monotonic() - begun, answer)


async def _note(connection: AsyncConnection, context: JobContext, outcome: _Outcome) -> None:
    """Keep what came of this attempt; how it ended for the job, the job's own rows say."""
    fence = context.fence
    status = outcome.answer.status if outcome.answer else None
    await connection.execute(
        "INSERT INTO webhook_attempts (job_id, owner_id, attempt, http_status, seconds)"
        " VALUES (%s, %s, %s, %s, %s)",
        (fence.job_id, context.owner_id, fence.attempt, status, outcome.seconds),
    )


_TAKEN: LiteralString = (
    "UPDATE webhook_endpoints SET last_success_at = now(), failures = 0, first_failure_at = NULL,"
    " throttled_until = NULL WHERE id = %s"
)


async def _failed(
    connection: AsyncConnection,
    context: JobContext,
    endpoint_id: int,
    outcome: _Outcome,
    pause: float,
) -> None:
    """Count a failure: let the endpoint's other messages wait for a while, or disable it."""
    cursor = await connection.execute(
        """
        UPDATE webhook_endpoints SET failures = failures + 1,
            first_failure_at = coalesce(first_failure_at, now()),
            throttled_until = nullif(greatest(throttled_until, now() + %(pause)s), now()),
            disabled_at = CASE WHEN %(gone)s OR first_failure_at < now() - %(failing)s
                               THEN now() END,
            disabled_reason = CASE WHEN %(gone)s THEN 'gone'
                                   WHEN first_failure_at < now() - %(failing)s THEN 'failing' END
        WHERE id = %(id)s AND disabled_at IS NULL
        RETURNING disabled_reason, throttled_until
        """,
        {
            "id": endpoint_id,
            "pause": timedelta(seconds=pause),
            "gone": outcome.answer is not None and outcome.answer.status == GONE,
            "failing": FAILING,
        },
    )
    row = await cursor.fetchone()
    if row is None:  # it is disabled, or removed
        return
    reason, until = row
    if reason is not None:
        await _tell_disabled(connection, context, endpoint_id, reason)
    elif pause:
        await connection.execute(
            "UPDATE jobs SET due_at = %(until)s WHERE concurrency_key = %(key)s AND NOT has_turn"
            " AND status = 'pending' AND due_at < %(until)s",
            {"until": until, "key": f"webhook/{endpoint_id}"},
        )


async def _tell_disabled(
    connection: AsyncConnection, context: JobContext, endpoint_id: int, reason: str
) -> None:
    """Say to the owner's members, and to its other endpoints, that this one gets nothing more."""
    assert context.owner_id is not None  # noqa: S101  # the type says so
    why = "said that it is gone" if reason == "gone" else "has only failed for five days"
    about = Jsonb({"endpoint_id": endpoint_id, "reason": reason})
    await connection.execute(
        "SELECT tell_webhooks(%s, 'webhook.disabled', %s)", (context.owner_id, about)
    )
    await enqueue(
        connection,
        NewMessage(
            context.owner_id,
            "webhook_disabled",
            f"webhook_disabled/{context.fence.job_id}",
            title=f"Webhook endpoint {endpoint_id} was disabled",
            body=f"The endpoint {why}, and gets no more messages. Once it is repaired, switch it "
            "on again (You, Webhooks), and send again what it did not take.",
            expires_at=datetime.now(UTC) + SAID_FOR,
        ),
    )

"""What was sent to an endpoint: its messages with their attempts; sending them again; a ping."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.jobs.rows import STATUSES, Outcome, Status, wake_workers
from keepsake.webhooks.endpoints import find_endpoint
from keepsake.webhooks.events import PING

MOST = 100  # deliveries of a page, and one to see whether there are more


@dataclass(frozen=True)
class Delivery:
    """A message to an endpoint: the job that sends it. A replay is a delivery of its own.

    Attributes:
        job_id: of the job.
        message_id: of the message, as the receiver sees it.
        event: its type.
        status: of the job.
        attempts: so many have begun.
        http_status: of the last answer; None: there is none yet.
        error: why the last attempt failed.
        created_at: when the event happened, or the replay was asked for.
        due_at: of the next attempt, while it is pending.
        finished_at: when it was sent, or given up.
    """

    job_id: int
    message_id: str
    event: str
    status: Status
    attempts: int
    http_status: int | None
    error: str | None
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class DeliveryAttempt:
    """An attempt that has ended.

    Attributes:
        attempt: counts up.
        at: when it began.
        outcome: how it ended.
        http_status: of the answer; None: there was none.
        seconds: until the answer began, or none came.
        error_type, error: why it failed.
    """

    attempt: int
    at: datetime
    outcome: Outcome
    http_status: int | None
    seconds: float | None
    error_type: str | None
    error: str | None


async def deliveries(
    connection: AsyncConnection,
    owner_id: int,
    endpoint_id: int,
    *,
    status: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """The newest messages to an endpoint; with a lower job's id than `before`.

    Raises:
        InvalidInput: the owner has no such endpoint, or there is no such status.
    """
    if status not in (None, *STATUSES):
        raise InvalidInput(f"there is no status {status!r} (known: {', '.join(STATUSES)})")
    await find_endpoint(connection, owner_id, endpoint_id)
    async with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        await cursor.execute(
            """
            SELECT j.id AS job_id, data ->> 'message_id' AS message_id, data ->> 'event' AS event,
                   status, attempt AS attempts, last.http_status, error, created_at, due_at,
                   finished_at
            FROM jobs j
            LEFT JOIN LATERAL (SELECT http_status FROM webhook_attempts a WHERE a.job_id = j.id
                               ORDER BY a.attempt DESC LIMIT 1) AS last ON true
            WHERE type = 'send_webhook' AND concurrency_key = %(key)s AND owner_id = %(owner)s
              AND (%(status)s::text IS NULL OR status = %(status)s)
              AND (%(before)s::bigint IS NULL OR j.id < %(before)s)
            ORDER BY j.id DESC LIMIT %(limit)s
            """,
            {
                "key": f"webhook/{endpoint_id}",
                "owner": owner_id,
                "status": status,
                "before": before,
                "limit": min(limit, MOST + 1),
            },
        )
        return await cursor.fetchall()


async def attempts(
    connection: AsyncConnection, owner_id: int, endpoint_id: int, job_id: int
) -> list[DeliveryAttempt]:
    """The attempts at a message that have ended, in order.

    Raises:
        InvalidInput: the owner has no such message to that endpoint.
    """
    cursor = await connection.execute(
        "SELECT FROM jobs WHERE id = %s AND owner_id = %s AND type = 'send_webhook'"
        " AND concurrency_key = %s",
        (job_id, owner_id, f"webhook/{endpoint_id}"),
    )
    if cursor.rowcount == 0:
        raise InvalidInput(f"there is no delivery {job_id} to the endpoint {endpoint_id} here")
    async with connection.cursor(row_factory=class_row(DeliveryAttempt)) as found:
        await found.execute(
            "SELECT attempt, started_at AS at, outcome, http_status, seconds, error_type, error"
            " FROM job_attempts LEFT JOIN webhook_attempts USING (job_id, attempt)"
            " WHERE job_id = %s ORDER BY attempt",
            (job_id,),
        )
        return await found.fetchall()


async def ping(
    connection: AsyncConnection, who: Principal | None, owner_id: int, endpoint_id: int
) -> int:
    """Send a message that tells of nothing, in one attempt, also where the endpoint is disabled.

    Returns the id of its job.

    Raises:
        InvalidInput: the owner has no such endpoint.
    """
    await find_endpoint(connection, owner_id, endpoint_id)
    about = Jsonb({"endpoint_id": endpoint_id})
    cursor = await connection.execute(
        "SELECT tell_webhooks(%s, %s, %s, %s)", (owner_id, PING, about, endpoint_id)
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101  # it is there
    await wake_workers(connection)
    await _note(connection, who, "webhook.ping", owner_id, endpoint_id)
    return int(row[0])


async def replay(
    connection: AsyncConnection,
    who: Principal | None,
    owner_id: int,
    endpoint_id: int,
    *,
    message_id: str | None = None,
    since: datetime | None = None,
    taken_too: bool = False,
) -> int:
    """Send messages again as they were, with the ids that they had; how many.

    What still waits for an attempt is left alone. Messages are kept as long as their jobs.

    Args:
        connection: to the database, in a transaction.
        who: asks for it; None: an operator at the shell.
        owner_id: whose endpoint.
        endpoint_id: to which.
        message_id: this one, whether it was taken or not; None: all.
        since: those of events since then; None: all there are.
        taken_too: whether also those that the endpoint has taken.

    Raises:
        InvalidInput: there is no such endpoint, it is disabled, or there is no such message.
    """
    found = await find_endpoint(connection, owner_id, endpoint_id)
    if found.disabled_at is not None:
        raise InvalidInput(f"endpoint {endpoint_id} is disabled: enable it first")
    cursor = await connection.execute(
        _REPLAY,
        {
            "key": f"webhook/{endpoint_id}",
            "owner": owner_id,
            "message": message_id,
            "since": since,
            "taken_too": taken_too or message_id is not None,
        },
    )
    if message_id is not None and not cursor.rowcount:
        raise InvalidInput(
            f"no message of that id went to the endpoint {endpoint_id}, or it still waits: "
            f"`keepsake webhooks deliveries {endpoint_id}` shows those there are"
        )
    await wake_workers(connection)
    await _note(connection, who, "webhook.replay", owner_id, endpoint_id)
    return cursor.rowcount


# Each message once: as its last delivery was, in the order of the first.
_REPLAY: LiteralString = """
    INSERT INTO jobs (owner_id, type, tag, executor, data, attempts_left, retry, timeout,
                      concurrency_key, has_turn, removal_delay)
    SELECT owner_id, type, tag, executor, data, (retry ->> 'attempts')::int, retry, timeout,
           concurrency_key, false, removal_delay
    FROM (SELECT DISTINCT ON (tag) *, min(id) OVER (PARTITION BY tag) AS first_id,
                 bool_or(status = 'succeeded') OVER (PARTITION BY tag) AS taken,
                 bool_or(finished_at IS NULL) OVER (PARTITION BY tag) AS waits
          FROM jobs
          WHERE type = 'send_webhook' AND concurrency_key = %(key)s AND owner_id = %(owner)s
            AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
            AND (%(message)s::text IS NULL OR data ->> 'message_id' = %(message)s)
          ORDER BY tag, id DESC) AS messages
    WHERE NOT waits AND (%(taken_too)s OR NOT taken)
      AND (%(message)s::text IS NOT NULL OR data ->> 'event' <> 'webhook.ping')
    ORDER BY first_id
    ON CONFLICT DO NOTHING
"""


async def _note(
    connection: AsyncConnection, who: Principal | None, action: str, owner_id: int, id: int
) -> None:
    await record_write(connection, who, action, owner_id=owner_id, detail=f"endpoint {id}")

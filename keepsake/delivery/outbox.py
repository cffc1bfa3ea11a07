"""The outbox: messages to people, from when they are enqueued until they are sent or given up.

A message is enqueued in the transaction of what it is about, once for each owner, channel and key.
An attempt is committed before it begins, so that no message is sent twice:

    pending ── claimed ──> sending ──> sent       at least one address took it
       ^                      ├──────> failed     no address took it, in any of `ATTEMPTS`
       └── took by none ──────┤
       │                      └──────> unknown    it may have arrived, and is not repeated
       └────── too late ─────────────> expired

A message whose owner has no address waits until it expires. No transaction is open and no row is
locked while a message is sent. What messages say, and when they are due, is not decided here.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.rows import class_row

from keepsake.database import AsyncConnection, Connection, Pool
from keepsake.delivery.notifications import Delivery, notify, read_addresses
from keepsake.settings import DeliverySettings

log = logging.getLogger(__name__)

CHANNEL = "apprise"
ATTEMPTS = 6
FIRST_PAUSE = timedelta(minutes=1)  # then 4, 16, 64, 256 minutes: 6 hours in all
ABANDONED = timedelta(minutes=10)  # a sender that has not settled its message by then has ended
NO_ADDRESS_PAUSE = timedelta(minutes=15)
SENDERS = 4  # messages sent at the same time

Status = Literal["pending", "sending", "sent", "failed", "unknown", "expired"]


@dataclass(frozen=True)
class NewMessage:
    """A message to enqueue.

    Attributes:
        owner_id: to whose addresses it goes.
        kind: what it is: `daily_quote`, `interview_prompts`, `import`, `webhook_disabled`.
        key: of what it is about; a second message of the same owner and key is not enqueued.
        title: as it is sent.
        body: plain text, as it is sent.
        expires_at: from when on it is not worth sending.
        record_id: the record it quotes, if it quotes one: it is not sent once that is deleted.
        position: of the quote in that record.
    """

    owner_id: int
    kind: str
    key: str
    title: str
    body: str
    expires_at: datetime
    record_id: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class Message:
    """What is known of a message. Holds no content."""

    id: int
    owner: str
    kind: str
    key: str
    status: Status
    attempts: int
    due_at: datetime
    expires_at: datetime | None
    finished_at: datetime | None
    detail: str | None


@dataclass(frozen=True)
class Result:
    """What became of a message in a delivery. `pending` is: it failed, and is tried again."""

    id: int
    owner_id: int
    kind: str
    status: Status
    attempts: int
    detail: str | None

    @property
    def failed(self) -> bool:
        """Whether it was tried and did not arrive, as far as is known."""
        return self.status != "sent" and self.attempts > 0

    def __str__(self) -> str:
        return (
            f"message {self.id} ({self.kind}) of owner {self.owner_id}: {self.status} after "
            f"{self.attempts} of {ATTEMPTS} attempts: {self.detail}"
        )


@dataclass(frozen=True)
class _Claimed:
    id: int
    owner_id: int
    attempts: int
    title: str
    body: str


async def enqueue(connection: AsyncConnection, message: NewMessage) -> bool:
    """Put a message into the outbox; False if one with its owner and key is there.

    Call it in the transaction of what the message is about.
    """
    cursor = await connection.execute(
        """
        INSERT INTO outbox (owner_id, channel, kind, idempotency_key, record_id, position, title,
                            body, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (owner_id, channel, idempotency_key) DO NOTHING
        """,
        (
            message.owner_id, CHANNEL, message.kind, message.key, message.record_id,
            message.position, message.title, message.body, message.expires_at,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


async def deliver(
    pool: Pool, settings: DeliverySettings, *, begin_within: float = float("inf")
) -> list[Result]:
    """Send every message that is due, some at a time, and say what became of each.

    Any number of processes may do so at the same time. Those that broke off or came too late since
    the last delivery are among the results.

    Args:
        pool: connections to the database.
        settings: which name the addresses.
        begin_within: seconds after which no other message is begun.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read. The messages wait.
    """
    deadline = time.monotonic() + begin_within
    async with pool.connection() as connection:
        results = await _close_overdue(connection)
        owners = await _owners_due(connection)
    if not owners:
        return results
    addresses = await asyncio.to_thread(read_addresses, settings)
    urls = {owner_id: addresses.of(slug) for owner_id, slug in owners.items()}
    async with pool.connection() as connection:
        await _postpone(connection, [owner_id for owner_id in urls if not urls[owner_id]])
    reachable = {owner_id: found for owner_id, found in urls.items() if found}
    senders = [_send_in_turn(pool, reachable, deadline, results) for _ in range(SENDERS)]
    # A sender that fails must not cancel the others in the middle of a message.
    for ended in await asyncio.gather(*senders, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
    return results


async def _send_in_turn(
    pool: Pool, urls: Mapping[int, Sequence[str]], deadline: float, results: list[Result]
) -> None:
    while time.monotonic() < deadline:
        async with pool.connection() as connection:
            message = await _claim(connection, list(urls))
        if message is None:
            return
        delivery = await _send(message, urls[message.owner_id])
        async with pool.connection() as connection:
            results += await _settle(connection, message, delivery)


async def _send(message: _Claimed, urls: Sequence[str]) -> Delivery:
    try:
        return await notify(urls, title=message.title, body=message.body)
    except Exception as error:  # of one of a hundred services: the others' messages go on
        log.warning("message %d broke off: %s", message.id, type(error).__name__)
        return Delivery("unknown", f"broke off while it was sent: {type(error).__name__}")


async def _close_overdue(connection: AsyncConnection) -> list[Result]:
    """Give messages their final status whose time, or whose sender, has ended."""
    async with connection.cursor(row_factory=class_row(Result)) as cursor:
        await cursor.execute(
            """
            UPDATE outbox SET
                status = CASE status WHEN 'sending' THEN 'unknown' ELSE 'expired' END,
                detail = CASE status WHEN 'sending' THEN 'broke off while it was sent'
                                     ELSE coalesce(detail, 'was not sent in time') END,
                title = CASE status WHEN 'sending' THEN title END,
                body = CASE status WHEN 'sending' THEN body END,
                finished_at = now()
            WHERE status = 'sending' AND claimed_at <= now() - %s
               OR status = 'pending' AND expires_at <= now()
            RETURNING id, owner_id, kind, status, attempts, detail
            """,
            (ABANDONED,),
        )
        return await cursor.fetchall()


async def _owners_due(connection: AsyncConnection) -> dict[int, str]:
    """The short names of the owners for whom messages are due, by id."""
    cursor = await connection.execute(
        "SELECT DISTINCT o.id, o.slug FROM outbox m JOIN owners o ON o.id = m.owner_id"
        " WHERE m.status = 'pending' AND m.due_at <= now() AND m.channel = %s",
        (CHANNEL,),
    )
    return dict(await cursor.fetchall())


async def _postpone(connection: AsyncConnection, owner_ids: Sequence[int]) -> None:
    """Let the messages of owners wait that have no address."""
    await connection.execute(
        "UPDATE outbox SET due_at = now() + %s, detail = 'no address to send to'"
        " WHERE status = 'pending' AND due_at <= now() AND owner_id = ANY(%s) AND channel = %s",
        (NO_ADDRESS_PAUSE, list(owner_ids), CHANNEL),
    )


async def _claim(connection: AsyncConnection, owner_ids: Sequence[int]) -> _Claimed | None:
    """Commit an attempt at the message that is due first. None if no other is due."""
    async with connection.cursor(row_factory=class_row(_Claimed)) as cursor:
        await cursor.execute(
            """
            UPDATE outbox SET status = 'sending', attempts = attempts + 1, claimed_at = now()
            WHERE id = (SELECT id FROM outbox
                        WHERE status = 'pending' AND due_at <= now()
                          AND (expires_at IS NULL OR expires_at > now())
                          AND owner_id = ANY(%s) AND channel = %s
                        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, owner_id, attempts, title, body
            """,
            (list(owner_ids), CHANNEL),
        )
        return await cursor.fetchone()


async def _settle(
    connection: AsyncConnection, message: _Claimed, delivery: Delivery
) -> list[Result]:
    """Record how an attempt went. What failed is due again, unless it was tried often enough.

    An attempt that took so long that it was given up for broken off counts after all.
    """
    async with connection.cursor(row_factory=class_row(Result)) as cursor:
        await cursor.execute(
            """
            UPDATE outbox SET status = of.status, detail = %(detail)s,
                due_at = CASE of.status WHEN 'pending' THEN now() + %(pause)s ELSE due_at END,
                finished_at = CASE of.status WHEN 'pending' THEN NULL ELSE now() END,
                title = CASE of.status WHEN 'sent' THEN NULL ELSE title END,
                body = CASE of.status WHEN 'sent' THEN NULL ELSE body END
            FROM (SELECT id, CASE WHEN %(status)s = 'failed' AND attempts < %(most)s
                                       AND body IS NOT NULL
                                  THEN 'pending' ELSE %(status)s END AS status
                  FROM outbox WHERE id = %(id)s FOR UPDATE) AS of
            WHERE outbox.id = of.id AND outbox.attempts = %(attempt)s
              AND outbox.status IN ('sending', 'unknown')
            RETURNING outbox.id, owner_id, kind, outbox.status, attempts, outbox.detail
            """,
            {
                "id": message.id,
                "attempt": message.attempts,
                "status": delivery.status,
                "detail": delivery.detail,
                "pause": FIRST_PAUSE * 4 ** (message.attempts - 1),
                "most": ATTEMPTS,
            },
        )
        return await cursor.fetchall()


def forget_record(connection: Connection, record_id: int) -> None:
    """Remove what messages quote of a record that is deleted. What is not sent yet expires.

    Call it in the transaction that deletes the record, before it does.
    """
    connection.execute(
        """
        UPDATE outbox SET title = NULL, body = NULL,
            status = CASE status WHEN 'pending' THEN 'expired' ELSE status END,
            finished_at = CASE status WHEN 'pending' THEN now() ELSE finished_at END,
            detail = CASE status WHEN 'pending' THEN 'its record was deleted' ELSE detail END
        WHERE record_id = %s
        """,
        (record_id,),
    )


def messages(connection: Connection, *, limit: int = 20) -> list[Message]:
    """The newest messages."""
    with connection.cursor(row_factory=class_row(Message)) as cursor:
        return cursor.execute(
            """
            SELECT m.id, o.slug AS owner, m.kind, m.idempotency_key AS key, m.status, m.attempts,
                   m.due_at, m.expires_at, m.finished_at, m.detail
            FROM outbox m JOIN owners o ON o.id = m.owner_id ORDER BY m.id DESC LIMIT %s
            """,
            (limit,),
        ).fetchall()


def undelivered(connection: Connection, *, since: timedelta) -> dict[str, int]:
    """How many messages were tried and given up in the time before now, by status."""
    rows: list[tuple[str, Any]] = connection.execute(
        "SELECT status, count(*) FROM outbox WHERE status IN ('failed', 'unknown', 'expired')"
        " AND attempts > 0 AND finished_at > now() - %s GROUP BY status ORDER BY status",
        (since,),
    ).fetchall()
    return dict(rows)

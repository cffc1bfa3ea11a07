"""The outbox: messages to people, from when they are enqueued until they are sent or given up.

A message is enqueued in the transaction of what it is about, once for each owner, channel and key.
Those of an owner go to the owner's addresses, by apprise. Those of the whole system have no owner
and go to its operators, by each channel that the settings name (`channels.py`). An attempt is
committed before it begins, so that no message is sent twice:

    pending ── claimed ──> sending ──> sent       at least one address took it
       ^                      ├──────> failed     no address took it, in any of `ATTEMPTS`,
       │                      │                   or it was refused for good
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
from functools import partial
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from keepsake.database import AsyncConnection, Connection, Pool
from keepsake.delivery.channels import Content, Send, operators_channels, send_by_apprise
from keepsake.delivery.notifications import Delivery, read_addresses
from keepsake.errors import SettingsError
from keepsake.metrics import totals
from keepsake.metrics.counts import Counts
from keepsake.settings import DeliverySettings

log = logging.getLogger(__name__)

CHANNEL = "apprise"  # of owners' messages
ATTEMPTS = 6
FIRST_PAUSE = timedelta(minutes=1)  # then 4, 16, 64, 256 minutes: 6 hours in all
ABANDONED = timedelta(minutes=10)  # a sender that has not settled its message by then has ended
NO_ADDRESS_PAUSE = timedelta(minutes=15)
SENDERS = 4  # messages sent at the same time

# What sends a message, by owner and channel; the operators' have None for an owner.
_Routes = dict[tuple[int | None, str], Send]

Status = Literal["pending", "sending", "sent", "failed", "unknown", "expired"]


@dataclass(frozen=True)
class NewMessage:
    """A message to enqueue.

    Attributes:
        owner_id: to whose addresses it goes; None: to the operators.
        kind: what it is: `daily_quote`, `interview_prompts`, `import`, `webhook_disabled`,
            `alert.firing`, `alert.resolved`.
        key: of what it is about; a second message of the same owner, channel and key is not
            enqueued.
        title: as it is sent.
        body: plain text, as it is sent.
        expires_at: from when on it is not worth sending.
        record_id: the record it quotes, if it quotes one: it is not sent once that is deleted.
        position: of the quote in that record.
        channel: what sends it; an owner's are sent by apprise alone.
        payload: the same as data, JSON, for channels that programs read.
    """

    owner_id: int | None
    kind: str
    key: str
    title: str
    body: str
    expires_at: datetime
    record_id: int | None = None
    position: int | None = None
    channel: str = CHANNEL
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Message:
    """What is known of a message. Holds no content. `owner` None: it went to the operators."""

    id: int
    owner: str | None
    channel: str
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
    owner_id: int | None
    kind: str
    status: Status
    attempts: int
    detail: str | None

    @property
    def failed(self) -> bool:
        """Whether it was tried and did not arrive, as far as is known."""
        return self.status != "sent" and self.attempts > 0

    def __str__(self) -> str:
        whom = "the operators" if self.owner_id is None else f"owner {self.owner_id}"
        return (
            f"message {self.id} ({self.kind}) to {whom}: {self.status} after "
            f"{self.attempts} of {ATTEMPTS} attempts: {self.detail}"
        )


@dataclass(frozen=True)
class _Claimed:
    id: int
    owner_id: int | None
    channel: str
    attempts: int
    content: Content


async def enqueue(connection: AsyncConnection, message: NewMessage) -> bool:
    """Put a message into the outbox; False if one with its owner, channel and key is there.

    Call it in the transaction of what the message is about.
    """
    cursor = await connection.execute(
        """
        INSERT INTO outbox (owner_id, channel, kind, idempotency_key, record_id, position, title,
                            body, payload, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (owner_id, channel, idempotency_key) DO NOTHING
        """,
        (
            message.owner_id, message.channel, message.kind, message.key, message.record_id,
            message.position, message.title, message.body,
            Jsonb(message.payload) if message.payload is not None else None, message.expires_at,
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
        SettingsError: NOTIFY_CONFIG cannot be read. The messages of owners wait.
    """
    deadline = time.monotonic() + begin_within
    async with pool.connection() as connection:
        results = await _close_overdue(connection)
        due = await _due(connection)
    if not due:
        return results
    routes: _Routes = {(None, name): send for name, send in operators_channels(settings).items()}
    slugs = {id: slug for id, slug in due.items() if id is not None and slug is not None}
    unread: SettingsError | None = None
    if slugs:
        try:
            routes |= await _owners_routes(pool, settings, slugs)
        except SettingsError as error:  # which must not keep alerts from the operators
            unread = error
    senders = [_send_in_turn(pool, routes, deadline, results) for _ in range(SENDERS)]
    # A sender that fails must not cancel the others in the middle of a message.
    for ended in await asyncio.gather(*senders, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
    if unread:
        raise unread
    return results


async def _owners_routes(
    pool: Pool, settings: DeliverySettings, slugs: Mapping[int, str]
) -> _Routes:
    """What sends the messages of owners, whose short names these are. Those without address wait.

    Raises:
        SettingsError: NOTIFY_CONFIG cannot be read.
    """
    addresses = await asyncio.to_thread(read_addresses, settings)
    urls = {owner_id: addresses.of(slug) for owner_id, slug in slugs.items()}
    async with pool.connection() as connection:
        await _postpone(connection, [owner_id for owner_id in urls if not urls[owner_id]])
    return {
        (owner_id, CHANNEL): partial(send_by_apprise, found)
        for owner_id, found in urls.items()
        if found
    }


async def _send_in_turn(
    pool: Pool, routes: _Routes, deadline: float, results: list[Result]
) -> None:
    while time.monotonic() < deadline:
        async with pool.connection() as connection:
            message = await _claim(connection, routes)
        if message is None:
            return
        delivery = await _send(message, routes[message.owner_id, message.channel])
        async with pool.connection() as connection:
            results += await _settle(connection, message, delivery)


async def _send(message: _Claimed, send: Send) -> Delivery:
    try:
        return await send(message.content)
    except Exception as error:  # of one of a hundred services: the others' messages go on
        log.warning("message %d broke off: %s", message.id, type(error).__name__)
        return Delivery("unknown", f"broke off while it was sent: {type(error).__name__}")


async def _close_overdue(connection: AsyncConnection) -> list[Result]:
    """Give messages their final status whose time, or whose sender, has ended."""
    async with (
        connection.transaction(),
        connection.cursor(row_factory=class_row(Result)) as cursor,
    ):
        await cursor.execute(
            """
            UPDATE outbox SET
                status = CASE status WHEN 'sending' THEN 'unknown' ELSE 'expired' END,
                detail = CASE status WHEN 'sending' THEN 'broke off while it was sent'
                                     ELSE coalesce(detail, 'was not sent in time') END,
                title = CASE status WHEN 'sending' THEN title END,
                body = CASE status WHEN 'sending' THEN body END,
                payload = CASE status WHEN 'sending' THEN payload END,
                finished_at = now()
            WHERE status = 'sending' AND claimed_at <= now() - %s
               OR status = 'pending' AND expires_at <= now()
            RETURNING id, owner_id, kind, status, attempts, detail
            """,
            (ABANDONED,),
        )
        results = await cursor.fetchall()
        await totals.add(connection, _counted(results))
    return results


async def _due(connection: AsyncConnection) -> dict[int | None, str | None]:
    """For whom messages are due: the short names of owners by id; None by None, the operators."""
    cursor = await connection.execute(
        "SELECT DISTINCT m.owner_id, o.slug FROM outbox m LEFT JOIN owners o ON o.id = m.owner_id"
        " WHERE m.status = 'pending' AND m.due_at <= now()"
    )
    return dict(await cursor.fetchall())


async def _postpone(connection: AsyncConnection, owner_ids: Sequence[int]) -> None:
    """Let the messages of owners wait that have no address."""
    await connection.execute(
        "UPDATE outbox SET due_at = now() + %s, detail = 'no address to send to'"
        " WHERE status = 'pending' AND due_at <= now() AND owner_id = ANY(%s) AND channel = %s",
        (NO_ADDRESS_PAUSE, list(owner_ids), CHANNEL),
    )


async def _claim(connection: AsyncConnection, routes: _Routes) -> _Claimed | None:
    """Commit an attempt at the message that is due first. None if no other is due.

    Operators come before owners: an alert does not wait for a thousand quotes.
    """
    cursor = await connection.execute(
        """
        UPDATE outbox SET status = 'sending', attempts = attempts + 1, claimed_at = now()
        WHERE id = (SELECT id FROM outbox
                    WHERE status = 'pending' AND due_at <= now()
                      AND (expires_at IS NULL OR expires_at > now())
                      AND (owner_id = ANY(%s) AND channel = %s
                           OR owner_id IS NULL AND channel = ANY(%s))
                    ORDER BY owner_id IS NOT NULL, due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, owner_id, channel, attempts, idempotency_key, kind, created_at, title, body,
                  coalesce(payload, '{}')
        """,
        (
            [owner_id for owner_id, _ in routes if owner_id is not None],
            CHANNEL,
            [channel for owner_id, channel in routes if owner_id is None],
        ),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    id, owner_id, channel, attempts, *content = row
    return _Claimed(id, owner_id, channel, attempts, Content(*content))


async def _settle(
    connection: AsyncConnection, message: _Claimed, delivery: Delivery
) -> list[Result]:
    """Record how an attempt went. What failed is due again, unless it was tried often enough.

    An attempt that took so long that it was given up for broken off counts after all.
    """
    async with (
        connection.transaction(),
        connection.cursor(row_factory=class_row(Result)) as cursor,
    ):
        await cursor.execute(
            """
            UPDATE outbox SET status = of.status, detail = %(detail)s,
                due_at = CASE of.status WHEN 'pending' THEN now() + %(pause)s ELSE due_at END,
                finished_at = CASE of.status WHEN 'pending' THEN NULL ELSE now() END,
                title = CASE of.status WHEN 'sent' THEN NULL ELSE title END,
                body = CASE of.status WHEN 'sent' THEN NULL ELSE body END,
                payload = CASE of.status WHEN 'sent' THEN NULL ELSE payload END
            FROM (SELECT id, CASE WHEN %(status)s = 'failed' AND NOT %(final)s
                                       AND attempts < %(most)s AND body IS NOT NULL
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
                "final": delivery.final,
                "detail": delivery.detail,
                "pause": FIRST_PAUSE * 4 ** (message.attempts - 1),
                "most": ATTEMPTS,
            },
        )
        results = await cursor.fetchall()
        await totals.add(connection, _counted(results))
    return results


def _counted(results: Sequence[Result]) -> Counts:
    counts = Counts()
    for result in results:
        if result.status != "pending":
            counts.count("keepsake_messages_total", kind=result.kind, status=result.status)
    return counts


def forget_record(connection: Connection, record_id: int) -> None:
    """Remove what messages quote of a record that is deleted. What is not sent yet expires.

    Call it in the transaction that deletes the record, before it does.
    """
    expired = connection.execute(
        "UPDATE outbox SET status = 'expired', finished_at = now(),"
        " detail = 'its record was deleted'"
        " WHERE record_id = %s AND status = 'pending' RETURNING kind",
        (record_id,),
    ).fetchall()
    connection.execute(
        "UPDATE outbox SET title = NULL, body = NULL WHERE record_id = %s", (record_id,)
    )
    counts = Counts()
    for (kind,) in expired:
        counts.count("keepsake_messages_total", kind=kind, status="expired")
    totals.add_now(connection, counts)


async def withdraw(
    connection: AsyncConnection, owner_id: int | None, key: str, *, reason: str
) -> None:
    """Let messages of a key expire that wait to be sent, on all channels."""
    await connection.execute(
        "UPDATE outbox SET status = 'expired', title = NULL, body = NULL, payload = NULL,"
        " finished_at = now(), detail = %s WHERE status = 'pending' AND idempotency_key = %s"
        " AND owner_id IS NOT DISTINCT FROM %s",
        (reason, key, owner_id),
    )


def messages(connection: Connection, *, limit: int = 20) -> list[Message]:
    """The newest messages."""
    with connection.cursor(row_factory=class_row(Message)) as cursor:
        return cursor.execute(
            """
            SELECT m.id, o.slug AS owner, m.channel, m.kind, m.idempotency_key AS key, m.status,
                   m.attempts, m.due_at, m.expires_at, m.finished_at, m.detail
            FROM outbox m LEFT JOIN owners o ON o.id = m.owner_id ORDER BY m.id DESC LIMIT %s
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

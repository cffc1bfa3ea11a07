"""The same request twice gives the same answer: `Idempotency-Key`, on whatever creates something.

    async with once(request, caller.state, caller.owner_id, key) as asked:
        await asked.check(await request.body())
        await add_bookmark(..., also=asked.answer_added)
        return asked.response()

The answer is written in the transaction of its effect: either both are there or neither is,
whenever the process ends. The key holds for a day.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.responses import JSONResponse, Response
from psycopg.types.json import Jsonb

from keepsake.accounts.audit import record_write
from keepsake.database import AsyncConnection, Connection, owner_transaction
from keepsake.http.added import Answer, answer_added
from keepsake.http.callers import who_asked
from keepsake.http.problems import Problem
from keepsake.http.state import State
from keepsake.records.adding import Added

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Your name for this request, such as a random UUID: sent again within 24 hours "
        "it gives the same answer, and nothing is added twice.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]

# No row: the key is taken, or another process is at work under it at this moment. A key of
# yesterday is free again.
_KEEP = """
    INSERT INTO idempotency_keys AS known (owner_id, key, fingerprint, answer)
    SELECT %(owner)s::bigint, %(key)s::text, %(fingerprint)s, %(answer)s
    WHERE pg_try_advisory_xact_lock(
        hashtextextended(concat_ws('/', %(owner)s::bigint, %(key)s::text), 0))
    ON CONFLICT (owner_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = now()
        WHERE known.created_at < now() - interval '1 day'
    RETURNING 1
"""
_FIND = """
    SELECT fingerprint, answer FROM idempotency_keys
    WHERE owner_id IS NOT DISTINCT FROM %(owner)s::bigint AND key = %(key)s
      AND created_at >= now() - interval '1 day'
"""


class AnsweredBefore(Exception):
    """The request was answered before: this is that answer. It undoes the transaction it is in."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


async def answer_again(_request: Request, before: Exception) -> Response:
    """Answer as before: an exception handler."""
    assert isinstance(before, AnsweredBefore)  # noqa: S101  # it is registered for these
    return before.answer.response()


class AskedOnce:
    """A request that may have a key, and its answer. Without a key nothing is looked up or kept."""

    def __init__(self, request: Request, state: State, owner_id: int | None, key: str | None):
        self._about = f"{request.method} {request.url.path}?{request.url.query}".encode()
        self._state, self._owner_id, self._key = state, owner_id, key
        self._who = who_asked(request)
        self._fingerprint = b""
        self._answer: Answer | None = None

    def response(self) -> JSONResponse:
        """The answer that was kept."""
        assert self._answer is not None  # noqa: S101  # what was done was answered
        return self._answer.response()

    async def check(self, content: bytes) -> None:
        """See that the key was not used before. `content` is the body, or its hash.

        Raises:
            AnsweredBefore: this very request was.
            Problem: another one was.
        """
        if self._key is None:
            return
        self._fingerprint = hashlib.sha256(self._about + b"\0" + content).digest()
        async with self._transaction() as connection:
            cursor = await connection.execute(_FIND, self._values())
            self._compare(await cursor.fetchone())

    async def answer_added(self, connection: AsyncConnection, added: Added, **more: Any) -> None:
        """`keep` for a record: 201 for a new one, 200 for one that was there; `more` is added.

        The audit log says who added it.
        """
        status = "PENDING"
        if added.created:
            await record_write(
                connection,
                self._who,
                "record.add",
                owner_id=self._owner_id,
                record_id=added.record_id,
            )
        else:
            cursor = await connection.execute(
                "SELECT status FROM record_status WHERE record_id = %s", (added.record_id,)
            )
            status = (await cursor.fetchone() or (status,))[0]
        answer = answer_added(added, status)
        await self.keep(connection, replace(answer, body={**answer.body, **more}))

    async def keep(self, connection: AsyncConnection, answer: Answer) -> None:
        """Keep the answer; call it in the transaction of what is answered for.

        Raises:
            AnsweredBefore: another process has done this very request meanwhile.
            Problem: another process is at it, or the key was used for another request.
        """
        self._answer = answer
        if self._key is None:
            return
        cursor = await connection.execute(_KEEP, self._values(answer))
        if await cursor.fetchone() is None:
            await cursor.execute(_FIND, self._values())
            self._compare(await cursor.fetchone())
            raise self._in_progress()

    def keep_blocking(self, connection: Connection, answer: Answer) -> None:
        """`keep` for code that is not asynchronous."""
        self._answer = answer
        if self._key is None:
            return
        if connection.execute(_KEEP, self._values(answer)).fetchone() is None:
            self._compare(connection.execute(_FIND, self._values()).fetchone())
            raise self._in_progress()

    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        if self._owner_id is None:
            return self._state.pool.connection()
        return owner_transaction(self._state.pool, self._owner_id)

    def _values(self, answer: Answer | None = None) -> dict[str, Any]:
        return {
            "owner": self._owner_id,
            "key": self._key,
            "fingerprint": self._fingerprint,
            "answer": Jsonb(vars(answer)) if answer else None,
        }

    def _compare(self, row: tuple[Any, ...] | None) -> None:
        if row is None:
            return
        fingerprint, answer = row
        if fingerprint != self._fingerprint:
            raise Problem(
                "idempotency_key_reused",
                "this Idempotency-Key came with another request before: use a new one for each "
                "request, and the old one only to repeat it as it was",
            )
        raise AnsweredBefore(Answer(**answer))

    @staticmethod
    def _in_progress() -> Problem:
        return Problem(
            "request_in_progress",
            "the request of this Idempotency-Key is being worked on: ask again in a moment",
            headers={"Retry-After": "1"},
        )

    @asynccontextmanager
    async def alone(self) -> AsyncIterator["AskedOnce"]:
        """Refuse the key to other requests to this process for the length of the block."""
        if self._key is None:
            yield self
            return
        name = (self._owner_id, self._key)
        if name in self._state.under_way:
            raise self._in_progress()
        self._state.under_way.add(name)
        try:
            yield self
        finally:
            self._state.under_way.discard(name)


def once(
    request: Request, state: State, owner_id: int | None, key: str | None
) -> AbstractAsyncContextManager[AskedOnce]:
    """A request that is done once, however often it is sent.

    Args:
        request: that may have the key.
        state: of the process.
        owner_id: for whom; None: it is an operator's, and of no owner.
        key: its `Idempotency-Key`, if it has one.

    Raises:
        Problem: the same is being worked on.
    """
    return AskedOnce(request, state, owner_id, key).alone()

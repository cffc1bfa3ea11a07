"""GraphQL over a websocket: the protocol `graphql-transport-ws`, and no other.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Who asks is looked up when a
conversation begins, at each operation and every half minute, so it ends soon after the session or
the token does. Strawberry has a handler too; ours checks the form of every message, and logs
nothing that a message holds.
"""

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal

from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from keepsake.accounts.principal import Principal
from keepsake.api.graphql.asked import Asked
from keepsake.api.graphql.errors import formatted
from keepsake.api.graphql.question import Question, answer
from keepsake.api.graphql.schema import ALL
from keepsake.http.body_limit import MOST_JSON
from keepsake.http.callers import bearer_token, principal_if_any, principal_with, token_in
from keepsake.http.cross_site import refuse_cross_site
from keepsake.http.problems import Problem, as_json, problem_of
from keepsake.http.state import state_of

PROTOCOL = "graphql-transport-ws"
BEGINS = 10.0  # seconds in which a client says `connection_init`
CHECKED = 30.0  # seconds after which it is looked whether the caller is still signed in
MOST_OPERATIONS = 20  # of a conversation at once

_AWAY = (OperationalError, PoolTimeout)  # the database
_log = logging.getLogger(__name__)


class _Init(BaseModel):
    type: Literal["connection_init"]
    payload: dict[str, Any] | None = None


class _Ping(BaseModel):
    type: Literal["ping"]


class _Pong(BaseModel):
    type: Literal["pong"]


class _Subscribe(BaseModel):
    type: Literal["subscribe"]
    id: str = Field(min_length=1, max_length=100)
    payload: Question


class _Complete(BaseModel):
    type: Literal["complete"]
    id: str


_Message = _Init | _Ping | _Pong | _Subscribe | _Complete
_MESSAGE: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="type")])


class _End(Exception):
    """The conversation is over: a code of the protocol, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def converse(browser: WebSocket) -> None:
    """Answer until one side ends it. What must not begin is answered with a problem."""
    try:
        if not bearer_token(browser):
            refuse_cross_site(browser)
        if PROTOCOL not in browser.scope["subprotocols"]:
            raise Problem("malformed_request", f"the subprotocol spoken here is {PROTOCOL}")
        await principal_if_any(browser)  # counts the request
    except (Problem, *_AWAY) as error:
        await browser.send_denial_response(as_json(problem_of(error)))
    else:
        await browser.accept(PROTOCOL)
        await _Conversation(browser).hold()


class _Conversation:
    def __init__(self, browser: WebSocket) -> None:
        self._browser = browser
        self._token = bearer_token(browser)
        self._begun = asyncio.Event()
        self._under_way: dict[str, Asked] = {}  # by the client's id, until it or the client ends
        self._answers: set[asyncio.Task[None]] = set()

    async def hold(self) -> None:
        """Read messages until the client is gone, or there is a reason to end."""
        ways = {asyncio.ensure_future(self._read()), asyncio.ensure_future(self._guard())}
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for error in [way.exception() for way in done]:
                await self._end(error)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await self._end_operations()

    async def _end(self, error: BaseException | None) -> None:
        match error:
            case None | WebSocketDisconnect():
                return
            case _End():
                code, reason = error.code, error.reason
            case _:
                _log.error("%s in a websocket of /graphql", type(error).__qualname__)
                code, reason = 1011, "internal error"
        with suppress(WebSocketDisconnect, RuntimeError):  # the client may be gone
            await self._browser.close(code, reason)

    async def _end_operations(self) -> None:
        """Let them end by themselves: a statement that is broken off takes its connection along."""
        for asked in self._under_way.values():
            asked.end()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def _guard(self) -> None:
        """End what does not begin, and what its caller may not go on with.

        Raises:
            _End: that is so.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), BEGINS)
        if not self._begun.is_set():
            raise _End(4408, "Connection initialisation timeout")
        while True:
            await asyncio.sleep(CHECKED)
            with suppress(Problem, *_AWAY):  # another time
                caller = await self._caller()
                for asked in self._under_way.values():
                    asked.caller = caller  # who may do less now, or more

    async def _caller(self) -> Principal:
        """Who asks, by now; it counts as a request.

        Raises:
            _End: nobody who is signed in.
            Problem: they ask too often.
        """
        caller = await principal_with(self._browser, self._token)
        if caller is None:
            raise _End(4401, "Unauthorized")
        return caller

    async def _read(self) -> None:
        """Take message after message.

        Raises:
            _End: one that may not be.
            WebSocketDisconnect: the client is gone.
        """
        while True:
            text = await self._text()
            try:
                message = _MESSAGE.validate_json(text)
            except ValidationError:
                raise _End(4400, "no message of the protocol") from None
            match message:
                case _Init():
                    await self._begin(message)
                case _Ping():
                    await self._browser.send_json({"type": "pong"})
                case _Subscribe():
                    await self._subscribe(message)
                case _Complete() if message.id in self._under_way:
                    self._under_way.pop(message.id).end()

    async def _text(self) -> str:
        message = await self._browser.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        text: str | None = message.get("text")
        if text is None or len(text) > MOST_JSON:
            raise _End(4400, f"a message is text of at most {MOST_JSON:,} characters")
        return text

    async def _begin(self, message: _Init) -> None:
        if self._begun.is_set():
            raise _End(4429, "Too many initialisation requests")
        for name, value in (message.payload or {}).items():
            if name.lower() == "authorization" and isinstance(value, str):
                self._token = token_in(value)
        try:
            await self._caller()
        except _End:
            raise _End(4403, "Forbidden") from None
        self._begun.set()
        await self._browser.send_json({"type": "connection_ack"})

    async def _subscribe(self, message: _Subscribe) -> None:
        if not self._begun.is_set():
            raise _End(4401, "Unauthorized")
        if message.id in self._under_way:
            raise _End(4409, f"Subscriber for {message.id} already exists")
        try:
            if len(self._answers) >= MOST_OPERATIONS:
                raise Problem(
                    "too_many_requests",
                    f"at most {MOST_OPERATIONS} operations may be under way over one websocket",
                )
            asked = Asked(state_of(self._browser), await self._caller())
        except (Problem, *_AWAY) as error:
            await self._send(message.id, "error", [formatted(error)])
        else:
            self._under_way[message.id] = asked
            answering = asyncio.create_task(self._answer(message, asked))
            self._answers.add(answering)
            answering.add_done_callback(self._answers.discard)

    async def _answer(self, message: _Subscribe, asked: Asked) -> None:
        """Send what an operation comes to, result after result."""
        last: tuple[str, Any] = ("complete", None)
        with suppress(WebSocketDisconnect, RuntimeError):  # the client may be gone
            async with aclosing(answer(message.payload, asked, ALL)) as results:
                async for said in results:
                    if asked.ended:
                        return
                    if said.ran:
                        await self._send(message.id, "next", said.content)
                    else:
                        last = ("error", said.content["errors"])
            if not asked.ended:
                del self._under_way[message.id]  # from then on the client may use the id again
                await self._send(message.id, *last)

    async def _send(self, id: str, kind: str, payload: Any = None) -> None:
        message = {"type": kind, "id": id}
        await self._browser.send_json(
            message if payload is None else message | {"payload": payload}
        )

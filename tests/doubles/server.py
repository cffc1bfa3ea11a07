"""What all doubles share: a server in a thread, the requests it saw, the answers it was told."""

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire. `path` is not decoded."""

    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Broken(Response):
    """An answer that breaks off in the middle, and the connection with it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"half', "more_body": True})
        raise ConnectionResetError


class Double:
    """A provider. `next(...)` tells it what to answer first; then it answers by itself."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.asked = threading.Event()  # set by the first request
        self.delay = 0.0
        self.at_once = 0
        self.peak = 0
        self._next: deque[Response] = deque()

    def next(self, *answers: Response) -> None:
        """Give these answers to the next requests, whatever they ask."""
        self._next.extend(answers)

    async def answer(self, request: Request) -> Response:
        """Answer as the provider would."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        request = Request(scope, receive)
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        try:
            body = await request.body()
            self.seen.append(Seen(scope["raw_path"].decode(), request.headers, body))
            self.asked.set()
            await asyncio.sleep(self.delay)
            answer = self._next.popleft() if self._next else await self.answer(request)
        finally:
            self.at_once -= 1
        await answer(scope, receive, send)


def error(
    status: int, code: str | None = None, text: str = "secret words", **more: Any
) -> Response:
    """OpenAI's error shape. `text` stands for prose that must not leave the client."""
    headers = more.pop("headers", None)
    body = {"message": text, "type": "invalid_request_error", "param": None, "code": code, **more}
    return JSONResponse({"error": body}, status, headers=headers)


class _Server(uvicorn.Server):
    """Ends as soon as it is asked to. uvicorn's own looks every 0.1 s, then waits as long again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """Stop serving; from any thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)  # the headers that every answer has
        if not self.should_exit:
            await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in self.server_state.tasks:
            task.cancel()


@contextmanager
def serving(double: Double) -> Iterator[str]:
    """Run `double` on a free loopback port for the block; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(double, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        # The listener takes connections before uvicorn is ready: they wait in its queue.
        listener.listen(512)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.end()
            thread.join()

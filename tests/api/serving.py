"""The application on a real port, in a thread of the tests' own process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from keepsake.api.serve import Server


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application for the length of the block; gives its address."""
    with _listening() as listening:
        server = _Server(
            app,
            access_log=False,
            log_level="warning",
            lifespan="on",
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        thread = threading.Thread(target=asyncio.run, args=[server.serve([listening])])
        thread.start()
        try:
            if not server.is_up.wait(30) or not server.started:
                raise RuntimeError("the application did not start")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _listening() -> socket.socket:
    """A socket that says it is TCP: of others asyncio does not turn off Nagle's algorithm, which
    holds what is sent over a kept connection for 40 ms.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    return listening


class _Server(Server):
    """Says when it is up, or has failed to be."""

    def __init__(self, app: FastAPI, **config: Any) -> None:
        super().__init__(app, **config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.is_up.set()

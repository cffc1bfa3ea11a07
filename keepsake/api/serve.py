"""Serving the application, until it is told to end."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keepsake.api.app import create_app
from keepsake.logs import set_up
from keepsake.settings import Settings

GRACE = 10  # seconds for requests under way when the process is told to end
MOST_HEAD = 64 * 1024  # bytes of a request line and its headers


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's HTTP, with a bound for heads: its parser takes a header without end.

    Counted is what came since the last part of a body, so that trailers have the bound as well.
    """

    _head = 0

    def data_received(self, data: bytes) -> None:
        """See Uvicorn."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The headers are longer than {MOST_HEAD:,} bytes.")

    def on_headers_complete(self) -> None:
        """See Uvicorn."""
        self._head = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See Uvicorn."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See Uvicorn."""
        self._head = 0
        super().on_message_complete()


class Server(uvicorn.Server):
    """Uvicorn, which ends open streams before it waits for the requests that are under way."""

    def __init__(self, app: FastAPI, **config: Any) -> None:
        super().__init__(uvicorn.Config(app, http=BoundedHttp, **config))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See Uvicorn."""
        self._app.state.keepsake.live.end()
        self._app.state.keepsake.live_jobs.end()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve the API and the pages until Ctrl-C or SIGTERM.

    Raises:
        OSError: the address or the port cannot be used.
    """
    set_up(settings.log_format)
    server = Server(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,  # its lines would hold addresses with tokens
        log_config=None,  # all lines are written in the one way that `set_up` chose
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # from which proxies they are believed is a setting of ours
        timeout_graceful_shutdown=GRACE,
    )
    server.run()

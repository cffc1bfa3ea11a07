"""Serving the application, until it is told to end."""

import logging
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from keepsake.api.app import create_app
from keepsake.settings import Settings

GRACE = 10  # seconds for requests under way when the process is told to end


class Server(uvicorn.Server):
    """Uvicorn, which ends open streams before it waits for the requests that are under way."""

    def __init__(self, app: FastAPI, **config: Any) -> None:
        super().__init__(uvicorn.Config(app, **config))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See Uvicorn."""
        self._app.state.keepsake.live.end()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve the API and the pages until Ctrl-C or SIGTERM.

    Raises:
        OSError: the address or the port cannot be used.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for client in ("httpx", "httpx2"):  # whose lines hold whole addresses, with queries
        logging.getLogger(client).setLevel(logging.WARNING)
    server = Server(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,  # its lines would hold addresses with tokens
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # from which proxies they are believed is a setting of ours
        timeout_graceful_shutdown=GRACE,
    )
    server.run()

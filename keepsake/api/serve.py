"""Serving the application, until it is told to end."""

import asyncio
import logging

import uvicorn

from keepsake.api.app import create_app
from keepsake.settings import Settings

GRACE = 10  # seconds for requests under way when the process is told to end


def serve(settings: Settings) -> None:
    """Serve the API and the pages until Ctrl-C or SIGTERM.

    Raises:
        OSError: the address or the port cannot be used.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    config = uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,  # its lines would hold addresses with tokens
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # from which proxies they are believed is a setting of ours
        timeout_graceful_shutdown=GRACE,
    )
    asyncio.run(uvicorn.Server(config).serve())

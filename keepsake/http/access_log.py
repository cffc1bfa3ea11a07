"""One line a request in the log: what was asked, how it ended, how long it took, who asked by id.

No query, no address of a network, and no secret of a path: a feed's and a sign-in link's.
"""

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("keepsake.access")
_SECRETS = re.compile(r"^/(feeds|sign-in)/[^/]+")


class AccessLogMiddleware:
    """Log each request when its answer has been sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope.setdefault("state", {})
        try:
            await self._app(scope, receive, watched)
        finally:
            _log.info(
                "%s %s %d %.0f ms %s",
                scope["method"],
                shown_path(scope["path"]),
                status,
                (time.perf_counter() - began) * 1000,
                _id(scope["state"].get("caller", "")),
            )


def _id(caller: str) -> str:
    return "-" if caller.startswith("address") else caller or "-"


def shown_path(path: str) -> str:
    """A path as it may stand in a log: without secrets and what breaks lines."""
    return ascii(_SECRETS.sub(r"/\1/***", path))[1:-1]

"""What no route expected: the log gets the place and the type, the caller an `internal_error`.

Not the message of the error, which may quote what a person said.
"""

import logging
import traceback

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepsake.http.problems import answer_problem

_log = logging.getLogger(__name__)


class FaultMiddleware:
    """Answer and log an error that nothing else has handled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            _log.error(
                "%s in %s:\n%s",
                type(error).__qualname__,
                _route(scope),
                "".join(traceback.format_tb(error.__traceback__)),
            )
            if started:  # what was sent cannot be taken back: the connection breaks off
                raise ConnectionAbortedError from None
            response = await answer_problem(Request(scope), error)
            await response(scope, receive, send)


def _route(scope: Scope) -> str:
    """The pattern of the address, without what callers put in."""
    route = scope.get("route")
    return f"{scope['method']} {getattr(route, 'path', 'an unknown address')}"

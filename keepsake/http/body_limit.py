"""How much of a body is read: a little by default, more where a route has checked its caller.

Starlette's own limit answers in plain text, whatever the application says.
"""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepsake.http.problems import Problem

MOST_JSON = 2_000_000  # bytes: the longest text, with every letter escaped
_LIMIT = "keepsake.body_limit"


def allow_body(request: Request, most: int) -> None:
    """Let this request have a body of so many bytes. Call it before any of it is read."""
    request.scope[_LIMIT] = most


class BodyLimitMiddleware:
    """Break off a body that is longer than its request may have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_LIMIT] = MOST_JSON
        declared = Headers(scope=scope).get("content-length", "")
        seen = int(declared) if declared.isdecimal() else 0

        async def limited() -> Message:
            nonlocal seen
            _check(seen, scope[_LIMIT])  # before the first byte, where the length was declared
            message = await receive()
            if not declared:
                seen += len(message.get("body", b""))
                _check(seen, scope[_LIMIT])
            return message

        await self._app(scope, limited, send)


def _check(length: int, most: int) -> None:
    if length > most:
        raise Problem("too_large", f"the body is longer than {most:,} bytes")

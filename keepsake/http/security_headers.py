"""What every answer tells browsers to keep from doing; a route's own headers win.

Not `Referrer-Policy: no-referrer`: under it browsers send `Origin: null` with our own forms, and
`cross_site.py` could not tell them from others'.
"""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepsake.http.session_cookie import is_https

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # For what is no page; pages have a policy of their own (`pages.py`).
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}
_TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


class SecurityHeadersMiddleware:
    """Add the headers that an answer has not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_https(HTTPConnection(scope)):
                    headers.setdefault(*_TLS_ONLY)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)

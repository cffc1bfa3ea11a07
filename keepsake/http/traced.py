"""A span for each request: its method, its route and its status, and nothing of its address."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepsake.http.request_metrics import METHODS
from keepsake.traces.spans import Attributes, fail, note, rename, span


class TraceMiddleware:
    """Traces requests, within the trace of a caller that names it in `traceparent`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                note({"http.response.status_code": status})
                if route := getattr(scope.get("route"), "path_format", None):
                    note({"http.route": route})
                    rename(f"{verb} {route}")
                if status >= 500:
                    fail(str(status))
            await send(message)

        # A method may be any word of the caller's; these are the conventions' names for it.
        known = scope["method"] in METHODS
        method, verb = (scope["method"],) * 2 if known else ("_OTHER", "HTTP")
        caller = Headers(scope=scope).get("traceparent")
        attributes: Attributes = {"http.request.method": method}
        with span(verb, attributes, kind="SERVER", caller=caller):
            await self._app(scope, receive, watched)

"""Whether a page of another site made the browser ask.

A browser sends our cookies with what other sites make it send. It also says so: in
`Sec-Fetch-Site`, or, if it is too old for that and for websockets, in `Origin`. Programs send
neither.
"""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from keepsake.http.callers import bearer_token, forwarded_email
from keepsake.http.problems import Problem, answer_problem
from keepsake.http.session_cookie import read_session_cookie
from keepsake.http.state import state_of

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CrossSiteMiddleware:
    """Refuse what another site's page makes a browser change here.

    A token is no matter of browsers: no page of another site can add one to a request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            asked = Request(scope)
            if not bearer_token(asked):
                try:
                    refuse_cross_site(asked)
                except Problem as problem:
                    response = await answer_problem(asked, problem)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def refuse_cross_site(asked: HTTPConnection) -> None:
    """Let pass what our own pages ask, what people type in, and programs.

    Raises:
        Problem: a page of another site, or of another port of this machine, asks; or a session does
            of which no browser says from where.
    """
    if _is_cross_site(asked):
        raise Problem("cross_site", "this can only be asked by pages of this Keepsake itself")


def _is_cross_site(asked: HTTPConnection) -> bool:
    site = asked.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = asked.headers.get("origin")
    if origin is None:
        return site is None and bool(read_session_cookie(asked) or forwarded_email(asked))
    # A proxy that ends TLS passes on the host and not the scheme.
    ours = (asked.headers.get("host"), urlsplit(state_of(asked).settings.base_url).netloc)
    try:
        return urlsplit(origin).netloc not in ours
    except ValueError:  # it is no address
        return True

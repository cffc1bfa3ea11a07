"""Whether a page of another site made the browser ask.

A browser sends our cookies with what other sites make it send. It also says so: in
`Sec-Fetch-Site`, or, if it is too old for that and for websockets, in `Origin`. Programs send
neither.
"""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from keepsake.http.problems import Problem
from keepsake.http.state import state_of


def refuse_cross_site(asked: HTTPConnection) -> None:
    """Let pass what our own pages ask, what people type in, and programs.

    Raises:
        Problem: a page of another site, or of another port of this machine, asks.
    """
    if _is_cross_site(asked):
        raise Problem("cross_site", "this can only be asked by pages of this Keepsake itself")


def _is_cross_site(asked: HTTPConnection) -> bool:
    site = asked.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = asked.headers.get("origin")
    if origin is None:
        return False
    # A proxy that ends TLS passes on the host and not the scheme.
    ours = (asked.headers.get("host"), urlsplit(state_of(asked).settings.base_url).netloc)
    return urlsplit(origin).netloc not in ours

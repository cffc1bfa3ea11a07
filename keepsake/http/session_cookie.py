"""The cookie that a signed-in browser has: one of this host alone, which no script reads."""

from urllib.parse import urlsplit

from fastapi import Response
from starlette.requests import HTTPConnection

from keepsake.http.state import state_of

_FOREVER = 400 * 24 * 3600  # seconds, the most that browsers take; when it is over, the server says


def read_session_cookie(asked: HTTPConnection) -> str:
    """The secret of the session; '' without one."""
    return asked.cookies.get(_name(asked), "")


def set_session_cookie(asked: HTTPConnection, response: Response, secret: str) -> None:
    """Keep the browser signed in. Lax: links in mail and other apps lead to pages that know it."""
    response.set_cookie(
        _name(asked),
        secret,
        max_age=_FOREVER,
        secure=is_https(asked),
        httponly=True,
        samesite="lax",
    )


def delete_session_cookie(asked: HTTPConnection, response: Response) -> None:
    """Take it away."""
    response.delete_cookie(_name(asked), secure=is_https(asked), httponly=True, samesite="lax")


def is_https(asked: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, with us or with a proxy that serves PUBLIC_URL."""
    public = urlsplit(state_of(asked).settings.public_url)
    by_proxy = public.scheme == "https" and asked.headers.get("host") == public.netloc
    return by_proxy or asked.url.scheme in ("https", "wss")


def _name(asked: HTTPConnection) -> str:
    # What begins so is taken from this host by TLS only, never from a neighbour or for a neighbour.
    return "__Host-keepsake" if is_https(asked) else "keepsake_session"

"""Posting to an address that somebody named: one request, of which the status is the answer.

The same guard as for what is fetched decides where a connection may go. Redirects are not followed,
and no body of an answer is read.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore2
from httpx2 import Headers, Request

from keepsake.settings import WebSettings
from keepsake.web.client import CONNECT_SECONDS, said_plainly
from keepsake.web.guard import Guard, checked_url
from keepsake.web.network import GuardedBackend, Resolve, resolve, ssl_context
from keepsake.web.retry_after import retry_after


@dataclass(frozen=True)
class Posted:
    """What a server answered.

    Attributes:
        host: of the address.
        status: of HTTP.
        retry_after: seconds for which it asks to be left alone; None: it does not.
    """

    host: str
    status: int
    retry_after: float | None


async def post(
    settings: WebSettings,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    resolve: Resolve = resolve,
) -> Posted:
    """Send exactly these bytes; the answer, whatever its status.

    Args:
        settings: which private hosts may be reached, and how we name ourselves.
        url: where to.
        body: what to send.
        headers: beside our name and the length.
        seconds: how long it may take until the answer begins.
        resolve: finds the addresses of a host.

    Raises:
        AddressRefused: nothing may be sent there.
        PermanentError: this is no address, or there is no such host.
        RetryableError: no connection, none in time, or it broke off.
    """
    target = checked_url(url)
    named = {"User-Agent": settings.web_user_agent, **headers}
    request = Request("POST", target, headers=Headers(named), content=body)
    backend = GuardedBackend(Guard.of(settings.web_allow), resolve)
    async with httpcore2.AsyncConnectionPool(
        ssl_context=ssl_context(), network_backend=backend
    ) as connections:
        with said_plainly(target.host, seconds):
            async with (
                asyncio.timeout(seconds),
                connections.stream(
                    "POST",
                    httpcore2.URL(
                        scheme=target.raw_scheme,
                        host=target.raw_host,
                        port=target.port,
                        target=target.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=body,
                    extensions={"timeout": {"connect": CONNECT_SECONDS}},
                ) as raw,
            ):
                wait = retry_after(Headers(raw.headers))
                return Posted(target.host, raw.status, wait)

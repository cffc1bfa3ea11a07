"""Dagster's own pages at `/dagster`, for operators: passed on to its webserver.

The webserver asks nobody who they are, and takes orders from the pages of any site (by GraphQL over
POST, GET and websockets). So it listens on loopback, and here are a session and the check of where
the request is from. It knows its prefix: addresses are passed on as they are.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TypedDict

import httpx2
from fastapi import APIRouter, Depends, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask
from websockets import ConnectionClosed, InvalidHandshake, Subprotocol
from websockets.asyncio.client import ClientConnection, connect

from keepsake.http.callers import operator, principal_if_any
from keepsake.http.cross_site import refuse_cross_site
from keepsake.http.problems import Problem
from keepsake.http.state import state_of
from keepsake.settings import DAGSTER_PREFIX

# About one connection (RFC 9110, 7.6.1), not about the message.
_OF_CONNECTION = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
_OURS = frozenset(b"authorization cookie set-cookie x-forwarded-proto".split())
_CONNECT_SECONDS = 5.0
_MOST_IN_MESSAGE = 16 * 2**20  # bytes, as uvicorn takes from browsers


class _Held(TypedDict):
    """What the routes find on `request.state`."""

    dagster: httpx2.AsyncClient


@asynccontextmanager
async def _hold_client(_app: object) -> AsyncIterator[_Held]:
    # Dagster may take its time to answer: a large backfill.
    timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as client:
        yield {"dagster": client}


router = APIRouter(
    prefix=DAGSTER_PREFIX,
    lifespan=_hold_client,
    include_in_schema=False,
    default_response_class=Response,
)


@router.api_route("", methods=["GET", "HEAD"], dependencies=[Depends(operator)])
@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST"], dependencies=[Depends(operator)])
async def pass_on(request: Request) -> Response:
    """Ask Dagster the same, and answer what it answers, both as streams."""
    _refuse_orders_of_others(request)
    client: httpx2.AsyncClient = request.state.dagster
    passed_on = client.build_request(
        request.method,
        _address(request, "http"),
        headers=[
            *_headers(request.headers.raw),
            (b"x-forwarded-proto", request.url.scheme.encode()),
        ],
        content=request.stream() if request.method == "POST" else None,
    )
    try:
        answer = await client.send(passed_on, stream=True)
    except httpx2.TransportError:
        raise Problem("dagster_unavailable", "Dagster does not answer: see its log") from None
    response = StreamingResponse(
        answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
    )
    response.raw_headers = list(_headers(answer.headers.raw))
    # A second policy, which only narrows Dagster's own.
    response.headers.append("Content-Security-Policy", "frame-ancestors 'none'")
    return response


@router.websocket("/{path:path}")
async def pass_on_messages(browser: WebSocket) -> None:
    """Carry messages both ways, until one side closes. To whom it is not open, it answers 403."""
    try:
        refuse_cross_site(browser)
        address = _address(browser, "ws")
    except Problem:
        return await browser.close()
    caller = await principal_if_any(browser)
    if caller is None or not caller.operator:
        return await browser.close()
    with suppress(OSError, InvalidHandshake):
        async with connect(
            address,
            subprotocols=[Subprotocol(name) for name in browser.scope["subprotocols"]] or None,
            open_timeout=_CONNECT_SECONDS,
            max_size=_MOST_IN_MESSAGE,
            proxy=None,
        ) as dagster:
            await browser.accept(dagster.subprotocol)
            return await _carry(browser, dagster)
    return await browser.close()


def _refuse_orders_of_others(request: Request) -> None:
    """Raises `Problem` when another site's page may have asked for more than a page.

    Its links may lead here. GraphQL, which gives orders by GET too, is left to our own pages.
    """
    asks_graphql = request.url.path.rstrip("/").endswith("/graphql")
    if request.method == "POST" or asks_graphql:
        refuse_cross_site(request)
    if asks_graphql and request.method != "POST" and request.url.query:
        raise Problem("method_not_allowed", "GraphQL is asked by POST", headers={"Allow": "POST"})


def _address(asked: Request | WebSocket, scheme: str) -> str:
    """Where Dagster has it.

    Raises:
        Problem: it is not known where Dagster is.
    """
    port = state_of(asked).settings.dagster_port
    if not port:
        raise Problem(
            "dagster_unavailable",
            "it is not known here where Dagster's webserver listens: set DAGSTER_PORT, "
            "or start all with `keepsake up`",
        )
    path = asked.scope["raw_path"].decode("ascii")
    query = asked.scope["query_string"].decode("ascii")
    return f"{scheme}://127.0.0.1:{port}{path}" + (f"?{query}" if query else "")


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """The headers that are about the message; nothing of how people sign in."""
    for name, value in raw:
        if (lower := name.lower()) not in _OF_CONNECTION and lower not in _OURS:
            yield lower, value


async def _carry(browser: WebSocket, dagster: ClientConnection) -> None:
    ways = {
        asyncio.ensure_future(_to_dagster(browser, dagster)),
        asyncio.ensure_future(_to_browser(browser, dagster)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _to_dagster(browser: WebSocket, dagster: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed):
        while True:
            await dagster.send(await browser.receive_text())


async def _to_browser(browser: WebSocket, dagster: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed):
        async for message in dagster:
            await browser.send_text(message if isinstance(message, str) else message.decode())
    with suppress(WebSocketDisconnect, RuntimeError):  # the browser may be gone
        await browser.close(dagster.close_code or 1011)

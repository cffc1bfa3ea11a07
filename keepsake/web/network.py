"""Connections to hosts, made only to addresses that were checked.

The one place that turns a name into an address. What was checked is what is connected to; the name
stays what TLS and the Host header speak of.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import httpcore2

from keepsake.errors import PermanentError, RetryableError
from keepsake.web.guard import Address, Guard, parse_address

Resolve = Callable[[str], Awaitable[list[Address]]]

# Lookups cannot be broken off, and those of dead hosts take half a minute: in threads of their own
# they hold up nothing else that needs one.
_LOOKUPS = ThreadPoolExecutor(16, thread_name_prefix="lookup")
# Of a host with many addresses, so many are tried.
MOST_ADDRESSES = 4
# The resolver's ways of saying that a name has no address; EAI_NODATA is not known everywhere.
_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


async def resolve(host: str) -> list[Address]:
    """Every address of a host, the ones to prefer first.

    Raises:
        PermanentError: there is no such host.
        RetryableError: the resolver does not answer.
    """
    look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_HOST:
            raise PermanentError(f"there is no host {host}") from None
        raise RetryableError(f"the address of {host} cannot be looked up now") from None
    except UnicodeError:  # a part of it is empty or too long
        raise PermanentError(f"there is no host {host}") from None
    return [parse_address(str(entry[4][0])) for entry in found]


@cache
def ssl_context() -> ssl.SSLContext:
    """Which certificates are good. To read them takes 20 ms."""
    return httpcore2.default_ssl_context()


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves, has every address checked, and connects to one of those."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to `host`, which may have any spelling that the resolver takes.

        Raises:
            AddressRefused: one of its addresses may not be fetched from.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: none of them takes the connection.
        """
        addresses = await self._resolve(host)
        self._guard.check(host, addresses)
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._plain.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

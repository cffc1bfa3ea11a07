"""A site on loopback, and clients that may or may not reach it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from keepsake.database import open_pool
from keepsake.settings import Settings
from keepsake.web.client import Web, open_web
from keepsake.web.network import Resolve, resolve
from keepsake.worker_pool import open_worker_pool
from tests.doubles.server import serving
from tests.doubles.site import Site


@dataclass(frozen=True)
class Served:
    """A site and where it is."""

    site: Site
    url: str


class Opening(Protocol):
    """Opens a client under some settings."""

    def __call__(
        self, resolve: Resolve = ..., **settings: Any
    ) -> AbstractAsyncContextManager[Web]: ...


@pytest.fixture
def served() -> Iterator[Served]:
    site = Site()
    with serving(site) as url:
        yield Served(site, url)


@pytest.fixture
def opened(database_url: str) -> Opening:
    """Opens a client. Unless told otherwise it may ask loopback, any time, whatever robots.txt."""

    @asynccontextmanager
    async def opened(resolve: Resolve = resolve, **settings: Any) -> AsyncIterator[Web]:
        usual = {"web_allow": "127.0.0.1", "web_host_interval": 0.0, "web_robots": False}
        chosen = Settings(**{**usual, **settings})
        async with (
            open_pool(database_url) as pool,
            open_worker_pool(chosen) as workers,
            open_web(chosen, pool, workers, resolve) as web,
        ):
            yield web

    return opened


@pytest.fixture
async def web(opened: Opening) -> AsyncIterator[Web]:
    async with opened() as web:
        yield web

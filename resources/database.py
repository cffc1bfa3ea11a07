"""PostgreSQL as a Dagster resource."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import dagster as dg

from keepsake.database import Connection, Pool, connect, database_url, open_pool
from keepsake.settings import DatabaseSettings


class DatabaseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The database of `DATABASE_URL`, or the embedded one.

    Its address may hold a password, so it is no part of the resource's configuration: it comes with
    the settings.
    """

    settings: dg.ResourceDependency[DatabaseSettings]
    pool_size: int = 6

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One connection, for sensors, schedules and checks."""
        with connect(database_url(self.settings)) as connection:
            yield connection

    @asynccontextmanager
    async def open_pool(self) -> AsyncIterator[Pool]:
        """A pool for a run of a line."""
        async with open_pool(database_url(self.settings), size=self.pool_size) as pool:
            yield pool

"""Databases for tests: a copy of one template for each test, made before the test asks for it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

AHEAD = 2  # copies that wait for a test


def database_at(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


class Copies:
    """Copies of a template. A thread makes and drops them, so that no test waits for either."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._statement = SQL("CREATE DATABASE {} TEMPLATE {}")
        self._template = Identifier(template)
        self._numbers = count(1)
        self._thread = ThreadPoolExecutor(1, "databases")
        self._ready: deque[Future[str]] = deque()
        self._dropped: list[Future[None]] = []
        for _ in range(AHEAD):
            self._make_one()

    @contextmanager
    def one(self) -> Iterator[str]:
        """A copy of one's own for the length of the block; gives its URL."""
        self._make_one()
        name = self._ready.popleft().result()
        try:
            yield database_at(self._url, name)
        finally:
            self._dropped.append(self._thread.submit(self._drop, name))

    def close(self) -> None:
        """Wait for the thread. Raises what went wrong in it."""
        self._thread.shutdown()
        for dropped in self._dropped:
            dropped.result()

    def _make_one(self) -> None:
        self._ready.append(self._thread.submit(self._copy, f"test_{next(self._numbers)}"))

    def _copy(self, name: str) -> str:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(self._statement.format(Identifier(name), self._template))
        return name

    def _drop(self, name: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

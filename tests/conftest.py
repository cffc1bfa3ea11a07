"""Real parts for every test: a PostgreSQL, a fresh database for each test, the model server."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
from pebble import ProcessPool
from psycopg.sql import SQL, Identifier

from keepsake.clients.objects import ObjectStore
from keepsake.database import migrate
from keepsake.embedded import postgres
from keepsake.local.ports import free_port
from keepsake.settings import Settings
from keepsake.worker_pool import WorkerPool
from tests import kinds, session
from tests.databases import Copies, database_at
from tests.stores import folder_store, new_bucket, s3_store

_TEMPLATE = "template_for_tests"


_OWN_PROCESSES = {name: vars(WorkerPool)[name] for name in ("_running", "_end", "close")}
_nobodys = pytest.MonkeyPatch()
_no_home = TemporaryDirectory(prefix="no-home-", ignore_cleanup_errors=True)


def _keep_users_out() -> None:
    """Keep the environment, `.env` and data of a user from tests and what they start.

    The data folder is one that is not there, except where a test names its own. So at once, not in
    a fixture or hook: the code location, which other `conftest.py` import, reads settings and
    database when it is imported.
    """
    for name in Settings.model_fields:
        _nobodys.delenv(name.upper(), raising=False)
    _nobodys.setenv("KEEPSAKE_ENV_FILE", os.devnull)
    _nobodys.setenv("KEEPSAKE_HOME", str(Path(_no_home.name) / "home"))


_keep_users_out()


def pytest_configure() -> None:
    """Make room for what the session shares."""
    session.begin()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by kind and put the longest files first."""
    kinds.mark(items)
    kinds.longest_first(items)


def pytest_unconfigure() -> None:
    """Give back what was taken."""
    session.end()
    _nobodys.undo()
    _no_home.cleanup()


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty data folder. Its PostgreSQL, if one was started, is stopped at the end."""
    with session.data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of a real PostgreSQL with pgvector, empty, for the whole session."""
    return postgres.ensure_running(session.own_folder())


def new_database(server_url: str, name: str) -> str:
    """A database of this name with the schema of today; its URL."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = database_at(server_url, name)
    migrate(url)
    return url


@pytest.fixture(scope="session")
def _copies(postgres_url: str) -> Iterator[Copies]:
    """Copies of the prepared template."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # Durability is for people's data; without it creating and dropping databases is quick.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    new_database(postgres_url, _TEMPLATE)
    copies = Copies(postgres_url, _TEMPLATE)
    yield copies
    copies.close()


@pytest.fixture
def database_url(_copies: Copies) -> Iterator[str]:
    """URL of this test's own database: a copy of the prepared template."""
    with _copies.one() as url:
        yield url


@pytest.fixture(scope="module")
def shared_database_url(_copies: Copies) -> Iterator[str]:
    """URL of a database that the tests of a module share."""
    with _copies.one() as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _shared_processes() -> Iterator[None]:
    """Worker pools of one size share their processes for the session: each takes long to start."""
    pools: dict[tuple[int, int], ProcessPool] = {}

    def running(self: WorkerPool) -> ProcessPool:
        size = (self._processes, self._memory_mb)
        self._pool = pools.get(size)
        pools[size] = _OWN_PROCESSES["_running"](self)
        return pools[size]

    async def end(self: WorkerPool, pool: ProcessPool) -> None:
        for size in [size for size, shared in pools.items() if shared is pool]:
            del pools[size]
        await _OWN_PROCESSES["_end"](self, pool)

    async def close(self: WorkerPool) -> None:
        self._pool = None

    with _patched(WorkerPool, {"_running": running, "_end": end, "close": close}):
        yield
    for pool in pools.values():
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


@pytest.fixture
def own_processes() -> Iterator[None]:
    """Worker pools start and end processes of their own, as they do outside of tests."""
    with _patched(WorkerPool, _OWN_PROCESSES):
        yield


@contextmanager
def _patched(owner: type, functions: Mapping[str, Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, function in functions.items():
            patch.setattr(owner, name, function)
        yield


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an object store that speaks S3 (moto's server), one for the session."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty object store: a folder, and then a bucket."""
    if request.param == "folder":
        return folder_store(tmp_path / "home")
    endpoint = request.getfixturevalue("s3_endpoint")
    return s3_store(endpoint, new_bucket(endpoint))


@pytest.fixture(scope="session")
def models_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL (with /v1) of the real local model server, one process for the session."""
    home = tmp_path_factory.mktemp("models")
    port = free_port()
    with (home / "models.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "keepsake.local.models", "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_healthy(server, f"http://127.0.0.1:{port}/health", home / "models.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(10)


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the model server did not start:\n{log.read_text()}")

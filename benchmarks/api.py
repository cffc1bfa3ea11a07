"""The API on a database of its own, each as a process, for benchmarks over HTTP."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from keepsake.database import migrate
from keepsake.embedded import postgres
from keepsake.local.ports import free_port

STARTS_WITHIN = 60  # seconds


@dataclass(frozen=True)
class Api:
    """A running API: its address, its process, and how long it took to answer."""

    url: str
    process: psutil.Process
    started_in: float

    @property
    def memory(self) -> float:
        """Bytes that the process has of its own."""
        return float(self.process.memory_full_info().uss)


@contextmanager
def own_database() -> Iterator[str]:
    """URL of a database with the schema of today, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="keepsake-", ignore_cleanup_errors=True) as folder:
        url = postgres.ensure_running(Path(folder))
        try:
            migrate(url)
            yield url
        finally:
            postgres.stop(Path(folder))


@contextmanager
def serving(database_url: str) -> Iterator[Api]:
    """The API as `python -m keepsake.api` serves it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="keepsake-") as home:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "keepsake.api"],
            stderr=subprocess.DEVNULL,  # its log
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "KEEPSAKE_HOME": home,
                "API_PORT": str(port),
                "KEEPSAKE_ENV_FILE": os.devnull,
                "RATE_LIMIT": "0",
            },
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url)
            yield Api(url, psutil.Process(process.pid), time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            httpx.get(f"{url}/health/ready").raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)

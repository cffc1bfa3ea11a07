"""A whole Keepsake for a benchmark: an empty embedded database, simulated models, whose records.

Everything lies in a folder that vanishes with it.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from keepsake.clients.objects import FolderStore
from keepsake.database import connect, migrate, open_pool
from keepsake.embedded import postgres
from keepsake.family import response as family
from keepsake.family.response import Family, NewResponse
from keepsake.local.dagster_home import (
    create_dagster_schema,
    dagster_environment,
    write_dagster_home,
)
from keepsake.local.ports import free_port
from keepsake.settings import ROLES, Settings

ROOT = Path(__file__).parents[1]
AT_ONCE = 50  # calls of each role
LATER = "podcasts"  # the step that no benchmark takes
MEMBER = "Rosa"

_OPENINGS = ("When I was young", "In those years", "My mother always said that", "Every winter")
_WHO = ("we", "my brother", "the neighbours", "our teacher", "my grandmother", "the old farmer")
_DID = ("carried", "mended", "shared", "saved", "painted", "remembered", "planted", "baked")
_WHAT = (
    "the bread", "an old bicycle", "the letters", "two red chairs", "the garden", "warm soup",
    "a broken clock", "the blue boat", "every coin", "the wedding songs",
)  # fmt: skip
_HOW = ("before the snow came", "without a word", "as nobody else would", "and laughed")


@dataclass(frozen=True)
class Site:
    """Where everything is. `environment` is for the processes that belong to it."""

    settings: Settings
    database_url: str
    endpoints_url: str
    environment: dict[str, str]

    def model_calls(self) -> dict[str, dict[str, int]]:
        """Calls and the most at once for each role since the last `forget_calls()`."""
        answer: dict[str, dict[str, int]] = httpx.get(f"{self.endpoints_url}/stats").json()
        return answer

    def forget_calls(self) -> None:
        """Count from zero."""
        httpx.post(f"{self.endpoints_url}/reset").raise_for_status()

    def run(self, module: str, *arguments: str) -> Any:
        """Run a module in a fresh process, and return the JSON that is its last line.

        Raises:
            RuntimeError: it failed; with the end of what it said.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            cwd=self.settings.home,  # where no .env lies
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:]}")
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def open_site(**choices: Any) -> Iterator[Site]:
    """A site with simulated models and an empty, migrated database. `choices` are settings."""
    with tempfile.TemporaryDirectory(prefix="keepsake-bench-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        try:
            url = postgres.ensure_running(home)
            migrate(url)
            create_dagster_schema(url)
            with serving_endpoints() as endpoints_url:
                settings = _settings(home, endpoints_url, choices)
                write_dagster_home(ROOT, settings, code_port=0)  # no code server: runs in process
                yield Site(settings, url, endpoints_url, _environment(settings, url))
        finally:
            postgres.stop(home)


@contextmanager
def serving_endpoints() -> Iterator[str]:
    """The simulated model endpoints in a process of their own; gives their address."""
    with serving_counted("benchmarks.endpoints") as url:
        yield url


@contextmanager
def serving_counted(module: str) -> Iterator[str]:
    """A module that serves and reports at `/stats` how often it was asked; gives its address."""
    port = free_port()
    with serving(module, port, f"http://127.0.0.1:{port}/stats"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serving(module: str, port: int, ready_at: str) -> Iterator[None]:
    """Run a module with `--port` in a process of its own for the block."""
    server = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        wait_for(ready_at, server)
        yield
    finally:
        server.terminate()
        server.wait(10)


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: it ended, or does not answer within a minute.
    """
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


def _settings(home: Path, endpoints_url: str, more: Mapping[str, Any]) -> Settings:
    choices: dict[str, Any] = {
        "keepsake_home": home,
        "embeddings_dimensions": 256,
        "steps_on_schedule": LATER,
    }
    for role in ROLES:
        choices[f"{role}_base_url"] = f"{endpoints_url}/v1"
        choices[f"{role}_model"] = "simulated"
        choices[f"{role}_concurrency"] = AT_ONCE
    choices |= more
    return Settings(_env_file=None, **choices)  # type: ignore[call-arg]  # pydantic-settings takes it


def _environment(settings: Settings, url: str) -> dict[str, str]:
    chosen = {name.upper(): str(getattr(settings, name)) for name in settings.model_fields_set}
    return {**os.environ, **chosen, **dagster_environment(settings, url), "PYTHONPATH": str(ROOT)}


def forget_own_settings() -> None:
    """Take Keepsake's settings out of this process's environment: a site has its own."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)


def make_family(site: Site) -> Family:
    """A family with one member."""
    with connect(site.database_url) as connection:
        made = family.add_family(connection, "The Benchmarks")
        family.add_member(connection, made, MEMBER)
    return made


def add_day(site: Site, to: Family, day: date, count: int) -> None:
    """Add `count` responses to a day of the past."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    add_responses(site, to, [midnight + timedelta(seconds=number) for number in range(count)])


def add_responses(site: Site, to: Family, moments: Sequence[datetime]) -> list[int]:
    """Add written responses of about a hundred words, as a person would; returns their ids."""
    return asyncio.run(_add_responses(site, to, moments))


async def _add_responses(site: Site, to: Family, moments: Sequence[datetime]) -> list[int]:
    store = FolderStore(site.settings.objects_folder)
    ids = []
    async with open_pool(site.database_url, size=1) as pool:
        for number, moment in enumerate(moments):
            new = NewResponse(
                MEMBER, moment, text=memory_text(number), external_id=moment.isoformat()
            )
            added = await family.add_response(pool, store, site.settings, to.id, new)
            ids.append(added.record_id)
    return ids


def memory_text(number: int) -> str:
    """What somebody says: three sentences, about a hundred words, for each number its own."""
    chance = random.Random(number)
    sentences = []
    for opening in chance.sample(_OPENINGS, 3):
        clauses = [
            " ".join(chance.choice(words) for words in (_WHO, _DID, _WHAT, _HOW)) for _ in range(3)
        ]
        sentences.append(f"{opening} {', and '.join(clauses)}.")
    return " ".join(sentences)

"""Two thousand tracked jobs of all kinds, while every part of Keepsake is killed in random order.

`make chaos` runs it. It takes about six minutes, and most of a machine.
"""

import asyncio
import json
import logging
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, get_args

import httpx
import psutil
import psycopg
import pytest

from keepsake.accounts.tokens import create_token
from keepsake.clients.objects import open_objects
from keepsake.database import AsyncConnection, Pool, connect, open_pool
from keepsake.delivery.outbox import NewMessage, enqueue
from keepsake.family.response import NewResponse, add_family, add_member, add_response
from keepsake.job_types import REGISTRY
from keepsake.jobs.schedules import Missed, NewSchedule, add_schedule
from keepsake.jobs.submission import NewJob, submit
from keepsake.local import parts
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, started
from keepsake.owners.owners import add_owner
from keepsake.prepare import prepare
from keepsake.settings import Settings
from keepsake.webhooks.endpoints import NewEndpoint, add_endpoint
from tests import session
from tests.doubles.server import serving
from tests.doubles.webhook import Webhook

SEED = 10
KILLS = 60
JOBS = {  # so many of each type
    "make_digest": 1600,
    "deliver_daily_quote": 180,
    "clean_up": 60,
    "export_owner": 60,
    "delete_record": 60,
    "delete_person": 10,
    "create_backup": 2,
    "verify_backup": 2,
    "process_record": 30,
    "make_episode": 10,
    "backfill_line": 2,  # with a run_line for each month
    "re_embed": 1,
}
IMPORTS = 5  # handed in through the API: jobs of type ingest_history
VICTIMS = {"worker": 20, "run": 15, "postmaster": 10, "API": 10, "Dagster daemon": 10}
TOLD = 7  # the owner of whose jobs a program is told
KEPT = 12  # records that are not deleted
PATIENCE = 900.0  # seconds, from the last blow until all has ended
T = TypeVar("T")

_log = logging.getLogger(__name__)


# -- the house -------------------------------------------------------------------------------------


@pytest.fixture
def inbox() -> Iterator[tuple[Webhook, str]]:
    """Who receives the messages of the outbox, and its address."""
    with serving(double := Webhook()) as url:
        yield double, url


@pytest.fixture
def program() -> Iterator[tuple[Webhook, str]]:
    """A program that is told by webhooks, and its address."""
    with serving(double := Webhook()) as url:
        yield double, url


@pytest.fixture
def endpoints() -> Iterator[str]:
    """Simulated models, in a process of their own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.endpoints", "--port", str(port)]
    with subprocess.Popen(command) as process:
        yield f"http://127.0.0.1:{port}/v1"
        process.kill()


@pytest.fixture
def settings(inbox: tuple[Webhook, str], endpoints: str) -> Iterator[Settings]:
    models = {
        f"{role}_{what}": value
        for role in ("chat", "embeddings", "transcription", "speech")
        for what, value in {"base_url": endpoints, "model": "simulated"}.items()
    }
    with session.data_folder() as home:
        yield Settings.model_validate(
            {
                **models,
                "embeddings_dimensions": 256,
                "keepsake_home": home,
                "dagster_port": free_port(),
                "api_port": free_port(),
                "web_allow": "127.0.0.1",
                "notify_urls": inbox[1].replace("http://", "json://"),
            }
        )


@pytest.fixture
def up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """All parts. One that dies comes back at once, however often it does."""
    monkeypatch.setattr(parts, "_LONGEST_PAUSE", 0.5)

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    with started(settings, prepare=bring_up_to_date) as addresses:
        yield addresses


@pytest.fixture
async def pool(up: Addresses) -> AsyncIterator[Pool]:
    async with open_pool(up.database_url, size=4) as opened:
        yield opened


# -- what goes on ----------------------------------------------------------------------------------


class Chaos:
    """What is asked for, and what is done to it."""

    def __init__(self, up: Addresses, settings: Settings, pool: Pool, program: str) -> None:
        self.up, self.settings, self.pool = up, settings, pool
        self.program = program
        self.chance = random.Random(SEED)
        self.token = ""
        self.owners: list[int] = []
        self.kept: list[int] = []  # records
        self.to_delete: list[int] = []
        self.members: list[int] = []  # to be deleted
        self.kills: Counter[str] = Counter()
        self.cancels: Counter[str] = Counter()

    async def surely(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What `work` comes to, as soon as a connection lasts for it."""
        while True:
            with suppress(psycopg.OperationalError, psycopg.InterfaceError, TimeoutError):
                async with self.pool.connection() as connection:
                    return await work(connection)
            await asyncio.sleep(0.1)

    async def prepare(self) -> None:
        """Owners, records, schedules, a webhook, and a table of what was cancelled."""
        with connect(self.up.database_url) as db:
            self.token, _ = create_token(db, "chaos", owner_id=None)
            family = add_family(db, "The Marlows")
            add_member(db, family, "Rose")
            names = [f"Cousin {n}" for n in range(JOBS["delete_person"])]
            self.members = [add_member(db, family, name) for name in names]
            self.owners = [family.id, *(add_owner(db, f"Runner {n}").id for n in range(7))]
            db.execute("CREATE TABLE public.cancels (job_id bigint, at timestamptz)")
        now = datetime.now(UTC).replace(microsecond=0)
        for number in range(JOBS["delete_record"] + KEPT):
            text = f"Number {number}. Dough needs patience: knead it and count to one hundred."
            # On days of their own: Dagster runs those of one day one after another.
            new = NewResponse("Rose", now - timedelta(days=number % KEPT), text=text)
            added = await add_response(
                self.pool, open_objects(self.settings), self.settings, family.id, new
            )
            (self.kept if number < KEPT else self.to_delete).append(added.record_id)
        for number, missed in enumerate(get_args(Missed)):
            clock = NewSchedule(
                REGISTRY.find("make_digest"),
                f"clock {number}",
                "* * * * *",
                missed=missed,
                overlap="queue",
                owner_id=self.owners[number],
            )
            await self.surely(partial(add_schedule, new=clock))
        told = NewEndpoint(self.program, events=["job.succeeded", "job.cancelled"])
        await self.surely(lambda c: add_endpoint(c, self.settings, None, self.owners[TOLD], told))

    def new_jobs(self) -> list[NewJob]:
        """All that is asked for, in random order."""
        names = [name for name, count in JOBS.items() for _ in range(count)]
        self.chance.shuffle(names)
        return [self._new_job(name) for name in names]

    def _new_job(self, name: str) -> NewJob:
        kind = REGISTRY.find(name)
        if name in ("make_digest", "export_owner"):
            return NewJob(kind, owner_id=self.chance.choice(self.owners))
        if name == "delete_record":
            return NewJob(kind, {"record_id": self.to_delete.pop()}, owner_id=self.owners[0])
        if name == "delete_person":
            return NewJob(kind, {"member_id": self.members.pop()}, owner_id=self.owners[0])
        if name == "backfill_line":
            today = datetime.now(UTC).date()
            first = today - timedelta(days=KEPT)
            return NewJob(kind, {"line": "family", "first": first, "last": today, "redo": True})
        if name == "re_embed":
            return NewJob(kind, {"line": "family"})
        if name in ("process_record", "make_episode"):
            data = {"record_id": self.chance.choice(self.kept), "redo": True}
            return NewJob(kind, data, owner_id=self.owners[0])
        return NewJob(kind)

    async def submit_all(self) -> None:
        """Ask for everything, and say something to be sent now and then."""
        for number, new in enumerate(self.new_jobs()):
            await self.surely(partial(submit, new=new))
            if number % 10 == 0:
                message = NewMessage(
                    self.owners[0],
                    "daily_quote",
                    key=f"chaos {number}",
                    title=f"Title {number}",
                    body="Body",
                    expires_at=datetime.now(UTC) + timedelta(hours=2),
                )
                await self.surely(partial(enqueue, message=message))
            await asyncio.sleep(0.03)

    async def hand_in_files(self) -> None:
        """Import files through the API, each until it is accepted. The same one counts once."""
        for number in range(IMPORTS):
            place = f"{self.program}/{number}"
            file = f'<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p><DT><A HREF="{place}">Bread</A></DL>'
            headers = {
                "Authorization": f"Bearer {self.token}",
                "Idempotency-Key": f"import {number}",
                "Content-Type": "text/html",
            }
            while True:
                with suppress(httpx.HTTPError):
                    async with httpx.AsyncClient(base_url=self.up.api_url) as client:
                        answer = await client.post(
                            "/api/bookmarks/imports",
                            params={"owner": "runner-0", "file_name": f"{number}.html"},
                            headers=headers,
                            content=file,
                        )
                    if answer.status_code == 202:
                        break
                    assert answer.status_code >= 500, answer.text
                await asyncio.sleep(1)
            await asyncio.sleep(5)

    async def disturb(self) -> None:
        """Kill, cancel, and let the clock go on, until there was enough of it."""
        while self.kills.total() < KILLS:
            await asyncio.sleep(self.chance.uniform(0.5, 2.5))
            await self.let_minutes_pass()
            await self.cancel_some(self.chance.randrange(4))
            victim = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            if (process := self.find(victim)) is not None:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    self.kills[victim] += 1

    async def let_minutes_pass(self) -> None:
        await self.surely(
            lambda connection: connection.execute(
                "UPDATE job_schedules SET next_at = next_at - interval '2 minutes'"
            )
        )

    async def cancel_some(self, count: int) -> None:
        """Cancel jobs that have not ended, through the API as long as that answers."""
        jobs = await self.surely(partial(_unfinished, count=count))
        for job_id in jobs:
            with suppress(httpx.HTTPError):
                async with httpx.AsyncClient(base_url=self.up.api_url) as client:
                    answer = await client.post(
                        "/graphql",
                        headers={"Authorization": f"Bearer {self.token}"},
                        json={
                            "query": "mutation ($id: Int!) { cancelJob(jobId: $id) { id status } }",
                            "variables": {"id": job_id},
                        },
                    )
                cancelled = (answer.json().get("data") or {}).get("cancelJob") or {}
                status = str(cancelled.get("status", answer.status_code)).lower()
                self.cancels[status] += 1
                if status == "cancelled":
                    await self.surely(partial(_note_cancel, job_id=job_id))

    def find(self, victim: str) -> psutil.Process | None:
        """A process of that kind, if there is one just now."""
        with suppress(psutil.Error, OSError, ValueError, KeyError):
            if victim == "postmaster":
                file = self.settings.home / "postgres/data/postmaster.pid"
                return psutil.Process(int(file.read_text().split()[0]))
            running = json.loads(self.settings.state_file.read_text())["parts"]
            if victim != "run":
                return psutil.Process(running[victim])
            code_server = psutil.Process(running["code server"])
            runs = [each for each in code_server.children() if _is_spawned(each)]
            return self.chance.choice(runs) if runs else None
        return None

    async def wait_until_all_has_ended(self) -> None:
        deadline = time.monotonic() + PATIENCE
        await self.surely(_stop_clocks)
        while left := await self.surely(partial(_unfinished, count=20)):
            if time.monotonic() > deadline:
                pytest.fail(f"jobs have not ended: {left}")
            await asyncio.sleep(0.5)


def _is_spawned(process: psutil.Process) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


async def _unfinished(connection: AsyncConnection, count: int) -> list[int]:
    cursor = await connection.execute(
        "SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY random() LIMIT %s", (count,)
    )
    return [found for (found,) in await cursor.fetchall()]


async def _note_cancel(connection: AsyncConnection, job_id: int) -> None:
    await connection.execute(
        "INSERT INTO public.cancels SELECT id, finished_at FROM jobs WHERE id = %s", (job_id,)
    )


async def _stop_clocks(connection: AsyncConnection) -> None:
    await connection.execute("UPDATE job_schedules SET paused = true")


# -- what became of it -----------------------------------------------------------------------------

NEVER = {
    "two ends, or none": "SELECT id FROM jobs WHERE finished_at IS NULL",
    "an end without a reason": "SELECT id FROM jobs WHERE status IN ('failed', 'orphaned',"
    " 'timed_out') AND error_type IS NULL AND error IS NULL",
    "an attempt that began and has no end, or two": "SELECT id FROM jobs WHERE attempt <>"
    " (SELECT count(*) FROM job_attempts WHERE job_id = id)",
    "a success without an attempt that succeeded": "SELECT id FROM jobs WHERE status = 'succeeded'"
    " AND 1 <> (SELECT count(*) FROM job_attempts WHERE job_id = id AND outcome = 'succeeded')",
    "anything after a cancel": "SELECT id FROM jobs JOIN public.cancels ON job_id = id"
    " WHERE status <> 'cancelled' OR EXISTS (SELECT FROM job_attempts a WHERE a.job_id = id"
    " AND (a.started_at > at OR a.outcome = 'succeeded'))",
    "two jobs of a key at once": "SELECT a.job_id FROM job_attempts a JOIN jobs x ON x.id ="
    " a.job_id JOIN jobs y ON y.concurrency_key = x.concurrency_key AND y.id <> x.id"
    " JOIN job_attempts b ON b.job_id = y.id"
    " WHERE a.started_at < b.finished_at AND b.started_at < a.finished_at",
    "a nominal time twice": "SELECT schedule_id FROM jobs WHERE schedule_id IS NOT NULL"
    " GROUP BY schedule_id, nominal_time HAVING count(*) > 1",
    "a nominal time missed": "SELECT schedule_id FROM jobs JOIN job_schedules s"
    " ON s.id = schedule_id WHERE s.missed = 'catch_up' GROUP BY schedule_id"
    " HAVING count(*) <> 1 + extract(epoch FROM max(nominal_time) - min(nominal_time)) / 60",
    "a deleted record that is there": "SELECT id FROM jobs WHERE type = 'delete_record'"
    " AND status = 'succeeded' AND (data ->> 'record_id')::bigint IN (SELECT id FROM records)",
    "an end that was not told, or told twice": "SELECT j.id FROM jobs j WHERE owner_id ="
    " (SELECT owner_id FROM webhook_endpoints) AND type <> 'send_webhook'"
    " AND status IN ('succeeded', 'cancelled') AND 1 <> (SELECT count(*) FROM jobs w"
    " WHERE w.type = 'send_webhook'"
    " AND (w.data ->> 'body')::jsonb #>> '{data,job_id}' = j.id::text)",
    "an import that brought something twice, or nothing": "SELECT batches.id FROM batches"
    " JOIN jobs ON jobs.id = job_id WHERE status = 'succeeded' AND created + duplicates <> 1",
    "a member that is there": "SELECT id FROM jobs WHERE type = 'delete_person'"
    " AND status = 'succeeded' AND (data ->> 'member_id')::bigint IN (SELECT id FROM members)",
    "a message that waits for good": "SELECT id FROM outbox WHERE status = 'sending'"
    " AND claimed_at < now() - interval '1 hour'",
}


@pytest.mark.timeout(3600)
async def test_every_job_ends_once_whatever_is_killed(
    up: Addresses,
    settings: Settings,
    pool: Pool,
    inbox: tuple[Webhook, str],
    program: tuple[Webhook, str],
) -> None:
    chaos = Chaos(up, settings, pool, program[1])
    await chaos.prepare()
    await asyncio.gather(chaos.submit_all(), chaos.hand_in_files(), chaos.disturb())
    await chaos.wait_until_all_has_ended()

    async with pool.connection() as connection:
        found: dict[str, list[Any]] = {}
        for what, query in NEVER.items():
            cursor = await connection.execute(query.encode())
            if rows := await cursor.fetchall():
                found[what] = rows[:10]
        cursor = await connection.execute(
            "SELECT type, status, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2"
        )
        ends = await cursor.fetchall()
    _log.warning("killed %s, cancels %s, ends %s", dict(chaos.kills), dict(chaos.cancels), ends)
    assert found == {}
    assert sum(count for _, _, count in ends) >= sum(JOBS.values())
    assert chaos.cancels["cancelled"] > 10
    assert {name for name, _, _ in ends} >= {*JOBS, "run_line", "ingest_history", "send_webhook"}
    sent = Counter(inbox[0].messages)
    # Those of two imports say the same.
    most = {message: IMPORTS if "an import is done" in message else 1 for message in sent}
    assert [message for message, times in sent.items() if times > most[message]] == []

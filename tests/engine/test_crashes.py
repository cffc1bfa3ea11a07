"""Whatever ends a run, nothing finished is lost, nothing is made twice, nothing is stuck."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keepsake.pipeline.ledger import rows
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.writer import Writer

from .toy import DAY, STEPS, Source, Stage, World


def start_doomed(world: World) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "engine.doomed", world.url], cwd=Path(__file__).parents[1]
    )


def wait_until_stored(world: World, text: str, *steps: str) -> None:
    deadline = time.monotonic() + 20
    while not set(steps) <= set(world.results(text)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def locks(world: World) -> int:
    row = world.db.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE l.locktype = 'advisory' AND datname = current_database()"
    ).fetchone()
    return row[0] if row else 0


async def test_a_killed_run_loses_only_the_calls_in_flight(world: World) -> None:
    world.add("endless", "done")
    with start_doomed(world) as doomed:
        wait_until_stored(world, "done", "bind")
        wait_until_stored(world, "endless", "hear", "tag")
        doomed.kill()
    before = {step: row["status"] for step, row in world.rows("endless").items()}
    assert before == {"hear": "succeeded", "tag": "succeeded", "tell": "running", "bind": "running"}

    report = await world.run(mode="due")
    assert report.busy == 0  # the dead run's locks went with it
    assert sorted(world.calls) == [("bind", "endless"), ("tell", "endless")]
    assert world.record_status("endless") == world.record_status("done") == "COMPLETED"
    assert world.rows("endless")["tell"]["crashes"] == 0


async def test_a_record_that_kills_its_runs_fails_and_those_beside_it_do_not(
    world: World,
) -> None:
    world.add("poison", "a", "b")  # the newest is taken first: it is still going on when they die
    deaths = 0
    while True:
        with start_doomed(world) as doomed:
            pass
        if doomed.returncode == 0:
            break
        assert doomed.returncode == -signal.SIGKILL
        deaths += 1
    assert deaths == rows.CRASHES_ALLOWED
    row = world.rows("poison")["hear"]
    assert (row["status"], row["error_type"]) == ("failed", "Crashed")
    assert "3 runs died" in row["error_message"]
    assert world.record_status("a") == world.record_status("b") == "COMPLETED"


@pytest.mark.parametrize("crashes", [0, 1])
async def test_a_run_that_died_for_another_reason_is_soon_forgotten(
    world: World, crashes: int
) -> None:
    world.add("x")
    world.db.execute("UPDATE ledger SET status = 'running', crashes = %s", (crashes,))
    await world.run(mode="due")
    assert world.record_status("x") == "COMPLETED"
    assert world.rows("x")["hear"]["crashes"] == 0


async def test_a_cancelled_run_keeps_what_is_finished_and_puts_back_the_rest(
    world: World,
) -> None:
    world.add("x")
    in_tell = asyncio.Event()

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        in_tell.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(world.run())
    await in_tell.wait()  # by now `hear` is made, and perhaps not yet written
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert world.results("x")["hear"] == "hear(x)"
    rows = world.rows("x")
    assert {name: row["status"] for name, row in rows.items()}["hear"] == "succeeded"
    assert (rows["tell"]["status"], rows["tell"]["due"]) == ("pending", True)
    assert (rows["bind"]["status"], rows["bind"]["due"]) == ("pending", True)
    assert locks(world) == 0

    world.stage.acts.clear()
    await world.run(mode="due")
    assert world.record_status("x") == "COMPLETED"
    assert world.stage.count("hear") == 1


async def test_what_a_cancelled_backfill_had_begun_is_due(world: World) -> None:
    world.add("x")
    world.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL")
    in_hear = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        in_hear.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(world.run(mode="all"))
    await in_hear.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    rows = world.rows("x").values()
    assert {(row["status"], row["due"]) for row in rows} == {("pending", True)}


async def test_a_cancelled_run_ends_even_while_much_is_being_written(world: World) -> None:
    # wait_for() of Python 3.11 forgets a cancellation that comes in this very moment.
    writer = Writer(world.line, world.pool, RunSpec(DAY, STEPS, "run"))
    task = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.enough.set()
    await asyncio.sleep(0)
    task.cancel()
    _, pending = await asyncio.wait([task], timeout=1)
    assert not pending


async def test_two_runs_at_once_never_make_the_same_step_twice(world: World) -> None:
    world.add(*map(str, range(30)))
    stages = Stage(), Stage()
    reports = await asyncio.gather(*(world.run(mode="due", stage=stage) for stage in stages))
    calls = stages[0].calls + stages[1].calls
    assert len(calls) == len(set(calls)) == 30 * len(STEPS)
    assert sum(report.steps["bind"].made for report in reports) == 30


async def test_a_record_in_the_hands_of_another_run_is_left_to_it(world: World) -> None:
    world.add("x")
    in_hear, go_on = asyncio.Event(), asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        in_hear.set()
        await go_on.wait()

    first = asyncio.create_task(world.run())
    await in_hear.wait()
    second = await world.run(stage=Stage())
    assert (second.busy, second.records) == (1, 0)
    assert world.rows("x")["hear"]["run_id"] == "run-1"
    go_on.set()
    await first
    assert world.record_status("x") == "COMPLETED"
    assert locks(world) == 0

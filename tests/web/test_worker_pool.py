"""What happens to functions that the worker pool runs."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from keepsake.errors import PermanentError, RateLimited, RetryableError
from keepsake.settings import load_settings
from keepsake.worker_pool import WorkerFailed, WorkerPool, open_worker_pool
from tests.web import unruly


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    settings = load_settings().model_copy(update={"apart_processes": 1, "apart_memory_mb": 128})
    async with open_worker_pool(settings) as workers:
        yield workers


async def test_a_function_runs_in_another_process(workers: WorkerPool) -> None:
    assert await workers.run(unruly.process_id, seconds=10) != os.getpid()


async def test_arguments_and_result_travel(workers: WorkerPool) -> None:
    assert await workers.run(unruly.add, 1, b=2, seconds=10) == 3


async def test_memory_within_the_bound_is_there(workers: WorkerPool) -> None:
    assert await workers.run(unruly.take_memory, 100, seconds=10) == 100_000_000


async def test_more_memory_fails_the_call_and_nothing_else(workers: WorkerPool) -> None:
    with pytest.raises(PermanentError, match=r"more than APART_MEMORY_MB \(128 MB\)"):
        await workers.run(unruly.take_memory, 200, seconds=10)
    assert await workers.run(unruly.add, 1, 2, seconds=10) == 3


async def test_what_never_ends_is_ended(workers: WorkerPool) -> None:
    with pytest.raises(PermanentError, match=r"longer than 0\.2 s"):
        await workers.run(unruly.sleep, 600, seconds=0.2)
    assert await workers.run(unruly.add, 1, 2, seconds=10) == 3


async def test_a_process_that_dies_fails_its_call_alone(workers: WorkerPool) -> None:
    with pytest.raises(PermanentError, match="ended its process"):
        await workers.run(unruly.die, seconds=10)
    assert await workers.run(unruly.add, 1, 2, seconds=10) == 3


async def test_an_error_of_ours_arrives_as_it_is(workers: WorkerPool) -> None:
    with pytest.raises(PermanentError, match="this is no activity"):
        await workers.run(unruly.refuse, seconds=10)
    with pytest.raises(RateLimited) as asked:
        await workers.run(unruly.ask_for_patience, seconds=10)
    assert asked.value.retry_after == 7.0


async def test_any_other_error_loses_its_text_and_keeps_its_place(
    workers: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(WorkerFailed) as failure:
        await workers.run(unruly.stumble, "private words", seconds=10)
    assert str(failure.value) == "stumble raised ValueError"
    assert "in stumble" in caplog.text
    assert "private words" not in caplog.text


async def test_a_cancelled_call_ends_its_process(workers: WorkerPool, tmp_path: Path) -> None:
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    call = asyncio.create_task(workers.run(unruly.tell_and_sleep, str(pipe), seconds=600))
    process = psutil.Process(int(await asyncio.to_thread(pipe.read_text)))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.to_thread(process.wait, 10)
    assert await workers.run(unruly.add, 1, 2, seconds=10) == 3


async def test_processes_that_end_between_calls_are_started_again(workers: WorkerPool) -> None:
    psutil.Process(await workers.run(unruly.process_id, seconds=10)).kill()
    with pytest.raises(RetryableError):  # the call that finds them gone
        await workers.run(unruly.add, 1, 2, seconds=10)
    assert await workers.run(unruly.add, 1, 2, seconds=10) == 3


@pytest.mark.usefixtures("own_processes")
async def test_no_process_is_started_before_it_is_needed_and_none_is_left() -> None:
    before = set(psutil.Process().children(recursive=True))
    async with open_worker_pool(load_settings()) as workers:
        assert set(psutil.Process().children(recursive=True)) == before
        pid = await workers.run(unruly.process_id, seconds=10)
    assert not psutil.pid_exists(pid)

"""The event loop of a run of a line, which Dagster's process drives from outside.

Events are yielded to Dagster while the loop rests; a run that is cancelled ends the work in order.
"""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from assets.events import Complete, Event
from keepsake.pipeline.reports import OnPartition, Report, StepReport


def events_as_they_complete(
    carry: Callable[[OnPartition], Coroutine[Any, Any, Report]],
    report: Callable[[Complete], Iterator[Event]],
) -> Generator[Event, None, Report]:
    """Carry records, and report each partition as soon as it is complete.

    The event loop is that of `asyncio.run`, but it rests while Dagster stores what is reported. A
    run that is cancelled meanwhile, or in the loop, leaves the block of the runner: that cancels
    the work, which ends as `CancelledError` and can await while it puts back what is unfinished.
    """
    complete: dict[datetime, Mapping[str, StepReport]] = {}
    moved = asyncio.Event()

    def on_partition(start: datetime, steps: Mapping[str, StepReport]) -> None:
        complete[start] = steps
        moved.set()

    with asyncio.Runner() as runner:
        work = runner.get_loop().create_task(carry(on_partition))
        while not work.done():
            with _interrupts_cancel(work):
                runner.run(_until_moved(work, moved))
            now = dict(complete)
            complete.clear()
            yield from report(now)
        return work.result()


@contextmanager
def _interrupts_cancel(work: asyncio.Task[Report]) -> Iterator[None]:
    """Let a run that is cancelled cancel the work, and then raise as Dagster does.

    Dagster's handler of SIGINT raises wherever the process is just then. In an event loop that is
    within some task or callback, which takes it for an error of its own: it may go unnoticed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals: list[tuple[int, FrameType | None]] = []

    def cancel(number: int, frame: FrameType | None) -> None:
        signals.append((number, frame))
        work.get_loop().call_soon_threadsafe(work.cancel)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if signals:
        if callable(before):
            before(*signals[0])
        raise KeyboardInterrupt


async def _until_moved(work: asyncio.Task[Report], moved: asyncio.Event) -> None:
    waiter = asyncio.create_task(moved.wait())
    await asyncio.wait({work, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    moved.clear()


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Leave what is loaded by now out of garbage collection for the length of the block.

    Dagster's modules are some two hundred thousand objects. Every full collection would visit
    them all, and nothing else runs meanwhile: 140 ms a time, several times a run.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

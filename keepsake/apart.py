"""Other people's files are read in processes of their own.

A file that takes all memory or never ends there fails one record, not the run. What runs apart is a
function of a module, called with data and giving data; it knows no database and no network.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from keepsake.errors import PermanentError, StepError
from keepsake.settings import Settings

if TYPE_CHECKING:
    from pebble import ProcessPool

P = ParamSpec("P")
T = TypeVar("T")

# Tasks after which a process is replaced: what a library leaks ends with it.
MOST_TASKS = 500


class Apart:
    """Runs functions in processes of their own, which start with the first call."""

    def __init__(self, processes: int, memory_mb: int) -> None:
        self._processes = processes
        self._memory_mb = memory_mb

    async def run(self, function: Callable[..., T], *args: Any, seconds: float, **named: Any) -> T:
        """The result of `function(*args, **named)`, computed apart.

        Args:
            function: a function that a module has by its name.
            args: its arguments; they and the result are pickled.
            seconds: how long it may take, without its wait for a free process.
            named: its arguments by name.

        Raises:
            PermanentError: it took more memory or time than it may.
            RetryableError: its process was ended from outside.
            Exception: what the function raised.
        """
        from pebble import ProcessExpired

        try:
            future = self._pool.schedule(function, args, named, timeout=seconds)
            return await asyncio.wrap_future(future)
        except MemoryError:
            raise self._too_much(function) from None
        except ProcessExpired:
            raise self._too_much(function) from None
        except TimeoutError:
            raise PermanentError(f"{function.__name__} did not end within {seconds:g} s") from None

    def _too_much(self, function: Callable[..., Any]) -> StepError:
        return PermanentError(
            f"{function.__name__} needs more than APART_MEMORY_MB ({self._memory_mb} MB)"
        )

    @cached_property
    def _pool(self) -> "ProcessPool":
        from pebble import ProcessPool

        return ProcessPool(
            max_workers=self._processes,
            max_tasks=MOST_TASKS,
            initializer=_limit_memory,
            initargs=(self._memory_mb,),
            context=get_context("spawn"),
        )

    async def close(self) -> None:
        """End the processes, whatever they do."""
        if "_pool" in self.__dict__:
            self._pool.stop()  # type: ignore[no-untyped-call]
            await asyncio.to_thread(self._pool.join)


@asynccontextmanager
async def open_apart(settings: Settings) -> AsyncIterator[Apart]:
    """Processes for the length of the block; none is started before it is needed."""
    apart = Apart(settings.apart_processes, settings.apart_memory_mb)
    try:
        yield apart
    finally:
        await apart.close()


def _limit_memory(megabytes: int) -> None:
    """Bound this process's memory."""
    import resource

    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    limit = megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

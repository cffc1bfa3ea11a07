"""A pool of worker processes, in which other people's files are read.

A file that takes all memory or never ends there fails one record, not the run. What runs there is a
function that a module has by its name, called with data and giving data; it knows no database and
no network.
"""

import asyncio
import logging
import os
import traceback
from collections.abc import AsyncIterator, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from keepsake.errors import KeepsakeError, PermanentError, RetryableError
from keepsake.settings import WorkerSettings

if TYPE_CHECKING:
    from pebble import ProcessPool

T = TypeVar("T")
log = logging.getLogger(__name__)

# Calls after which a process makes room for a new one: what libraries leak ends with it.
MOST_CALLS = 10_000


class WorkerFailed(KeepsakeError):
    """A function raised an unexpected error. The log has its place in the code, never its text."""


class WorkerPool:
    """Runs functions in processes of their own, which start with the first call."""

    def __init__(self, processes: int, memory_mb: int) -> None:
        self._processes = processes
        self._memory_mb = memory_mb
        self._pool: ProcessPool | None = None

    async def run(self, function: Callable[..., T], *args: Any, seconds: float, **named: Any) -> T:
        """The result of `function(*args, **named)`, computed by a worker.

        Args:
            function: a function that a module has by its name.
            args: its arguments, data like its result: both are pickled.
            seconds: how long it may take, without its wait for a free process.
            named: its arguments by name.

        Raises:
            KeepsakeError: what the function raised.
            PermanentError: it took more memory or time than it may.
            RetryableError: the processes could not be used; the next call starts new ones.
            WorkerFailed: the function raised anything else.
        """
        from pebble import ProcessExpired

        call, pool = (function, args, named), self._running()
        try:
            future = pool.schedule(_call, call, timeout=seconds)
            return await asyncio.wrap_future(future)
        except MemoryError:
            raise PermanentError(
                f"{function.__name__} needs more than APART_MEMORY_MB ({self._memory_mb} MB)"
            ) from None
        except ProcessExpired as end:
            raise PermanentError(
                f"{function.__name__} ended its process ({end.exitcode}): "
                "does it need more than APART_MEMORY_MB?"
            ) from None
        except TimeoutError:
            raise PermanentError(f"{function.__name__} took longer than {seconds:g} s") from None
        except (BrokenProcessPool, RuntimeError):
            await self._end(pool)
            raise RetryableError("the processes that read files ended unexpectedly") from None
        except WorkerFailed as failure:
            kind, place = failure.args
            log.error("%s raised %s in a worker\n%s", function.__name__, kind, place)
            raise WorkerFailed(f"{function.__name__} raised {kind}") from None

    async def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is not None:
            await self._end(self._pool)

    def _running(self) -> "ProcessPool":
        if self._pool is None:
            from pebble import ProcessPool

            self._pool = ProcessPool(
                max_workers=self._processes,
                max_tasks=MOST_CALLS,
                initializer=_prepare,
                initargs=(self._memory_mb,),
                # A fork would take our threads' locks along, in whatever state they are.
                context=get_context("spawn"),
            )
        return self._pool

    async def _end(self, pool: "ProcessPool") -> None:
        if self._pool is pool:  # no other call has ended it
            self._pool = None
            pool.stop()  # type: ignore[no-untyped-call]
            await asyncio.to_thread(pool.join)


@asynccontextmanager
async def open_worker_pool(
    settings: WorkerSettings, *, processes: int | None = None
) -> AsyncIterator[WorkerPool]:
    """Processes for the length of the block; none is started before it is needed.

    Args:
        settings: how many there are, and how much memory each may take.
        processes: how many, where it is known that fewer are needed. With the first call all are
            started, and one that is ended while it starts complains on standard error.
    """
    workers = WorkerPool(processes or settings.apart_processes, settings.apart_memory_mb)
    try:
        yield workers
    finally:
        await workers.close()


# ---------------------------------------------------------------------------------------------
# What happens in such a process
# ---------------------------------------------------------------------------------------------


def _prepare(memory_mb: int) -> None:
    """Bound the memory this process may take beyond what it has from the start.

    The bound is on addresses, the only one that every Unix keeps to some degree; macOS does not
    enforce it, and only the time limit remains there.
    """
    import resource

    # Each thread of it would reserve addresses that are never used.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Libraries log what they read. Nothing of that may be stored.
    logging.disable(logging.CRITICAL)
    limit = _addresses() + memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _addresses() -> int:
    """Bytes of addresses in use; 0 where it is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _call(function: Callable[..., T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
    """Call a function, and raise only what can travel and holds nothing of what was read."""
    try:
        return function(*args, **named)
    except (KeepsakeError, MemoryError):
        raise
    except Exception as error:
        place = "".join(traceback.format_tb(error.__traceback__))
        raise WorkerFailed(type(error).__name__, place) from None

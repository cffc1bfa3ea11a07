"""One import of activities in this process, as `keepsake import activities` makes it.

`python -m benchmarks.run_import OWNER PATH` prints what it took as one line of JSON. Memory is that
of this process and of those that check the files, together.

Nothing is imported before it is used: those processes import this module too.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.1


def main() -> None:
    """Import what the command line names, and say what came of it."""
    from keepsake.clients.objects import open_objects
    from keepsake.database import connect, database_url
    from keepsake.owners.owners import find_owner
    from keepsake.running.imports import import_activities
    from keepsake.settings import load_settings
    from keepsake.terminal.shell import in_pool

    settings = load_settings()
    with connect(database_url(settings)) as connection, _watched() as memory:
        owner = find_owner(connection, sys.argv[1])
        started = time.monotonic()
        imported = in_pool(
            settings,
            lambda pool: import_activities(
                pool, open_objects(settings), settings, owner, Path(sys.argv[2])
            ),
        )
        seconds = time.monotonic() - started
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_rss_mb": memory.peak / 1e6,
                "created": imported.created,
                "duplicates": imported.duplicates,
                "rejected": imported.rejected,
            }
        )
    )


@dataclass
class _Memory:
    """The most bytes that were resident at once."""

    peak: int = 0


@contextmanager
def _watched() -> Iterator[_Memory]:
    """Read the memory of this process and all below it, ten times a second."""
    import psutil

    memory, end, own = _Memory(), threading.Event(), psutil.Process()

    def resident(process: psutil.Process) -> int:
        try:
            return int(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def look() -> None:
        while not end.wait(LOOK_SECONDS):
            now = sum(map(resident, [own, *own.children(recursive=True)]))
            memory.peak = max(memory.peak, now)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        end.set()
        thread.join()


if __name__ == "__main__":
    main()

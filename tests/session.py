"""What the processes of one test session share: a folder, and what is made in it once.

The process that starts the session makes the folder before its workers start and removes it after
they have ended; they find it by the environment.
"""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TypeVar

from keepsake.embedded import postgres

T = TypeVar("T")

ROOM_FOR_CLUSTERS = 4 * 1024**3  # bytes
_FOLDER = "TEST_SESSION_FOLDER"  # not KEEPSAKE_: doctor would take it for a misspelt setting
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def memory() -> str | None:
    """A file system in memory with room for clusters; None: wherever temporary files are.

    A new database is 400 new files: on a disk most of the tests' time goes into making them.
    """
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > ROOM_FOR_CLUSTERS else None
    except OSError:  # not every Unix has one
        return None


def begin() -> None:
    """Make the folder, in the process that starts the session."""
    if not _WORKER:
        # Not pytest's own folder: under root PostgreSQL runs as another user, who must pass
        # through, and every new session of pytest closes that folder again.
        os.environ[_FOLDER] = mkdtemp(prefix="keepsake-", dir=memory())


def end() -> None:
    """Stop the servers and remove the folder, when all processes of the session have ended."""
    if not _WORKER:
        for home in folder().iterdir():
            postgres.stop(home)
        shutil.rmtree(os.environ.pop(_FOLDER), ignore_errors=True)


def folder() -> Path:
    """The folder of the session."""
    return Path(os.environ[_FOLDER])


def own_folder() -> Path:
    """The folder of this process in it. It is there until all have ended."""
    own = folder() / (_WORKER or "main")
    own.mkdir(exist_ok=True)
    return own


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty data folder. Its PostgreSQL, if one was started, is stopped at the end."""
    with TemporaryDirectory(prefix="keepsake-", dir=memory(), ignore_cleanup_errors=True) as home:
        try:
            yield Path(home)
        finally:
            postgres.stop(Path(home))


def once(name: str, make: Callable[[], T]) -> T:
    """What `make` gives: made by the first process that asks for it, read by the others."""
    made = folder() / f"{name}.pickle"
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(pickle.dumps(make()))
    found: T = pickle.loads(made.read_bytes())
    return found

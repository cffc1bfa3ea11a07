"""Finding out whether processes live, and ending them: also those that are not our children."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

_POLL = 0.02  # seconds


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: neither gone, nor a zombie, nor another process with the same id."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def has_ended(process: psutil.Process, timeout: float) -> bool:
    """Wait up to `timeout` seconds for its end.

    Unlike `psutil.Process.wait`, a zombie counts: a container may have no process to reap it.
    """
    deadline = time.monotonic() + timeout
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def session(leader: int) -> list[psutil.Process]:
    """The processes of the session that process `leader` opened, also when it is gone itself.

    Process ids are used again, but not those of a session that still has members.
    """
    return [process for process in psutil.process_iter() if _session_of(process.pid) == leader]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def end(processes: Iterable[psutil.Process], timeout: float) -> None:
    """Ask each to end (SIGTERM), and kill those that still live after `timeout` seconds in all."""
    living = [process for process in processes if is_alive(process)]
    for process in living:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    deadline = time.monotonic() + timeout
    for process in living:
        if not has_ended(process, max(0.0, deadline - time.monotonic())):
            with suppress(psutil.NoSuchProcess):
                process.kill()
            has_ended(process, 5)

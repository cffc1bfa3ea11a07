"""Telling whether processes live, and ending them: also those that are not our children."""

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

    Unlike `psutil.Process.wait`, a zombie counts: in a container nobody may be there to reap it.
    """
    deadline = time.monotonic() + timeout
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and all it started, itself first; empty when it is gone."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


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

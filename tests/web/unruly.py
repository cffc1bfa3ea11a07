"""Functions that misbehave, to be run by the worker pool."""

import os
import time
from pathlib import Path

from keepsake.errors import PermanentError, RateLimited


def add(a: int, b: int) -> int:
    return a + b


def process_id() -> int:
    return os.getpid()


def take_memory(megabytes: int) -> int:
    return len(bytearray(megabytes * 1_000_000))


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def die() -> None:
    os._exit(9)


def refuse() -> None:
    raise PermanentError("this is no activity")


def ask_for_patience() -> None:
    raise RateLimited("slow down", retry_after=7.0)


def stumble(words: str) -> None:
    raise ValueError(words)


def tell_and_sleep(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

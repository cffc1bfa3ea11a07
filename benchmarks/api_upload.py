"""A recording of 500 MB taken in over HTTP: how long it takes, and how much memory.

The floor is the same bytes hashed and written to the same disk, with nothing sent.
"""

import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil

from benchmarks.api_ingest import serving_api
from benchmarks.results import Figure
from benchmarks.site import MEMBER, Site, make_family, open_site
from keepsake.accounts.tokens import create_token
from keepsake.database import connect

SIZE = 500_000_000 - 44
PIECE = bytes(1 << 20)
LOOK_SECONDS = 0.02


def run() -> list[Figure]:
    """A second of sound, for what is loaded with the first; then 500 MB."""
    with open_site() as site:
        family = make_family(site)
        with connect(site.database_url) as connection:
            token, _ = create_token(connection, "bench", owner_id=family.id, scopes=["ingest"])
        with serving_api(site) as (url, process):
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=url, headers=headers, timeout=600) as client:
                _send(client, 176_400)
                before = psutil.Process(process).memory_info().rss
                with most_memory(process) as seen:
                    started = time.perf_counter()
                    _send(client, SIZE)
                    took = time.perf_counter() - started
        return [
            Figure("500 MB over HTTP", took, "s", floor=_bare(site)),
            Figure("500 MB over HTTP: more memory", (max(seen) - before) / 1e6, "MB", at_most=30),
        ]


def _send(client: httpx.Client, size: int) -> None:
    answer = client.put(
        "/api/responses/audio",
        params={"member": MEMBER, "file_name": "long.wav"},
        headers={"Content-Length": str(size + 44)},
        content=_recording(size),
    )
    answer.raise_for_status()


def _recording(size: int) -> Iterator[bytes]:
    """A wav file of silence: 44.1 kHz, two channels of 16 bits."""
    form = struct.pack("<IHHIIHH", 16, 1, 2, 44_100, 176_400, 4, 16)
    yield b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + form
    yield b"data" + struct.pack("<I", size)
    for start in range(0, size, len(PIECE)):
        yield PIECE[: size - start]


@contextmanager
def most_memory(process: int) -> Iterator[list[int]]:
    """What a process had in memory during the block, in bytes, as often as was looked."""
    looked, seen, over = psutil.Process(process), list[int](), threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(looked.memory_info().rss)
            over.wait(LOOK_SECONDS)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _bare(site: Site) -> float:
    started, digest = time.perf_counter(), hashlib.sha256()
    with (site.settings.home / "bare.wav").open("wb") as file:
        for piece in _recording(SIZE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - started

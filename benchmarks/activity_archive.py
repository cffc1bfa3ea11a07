"""A Strava export with as many activities as wanted, and what only reading it takes.

`python -m benchmarks.activity_archive PATH COPY` does what an import cannot do without, and nothing
else: every file is read, unpacked, hashed and written to the folder COPY, one after the other. It
prints what that took as one line of JSON.
"""

import gzip
import hashlib
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from tests.running.activity_files import MORNING, Run, fit, gpx, steady, tcx

INTERVAL = timedelta(hours=7)  # 10,000 of them are eight years
MINUTES, EVERY = 30, 5  # seconds between points

# Of ten files: what watches upload is FIT, packed by Strava.
_MIX = ("fit.gz",) * 5 + ("fit", "gpx", "gpx", "tcx", "tcx.gz")
_WRITE: dict[str, Callable[[Run], bytes]] = {"fit": fit, "gpx": gpx, "tcx": tcx}


def write_archive(path: Path, count: int) -> None:
    """Write an export of `count` activities, each with a beginning of its own."""
    rows = ["Activity ID,Activity Date,Activity Name,Activity Type,Filename"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(count):
            run = steady(MORNING - number * INTERVAL, MINUTES, every=EVERY, seed=number)
            suffix = _MIX[number % len(_MIX)]
            kind, _, packed = suffix.partition(".")
            data = _WRITE[kind](run)
            name = f"activities/{number}.{suffix}"
            archive.writestr(name, gzip.compress(data, 1) if packed else data)
            rows.append(f'{number},"{run.started_at:%b %d, %Y, %I:%M:%S %p}",Run,Run,{name}')
        archive.writestr("activities.csv", "\n".join(rows))


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def _copy(path: Path, folder: Path) -> float:
    """Seconds that reading, unpacking, hashing and writing all files takes."""
    folder.mkdir()
    started = time.monotonic()
    for name, data in _files(path):
        plain = gzip.decompress(data) if name.endswith(".gz") else data
        (folder / hashlib.sha256(plain).hexdigest()).write_bytes(data)
    return time.monotonic() - started


if __name__ == "__main__":
    print(json.dumps(_copy(Path(sys.argv[1]), Path(sys.argv[2]))))

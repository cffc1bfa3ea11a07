"""Making a backup: the database first, then the objects that it names.

Objects are written before the rows that name them, so the later copy has all that the snapshot
names. What was deleted meanwhile is missing in the backup, as it will be in the next one.
"""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from keepsake.backup.contents import (
    NOT_KEPT,
    Entry,
    Index,
    Progress,
    Report,
    count_rows,
    hash_file,
    in_batches,
    named_keys,
    open_snapshot,
    read_index,
    silent,
    write_index,
)
from keepsake.backup.folder import DUMP, INDEX, Backup, BackupError, Folder, Manifest
from keepsake.backup.programs import Programs, check_vector, dump, find_programs
from keepsake.clients.objects import MissingObject, ObjectStore, Stored, open_objects
from keepsake.concurrency import together
from keepsake.database import AsyncConnection, connect, database_url, pending
from keepsake.errors import RetryableError
from keepsake.records.deletion import named_of
from keepsake.settings import Settings

TRIES = 3  # at an object that is replaced while it is read
_KEYS = "keys"


async def create(settings: Settings, root: Path, report: Report = silent) -> Backup:
    """Back up the database and the objects. Nothing is left of what breaks off.

    Raises:
        BackupBusy: another process works on the backups of the folder.
        BackupError: there is no pg_dump for the server, or it failed.
        DatabaseError: the schema is not this Keepsake's.
        StepError: the store of objects fails.
    """
    url = database_url(settings)
    major = await asyncio.to_thread(_check, url)
    programs = await find_programs(major)
    folder = Folder(root)
    with folder.locked():
        folder.remove_unfinished()
        former = next(iter(folder.all()[0]), None)
        making = folder.begin(datetime.now(UTC))
        try:
            creation = _Creation(url, open_objects(settings), folder, making, report)
            manifest = await creation.run(programs, former)
            await asyncio.to_thread(os.sync)  # what is named next is on the disk
            return folder.publish(making, manifest)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise


def _check(url: str) -> int:
    """The major version of the server, whose schema is checked."""
    with connect(url) as connection:
        if missing := pending(connection):
            raise BackupError(
                f"the database lacks {len(missing)} migrations of this Keepsake: back it up with "
                "the version that has worked on it, or run `keepsake db migrate` first"
            )
        check_vector(connection)
        return connection.info.server_version // 10_000


class _Creation:
    """One backup that is being made."""

    def __init__(
        self, url: str, objects: ObjectStore, folder: Folder, making: Path, report: Report
    ) -> None:
        self._url, self._objects, self._report = url, objects, report
        self._folder, self._making = folder, making
        self._added = 0

    async def run(self, programs: Programs, former: Backup | None) -> Manifest:
        began, at = time.monotonic(), datetime.now(UTC)
        async with open_snapshot(self._url) as (connection, snapshot):
            rows = await count_rows(connection)
            cursor = await connection.execute("SELECT max(number) FROM migrations")
            (migration,) = await cursor.fetchone() or (0,)
            count = await self._note_keys(connection)
            await dump(
                programs,
                self._url,
                self._making / DUMP,
                snapshot=snapshot,
                without=NOT_KEPT,
                report=self._report,
            )
        size, missing = await self._copy_all(count, former)
        (self._making / _KEYS).unlink()
        return Manifest(
            keepsake=version("keepsake"),
            migration=migration,
            pg_dump=programs.major,
            made_at=at,
            seconds=round(time.monotonic() - began, 3),
            rows=rows,
            files={
                name: await asyncio.to_thread(hash_file, self._making / name)
                for name in (DUMP, INDEX)
            },
            objects=count,
            object_bytes=size,
            added_bytes=self._added,
            lost=await self._still_named(missing),
        )

    async def _note_keys(self, connection: AsyncConnection) -> int:
        """Write down which objects the snapshot names: it is not held while they are copied."""
        count = 0
        with await asyncio.to_thread((self._making / _KEYS).open, "w", encoding="utf-8") as file:
            async for key in named_keys(connection):
                file.write(f"{key}\n")
                count += 1
        return count

    async def _copy_all(self, count: int, former: Backup | None) -> tuple[int, list[str]]:
        """Copy the objects: the bytes of all, and the keys of those that are missing."""
        index = Index(read_index(former.path / INDEX) if former else iter(()))
        done = size = 0
        missing = []
        with (
            write_index(self._making / INDEX) as write,
            await asyncio.to_thread((self._making / _KEYS).open, encoding="utf-8") as keys,
        ):
            for some in in_batches(line.rstrip("\n") for line in keys):
                self._report(Progress("objects", done, count))
                entries = await together(self._copy(key, index.find(key)) for key in some)
                for entry in entries:
                    write(entry)
                    size += entry.size
                missing += [entry.key for entry in entries if entry.sha256 is None]
                done += len(entries)
        self._report(Progress("objects", done, count))
        return size, missing

    async def _copy(self, key: str, former: Entry | None) -> Entry:
        for left in reversed(range(TRIES)):
            try:
                stored = await self._objects.stat(key)
                if sha256 := self._unchanged(former, stored):
                    return Entry(key, stored.size, sha256, stored.tag)
                return await self._fetch(key, stored)
            except MissingObject:
                break
            except RetryableError:
                if not left:
                    raise
        return Entry(key, 0, None, "")

    def _unchanged(self, former: Entry | None, stored: Stored) -> str | None:
        """The hash of the content that the former backup has of the same object."""
        if former is None or former.sha256 is None:
            return None
        if (former.size, former.tag) != (stored.size, stored.tag):
            return None
        return former.sha256 if self._folder.has(former.sha256, stored.size) else None

    async def _fetch(self, key: str, stored: Stored) -> Entry:
        digest = hashlib.sha256()
        part = self._making / uuid4().hex
        async with self._objects.open_range(key, stored) as pieces:
            with await asyncio.to_thread(part.open, "xb") as file:
                async for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
        sha256 = digest.hexdigest()
        new = self._making / "objects" / sha256
        if new.exists() or self._folder.has(sha256, stored.size):
            part.unlink()
        else:
            part.replace(new)
            self._added += stored.size
        return Entry(key, stored.size, sha256, stored.tag)

    async def _still_named(self, keys: Sequence[str]) -> int:
        """How many of the missing objects are still named: the others were deleted meanwhile."""
        return await asyncio.to_thread(_count_named, self._url, keys) if keys else 0


def _count_named(url: str, keys: Sequence[str]) -> int:
    with connect(url) as connection:
        return len(named_of(connection, keys))

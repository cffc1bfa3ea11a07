"""Verifying a backup: by restoring it, and by reading every object that the restored rows name."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from keepsake.backup.contents import (
    Entry,
    Index,
    Progress,
    Report,
    count_rows,
    hash_file,
    named_keys,
    read_index,
    silent,
)
from keepsake.backup.folder import DUMP, INDEX, Backup, BackupError, Folder, Verified
from keepsake.backup.programs import ensure_vector, find_programs, load
from keepsake.database import (
    connect,
    database_url,
    migrate,
    open_connection,
    open_pool,
    owner_transaction,
)
from keepsake.errors import KeepsakeError
from keepsake.search.fusion import find
from keepsake.search.passages import Meaning
from keepsake.settings import Settings

MOST_PROBLEMS = 20  # that are named; the others are counted
_SCRATCH = "keepsake_scratch_"
_ABANDONED = 3600  # seconds after which a scratch database that nobody uses is dropped


async def verify(
    settings: Settings, root: Path, name: str | None = None, report: Report = silent
) -> tuple[Backup, Verified]:
    """Verify a backup, the newest if none is named, and keep with it how that went.

    It is restored into a database of its own on the server in force, which is dropped afterwards.
    A damaged content is put aside, so that the next backup has it again.

    Raises:
        InvalidInput: there is no such backup.
        BackupBusy: another process changes the backups of the folder.
        BackupError: there is no database to restore into, or no program.
    """
    url = database_url(settings)
    folder = Folder(root)
    with folder.locked(shared=True):
        backup = folder.find(name)
        verification = _Verification(url, folder, backup, report)
        verified = await verification.run()
        folder.note_verified(backup, verified)
    return backup, verified


class _Verification:
    """One backup that is being verified."""

    def __init__(self, url: str, folder: Folder, backup: Backup, report: Report) -> None:
        self._url, self._folder, self._backup, self._report = url, folder, backup, report
        self._problems: list[str] = []
        self._searched = False

    async def run(self) -> Verified:
        began = time.monotonic()
        sound = {name: await self._check_file(name) for name in (DUMP, INDEX)}
        if sound[INDEX]:
            await self._check_contents()
        if sound[DUMP]:
            async with _scratch(self._url) as url:
                await self._check_database(url, objects=sound[INDEX])
        count = len(self._problems)
        problems = self._problems[:MOST_PROBLEMS]
        if count > MOST_PROBLEMS:
            problems.append(f"and {count - MOST_PROBLEMS} more")
        return Verified(
            at=datetime.now(UTC),
            seconds=round(time.monotonic() - began, 3),
            rows=sum(self._backup.manifest.rows.values()),
            objects=self._backup.manifest.objects,
            searched=self._searched,
            problems=problems,
        )

    async def _check_file(self, name: str) -> bool:
        self._report(Progress(f"reading {name}", 0))
        problem = await damage(self._backup, name)
        if problem:
            self._problems.append(problem)
        return problem is None

    async def _check_contents(self) -> None:
        """Compare the hash of every object."""
        for count, entry in enumerate(read_index(self._backup.path / INDEX)):
            self._report(Progress("objects", count, self._backup.manifest.objects))
            if problem := await _content_problem(self._folder, entry):
                self._problems.append(problem)

    async def _check_database(self, url: str, *, objects: bool) -> None:
        manifest = self._backup.manifest
        self._report(Progress("restoring into a database of its own", 0))
        async with open_connection(url) as connection:  # with which the database counts as used
            server = connection.info.server_version // 10_000
            programs = await find_programs(max(server, manifest.pg_dump))
            try:
                await load(programs, self._backup.path / DUMP, url)
            except BackupError as error:
                self._problems.append(f"the database cannot be restored: {error}")
                return
            await connection.execute("SET search_path = keepsake, public")
            self._compare(await count_rows(connection))
            if objects:
                await self._check_keys(named_keys(connection))
            try:
                await asyncio.to_thread(migrate, url)
                self._searched = await self._search(url)
            except (KeepsakeError, psycopg.Error) as error:
                self._problems.append(f"the restored database cannot be used: {_said(error)}")

    def _compare(self, rows: dict[str, int]) -> None:
        expected = self._backup.manifest.rows
        self._problems += [
            f"the table {table} has {rows.get(table, 0)} rows, not {expected.get(table, 0)}"
            for table in sorted(rows.keys() | expected.keys())
            if rows.get(table) != expected.get(table)
        ]

    async def _check_keys(self, keys: AsyncIterator[str]) -> None:
        """Look for what the restored rows name; whether it is whole is known by now."""
        index = Index(read_index(self._backup.path / INDEX))
        async for key in keys:
            if index.find(key) is None:
                self._problems.append(f"the database names {key}, which is not in the backup")

    async def _search(self, url: str) -> bool:
        """Search by meaning, once, if there are passages. Whether it was searched."""
        async with open_pool(url, size=1) as pool:
            async with pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT owner_id, embedding, model, dimensions FROM passages LIMIT 1"
                )
                row = await cursor.fetchone()
            if row is None:
                return False
            owner_id, vector, model, dimensions = row
            async with owner_transaction(pool, owner_id) as connection:
                meaning = Meaning(vector, model, dimensions)
                hits = await find(connection, "", owner_id=owner_id, meaning=meaning)
        if not any((hit.similarity or 0) > 0.99 for hit in hits):
            self._problems.append("a search by meaning does not find what is there")
        return True


async def damage(backup: Backup, name: str) -> str | None:
    """What is wrong with a file of a backup, going by its hash."""
    try:
        found = await asyncio.to_thread(hash_file, backup.path / name)
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    return None if found == backup.manifest.files[name] else f"{name} is damaged"


async def _content_problem(folder: Folder, entry: Entry) -> str | None:
    if entry.sha256 is None:
        return None  # it was missing before: the manifest says how many were
    try:
        found = await asyncio.to_thread(hash_file, folder.content(entry.sha256))
    except OSError as error:
        return f"the object {entry.key} cannot be read: {error.strerror}"
    if found.sha256 == entry.sha256:
        return None
    folder.put_aside(entry.sha256)
    return f"the object {entry.key} is damaged"


def _said(error: Exception) -> str:
    """What an error says; of another's, which may quote a row, its name."""
    return str(error) if isinstance(error, KeepsakeError) else type(error).__name__


@asynccontextmanager
async def _scratch(url: str) -> AsyncIterator[str]:
    """An empty database on the same server, dropped at the end of the block."""
    name = f"{_SCRATCH}{int(time.time())}_{uuid4().hex[:8]}"
    scratch = make_conninfo(url, dbname=name)
    await asyncio.to_thread(_make_scratch, url, name)
    try:
        await asyncio.to_thread(_make_ready, scratch)
        yield scratch
    finally:
        await asyncio.to_thread(_drop, url, [name])


def _make_scratch(url: str, name: str) -> None:
    with connect(url) as connection:
        abandoned = connection.execute(
            "SELECT datname FROM pg_database d WHERE starts_with(datname, %s) AND NOT EXISTS"
            " (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)",
            (_SCRATCH,),
        ).fetchall()
        _drop(url, [each for (each,) in abandoned if _age(each) > _ABANDONED])
        try:
            # Of the usual template, in which an administrator may have made the extension.
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            raise BackupError(
                f"the user {connection.info.user} may not create the database into which the backup"
                f' is restored: ALTER ROLE "{connection.info.user}" CREATEDB'
            ) from None


def _make_ready(scratch: str) -> None:
    with connect(scratch) as connection:
        ensure_vector(connection, where="template1")


def _age(name: str) -> float:
    return time.time() - int(name.removeprefix(_SCRATCH).partition("_")[0])


def _drop(url: str, names: Iterable[str]) -> None:
    with connect(url) as connection:
        for name in names:
            connection.execute(
                SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
            )

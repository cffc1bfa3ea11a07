"""pg_dump, pg_restore and psql: those on PATH, or those of the embedded PostgreSQL."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege

from keepsake.backup.contents import Progress, Report
from keepsake.backup.folder import BackupError
from keepsake.database import Connection
from keepsake.embedded import postgres

LOCK_TIMEOUT = "60s"  # for tables that a migration has
LOOK_SECONDS = 1.0
PIECE = 1 << 18
# An index of vectors is built quickly only while it fits. With parallel workers it would lie in
# shared memory, of which containers often have 64 MB: a restore would fail there.
_MEMORY = "SET maintenance_work_mem = '512MB'; SET max_parallel_maintenance_workers = 0;\n"
_UNKNOWN_TO_16 = b"SET transaction_timeout = 0;\n"


@dataclass(frozen=True)
class Programs:
    """The programs of one folder, and their major version."""

    folder: Path
    major: int


async def find_programs(major: int) -> Programs:
    """Programs for a server of that version: of the same one if there are any, else of a newer one.

    Raises:
        BackupError: there are only older ones, which refuse such a server.
    """
    found = [Programs(folder, await _version(folder)) for folder in _folders()]
    fit = sorted((each for each in found if each.major >= major), key=lambda each: each.major)
    if fit:
        return fit[0]
    have = ", ".join(f"{each.major} in {each.folder}" for each in found) or "none"
    raise BackupError(
        f"PostgreSQL {major} needs pg_dump, pg_restore and psql of version {major} or newer "
        f"(found: {have}): put them on PATH"
    )


def _folders() -> list[Path]:
    folders = []
    if on_path := shutil.which("pg_dump"):
        folders.append(Path(on_path).parent)
    with suppress(postgres.PostgresError):  # it is not installed
        folders.append(postgres.binaries())
    return folders


async def _version(folder: Path) -> int:
    """The major version of a folder's programs; 0: they do not run."""
    process = await asyncio.create_subprocess_exec(
        folder / "pg_dump", "--version", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    number = re.search(rb"\b(\d+)[.\w]*", said)
    return int(number[1]) if number else 0


async def dump(
    programs: Programs,
    url: str,
    path: Path,
    *,
    snapshot: str,
    without: Collection[str],
    report: Report,
) -> None:
    """Dump the schema `keepsake` as a snapshot sees it, without the rows of some tables.

    Raises:
        BackupError: pg_dump failed.
    """
    async with _started(
        programs.folder / "pg_dump",
        *("--format=custom", "--compress=1", "--schema=keepsake", "--no-owner", "--no-privileges"),
        *("--lock-wait-timeout", LOCK_TIMEOUT, "--snapshot", snapshot, "--file", path),
        *(f"--exclude-table-data=keepsake.{table}" for table in without),
        url=url,
    ) as process:
        while not await process.has_ended(LOOK_SECONDS):
            report(Progress("bytes of the database", _size(path)))


def ensure_vector(connection: Connection, *, where: str = "this database") -> None:
    """Have the extension that a dump needs, outside of the schema that `load` drops.

    Raises:
        BackupError: an administrator has to make it. The message says how.
    """
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")
    except InsufficientPrivilege:
        raise BackupError(
            "this database user may not create the extension vector: have an administrator of the "
            f"server execute in {where}: CREATE EXTENSION vector WITH SCHEMA public"
        ) from None
    check_vector(connection)


def check_vector(connection: Connection) -> None:
    """Check that the extension is not a part of the schema that is dumped.

    There a dump would not have it. It is, where a user called keepsake has made it by hand.

    Raises:
        BackupError: it is.
    """
    inside = connection.execute(
        "SELECT FROM pg_extension WHERE extname = 'vector'"
        " AND extnamespace = to_regnamespace('keepsake')"
    ).fetchone()
    if inside is not None:
        raise BackupError(
            "the extension vector is in the schema keepsake, where a backup does not have it: have "
            "an administrator of the server execute in this database: "
            "ALTER EXTENSION vector SET SCHEMA public"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def load(programs: Programs, path: Path, url: str, *, last: str = "") -> None:
    """Put a dump in the place of the schema `keepsake`, in one transaction: all of it or nothing.

    Args:
        programs: no older than the dump and the server.
        path: of the dump.
        url: of the database, which has the extension (`ensure_vector`).
        last: what is executed at the end of the transaction.

    Raises:
        BackupError: the dump is damaged, or the server does not take it. Nothing has changed.
    """
    async with (
        _started(
            programs.folder / "pg_restore",
            *("--no-owner", "--no-privileges", "--file=-", path),
            stdout=asyncio.subprocess.PIPE,
        ) as dumped,
        _started(
            programs.folder / "psql",
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
            url=url,
            stdin=asyncio.subprocess.PIPE,
        ) as server,
    ):
        with suppress(BrokenPipeError, ConnectionResetError):  # `succeed` says why
            await server.write(f"BEGIN;\n{_MEMORY}DROP SCHEMA IF EXISTS keepsake CASCADE;\n")
            # Servers before 17 do not know it, and 0 is what it is.
            await server.write((await dumped.read()).replace(_UNKNOWN_TO_16, b"", 1))
            while piece := await dumped.read():
                await server.write(piece)
            # Without COMMIT, what came of a damaged dump is rolled back.
            await dumped.succeed()
            await server.write(f"{last}\nCOMMIT;\n")
        await server.succeed()


class _Process:
    """A program that runs."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, said: IO[bytes]) -> None:
        self._name, self._process, self._said = name, process, said

    async def has_ended(self, seconds: float) -> bool:
        """Whether it ended well within that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        await self.succeed()
        return True

    async def read(self) -> bytes:
        """What it wrote next; nothing at its end."""
        assert self._process.stdout is not None  # noqa: S101  # started with a pipe
        return await self._process.stdout.read(PIECE)

    async def write(self, text: str | bytes) -> None:
        """Have it read this."""
        assert self._process.stdin is not None  # noqa: S101  # started with a pipe
        self._process.stdin.write(text.encode() if isinstance(text, str) else text)
        await self._process.stdin.drain()

    async def succeed(self) -> None:
        """Wait for its end, which follows that of its input.

        Raises:
            BackupError: it failed; with the reason that it gave.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        if await self._process.wait():
            self._said.seek(0)
            raise BackupError(f"{self._name} failed: {_reason(self._said.read())}")

    async def end(self) -> None:
        """Kill it, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def _started(
    program: Path, *arguments: object, url: str = "", **pipes: Any
) -> AsyncIterator[_Process]:
    """A program that does not outlive the block. It gets a password by its environment."""
    environment = dict(os.environ)
    database = []
    if url:
        parameters = conninfo_to_dict(url)
        if password := parameters.pop("password", None):
            environment["PGPASSWORD"] = str(password)
        database = [
            "--dbname",
            make_conninfo(**{key: str(value) for key, value in parameters.items()}),
        ]
    with tempfile.TemporaryFile() as said:
        started = await asyncio.create_subprocess_exec(
            str(program),
            *database,
            *map(str, arguments),
            env=environment,
            stderr=said,
            **{"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.DEVNULL, **pipes},
        )
        process = _Process(program.name, started, said)
        try:
            yield process
        finally:
            await process.end()


def _reason(said: bytes) -> str:
    """The line that says why. What it quotes of a row is left out."""
    lines = said.decode(errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|ERROR|FATAL):", line)]
    line = (errors or lines or ["no reason"])[0]
    return re.sub(r':\s*".*', "", re.sub(r"^(\S+:\s+)+", "", line))

"""What is backed up: the rows of a snapshot, and the index of the objects that they name."""

import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from psycopg.sql import SQL, Identifier

from keepsake.backup.folder import BackupError, FileHash
from keepsake.database import AsyncConnection, open_connection
from keepsake.records.deletion import ALL_KEYS

T = TypeVar("T")

AT_ONCE = 8  # objects
# Tables whose rows are of no use, or of harm, in a database that is restored.
NOT_KEPT = {
    "sessions": "whoever has stolen a backup must not be signed in",
    "sign_in_requests": "the same",
    "rate_limits": "they count the last minute",
    "resumable_uploads": "their files are not objects yet, and not in the backup",
}


@dataclass(frozen=True)
class Progress:
    """How far the work is: so many of all, or of what is not known (None)."""

    what: str
    done: int
    total: int | None = None


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Entry:
    """An object in a backup.

    Attributes:
        key: of the object.
        size: in bytes.
        sha256: of its content; None: it was not in the store.
        tag: of the store, which changes when the object does.
    """

    key: str
    size: int
    sha256: str | None
    tag: str


@asynccontextmanager
async def open_snapshot(url: str) -> AsyncIterator[tuple[AsyncConnection, str]]:
    """A connection that sees one moment, and the name by which pg_dump sees the same."""
    async with open_connection(url) as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor = await connection.execute("SELECT pg_export_snapshot()")
        (name,) = await cursor.fetchone() or ("",)
        yield connection, name


async def count_rows(connection: AsyncConnection) -> dict[str, int]:
    """The rows of each table, none for those that are not kept."""
    cursor = await connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'keepsake'::regnamespace"
        " AND relkind IN ('r', 'p') ORDER BY relname"
    )
    rows = {}
    for (table,) in await cursor.fetchall():
        counting = SQL("SELECT count(*) FROM keepsake.{}").format(Identifier(table))
        (rows[table],) = await (await connection.execute(counting)).fetchone() or (0,)
    return rows | dict.fromkeys(NOT_KEPT, 0)


async def named_keys(connection: AsyncConnection) -> AsyncIterator[str]:
    """The objects that rows name, each once, in the order of Python's strings."""
    async with connection.transaction(), connection.cursor("named_keys") as cursor:
        await cursor.execute(f'SELECT key FROM ({ALL_KEYS}) AS k ORDER BY key COLLATE "C"'.encode())  # noqa: S608
        async for (key,) in cursor:
            yield key


@contextmanager
def write_index(path: Path) -> Iterator[Callable[[Entry], Any]]:
    """Write entries, which are in the order of their keys."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as file:
        yield lambda entry: file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")


def read_index(path: Path) -> Iterator[Entry]:
    """The entries, in the order of their keys.

    Raises:
        BackupError: the file is damaged.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield Entry(**json.loads(line))
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise BackupError(f"{path} cannot be read: it is damaged or missing") from error


class Index:
    """Entries that are looked up in the order of keys, without having all of them in memory."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def find(self, key: str) -> Entry | None:
        """The entry of a key, which is not before the one that was asked for last."""
        while self._next is not None and self._next.key < key:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.key == key else None


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """So many objects as are copied at once, in their order."""
    each = iter(items)
    while some := list(islice(each, AT_ONCE)):
        yield some


def hash_file(path: Path) -> FileHash:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return FileHash(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=file.tell())

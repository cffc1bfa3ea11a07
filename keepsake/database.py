"""The connection to PostgreSQL, and the numbered migrations that make its schema.

Keepsake's tables live in the schema `keepsake`; Dagster's own storage may share the database.
The SQL itself is where it is used.
"""

import hashlib
import re
import select
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL
from psycopg.types import TypeInfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from keepsake.access import API_ROLE, keep_owners_apart
from keepsake.errors import KeepsakeError, SettingsError
from keepsake.settings import DatabaseSettings

Connection = psycopg.Connection[tuple[Any, ...]]
AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[AsyncConnection]

MIGRATIONS = Path(__file__).parent / "migrations"
MINIMUM_PGVECTOR = (0, 8, 4)
_MIGRATION_LOCK = 0x6B656570  # "keep"


class DatabaseError(KeepsakeError):
    """The database cannot be used as it is. The message says what to do."""


def database_url(settings: DatabaseSettings) -> str:
    """The database in force: `DATABASE_URL`, or the embedded PostgreSQL, started if need be.

    Raises:
        DatabaseError: there is no embedded database yet. Only `keepsake up` and `demo` make one.
    """
    if settings.database_url:
        return settings.database_url
    from keepsake.embedded import postgres

    if not postgres.exists(settings.home):
        raise DatabaseError(
            f"there is no database in {settings.home} yet: run `keepsake up` or `keepsake demo`, "
            "which make one, or set DATABASE_URL or KEEPSAKE_HOME; `keepsake doctor` says why it "
            "is looked for there"
        )
    return postgres.ensure_running(settings.home)


def _parameters(url: str) -> dict[str, Any]:
    try:
        parameters: dict[str, Any] = conninfo_to_dict(url)
        ports = [int(port) for port in str(parameters.get("port") or 5432).split(",") if port]
    except (psycopg.ProgrammingError, ValueError):  # whose text may quote a password
        ports = [0]
    if not all(0 < port < 65536 for port in ports):
        raise SettingsError(
            "DATABASE_URL is no address of a PostgreSQL: write it like "
            "postgresql://user:password@host:5432/database, with %40 for an @ in the password, "
            "%2F for a / and so on"
        )
    # Temporary tables last: where they are not named, they come first, and one that was made in an
    # owner's transaction would hide a table from whoever has the connection next.
    path = "-c search_path=keepsake,public,pg_temp"
    options = f"{parameters.get('options') or ''} {path} -c timezone=UTC"
    parameters["options"] = options.strip()
    parameters.setdefault("connect_timeout", "10")
    return parameters


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """One autocommitting connection; use `connection.transaction()` for more than one statement.

    Raises:
        SettingsError: the URL is none.
        psycopg.OperationalError: the server cannot be reached or refuses us.
    """
    with psycopg.connect(**_parameters(url), autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def open_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """One autocommitting connection that may be idle for long: to listen on, to hold a lock.

    A server that is gone without a word is noticed within a minute.

    Raises:
        psycopg.OperationalError: the server cannot be reached or refuses us.
    """
    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    connection = await psycopg.AsyncConnection.connect(**_parameters(url) | alive, autocommit=True)
    async with connection:
        yield connection


@asynccontextmanager
async def open_pool(url: str, *, size: int = 4, wait: float = 30) -> AsyncIterator[Pool]:
    """A pool of autocommitting connections that take vectors, closed at the end of the block.

    `wait`: seconds that somebody waits for a connection before `PoolTimeout`.
    """
    pool: Pool = AsyncConnectionPool(
        kwargs={**_parameters(url), "autocommit": True},
        min_size=1,
        max_size=size,
        open=False,
        timeout=wait,
        check=_check,
        configure=_take_vectors,
    )
    await pool.open(wait=True, timeout=30)
    try:
        yield pool
    finally:
        await pool.close()


@contextmanager
def open_blocking_pool(
    url: str, *, size: int = 4, wait: float = 30
) -> Iterator["ConnectionPool[Connection]"]:
    """`open_pool` for code that is not asynchronous and runs in threads."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        kwargs={**_parameters(url), "autocommit": True},
        min_size=1,
        max_size=size,
        open=False,
        timeout=wait,
        check=_check_blocking,
    )
    pool.open(wait=True, timeout=30)
    try:
        yield pool
    finally:
        pool.close()


async def _check(connection: AsyncConnection) -> None:
    """Do not hand out a connection that a server left broken when it was restarted."""
    if _has_heard(connection):
        await AsyncConnectionPool.check_connection(connection)


def _check_blocking(connection: Connection) -> None:
    if _has_heard(connection):
        ConnectionPool.check_connection(connection)


def _has_heard(connection: Connection | AsyncConnection) -> bool:
    """Whether something came from the server while nothing was asked: its end, most likely.

    To look at the socket costs a hundredth of a question.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


async def _take_vectors(connection: AsyncConnection) -> None:
    if await TypeInfo.fetch(connection, "vector"):  # not before the first migration
        await register_vector_async(connection)


@asynccontextmanager
async def owner_transaction(pool: Pool, owner_id: int | None) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees and changes the rows of one owner only, and reads what all share.

    None: of no owner. Rows of other owners are not there: to read, change and delete them finds
    none, and to add one raises `psycopg.errors.InsufficientPrivilege`.
    """
    role, owner = _of_role(owner_id)
    # In one message: most requests are a few short statements, and each message takes its time.
    begin = SQL("BEGIN; " + _ACT_AS.replace("%s", "{}")).format(role, owner)
    async with pool.connection() as connection:  # which ends the transaction
        await connection.execute(begin, prepare=False)
        yield connection


@contextmanager
def as_owner(connection: Connection, owner_id: int | None) -> Iterator[Connection]:
    """`owner_transaction` for code that is not asynchronous."""
    with connection.transaction():
        connection.execute(_ACT_AS, _of_role(owner_id))
        yield connection


# Both end with the transaction.
_ACT_AS: LiteralString = (
    "SELECT set_config('role', %s, true), set_config('keepsake.owner_id', %s, true)"
)


def _of_role(owner_id: int | None) -> tuple[str, str]:
    return API_ROLE, "" if owner_id is None else str(owner_id)


async def hold_records(connection: AsyncConnection, record_ids: Sequence[int]) -> None:
    """Keep people from changing these records until our transaction ends.

    Waits for those who do so now: the next statement reads what they have left.
    """
    await connection.execute(
        "SELECT FROM records WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", (list(record_ids),)
    )


@dataclass(frozen=True)
class Migration:
    """One numbered file of SQL."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text: a migration that was applied is never edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations in order. Their numbers must run 1, 2, 3, ..."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text()))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise DatabaseError(f"the migrations are numbered {numbers}: no gaps, no doubles")
    return found


def migrate(url: str, *, to: int | None = None) -> list[Migration]:
    """Bring the schema up to date (or to migration `to`), one transaction a migration.

    Safe to call from several processes at once: a lock lets one through and the others find
    nothing to do. Returns what was applied.

    Raises:
        DatabaseError: pgvector is missing or too old, or an applied migration was edited.
        RoleError: we may not create or use the role that separates owners.
    """
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        try:
            require_pgvector(connection)
            connection.execute("CREATE SCHEMA IF NOT EXISTS keepsake")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT"
                " NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            applied = [m for m in pending(connection, to=to) if _apply(connection, m)]
            if to is None:
                keep_owners_apart(connection)
            return applied
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))


def pending(connection: Connection, *, to: int | None = None) -> list[Migration]:
    """The migrations not applied yet.

    Raises:
        DatabaseError: an applied migration's file has changed, or the schema is newer than us.
    """
    applied: dict[int, str] = {}
    if connection.execute("SELECT to_regclass('keepsake.migrations')").fetchone() != (None,):
        applied.update(connection.execute("SELECT number, checksum FROM migrations").fetchall())
    known = {m.number: m for m in migrations()}
    for number, checksum in applied.items():
        if number not in known:
            raise DatabaseError(
                f"the database is at migration {number}, this Keepsake knows {len(known)}: "
                "install the newer version"
            )
        if known[number].checksum != checksum:
            raise DatabaseError(
                f"migration {number} was edited after it was applied: restore the file and put "
                "the change into a new migration"
            )
    return [m for n, m in known.items() if n not in applied and (to is None or n <= to)]


def _apply(connection: Connection, migration: Migration) -> bool:
    with connection.transaction():
        connection.execute(migration.sql.encode())
        connection.execute(
            "INSERT INTO migrations (number, name, checksum) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.checksum),
        )
    return True


def require_pgvector(connection: Connection) -> str:
    """The version of pgvector that is installed, or would be.

    Raises:
        DatabaseError: it is missing, or too old.
    """
    row = connection.execute(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions"
        " WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise DatabaseError(
            "this PostgreSQL has no pgvector: install the extension, version "
            f"{'.'.join(map(str, MINIMUM_PGVECTOR))} or newer, on the database server"
        )
    version = str(row[0])
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < MINIMUM_PGVECTOR:
        raise DatabaseError(
            f"pgvector {version} can corrupt its indexes: upgrade it to "
            f"{'.'.join(map(str, MINIMUM_PGVECTOR))} or newer"
        )
    return version

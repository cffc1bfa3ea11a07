"""`keepsake up`: PostgreSQL, models, worker, API, Dagster, started together and kept running.

    with started(settings, prepare=migrate) as addresses:
        ...

One `up` per data folder. What it runs is in `up.json` there, so that other processes find the
addresses and the next `up` finds what a killed one left behind.
"""

import asyncio
import compileall
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import grpc  # type: ignore[import-untyped]  # its stubs are a package of their own
import httpx
import psutil
import psycopg

from keepsake.database import connect, open_connection
from keepsake.embedded import postgres
from keepsake.embedded.processes import has_ended, is_alive
from keepsake.errors import KeepsakeError, SettingsError
from keepsake.jobs.living import living_workers
from keepsake.jobs.upkeep import give_back_runs
from keepsake.jobs.worker import GRACE_SECONDS
from keepsake.local import runs
from keepsake.local.dagster_home import (
    create_dagster_schema,
    dagster_environment,
    write_dagster_home,
)
from keepsake.local.parts import Part, Parts, end_sessions
from keepsake.local.ports import free_port, why_not
from keepsake.owners.prices import load_prices
from keepsake.records.first_days import first_days
from keepsake.settings import (
    DAGSTER_PREFIX,
    ROLES,
    DatabaseSettings,
    HomeSettings,
    LogSettings,
    ModelSettings,
    Settings,
)
from keepsake.settings.files import ENV_FILE, env_file

ROOT = Path(__file__).parents[2]
_START_TIMEOUT = 120.0  # seconds for a part to become ready: a slow disk, a cold cache
# Seconds for a run to end by itself, keeping what it has finished.
_CANCEL_TIMEOUT = 20.0
# And for a part. They hold nothing; the code server would wait a minute for a sensor's tick.
_END_TIMEOUT = 5.0
# The worker gives jobs back that have not ended after `GRACE_SECONDS`, and needs a moment for that.
_WORKER_TIMEOUT = GRACE_SECONDS + 5
_DAEMON, _CODE_SERVER, _WORKER = "Dagster daemon", "code server", "worker"
_CHECK_OLDER = 2.0  # seconds between checks for records that are older than all partitions
_STOP_TIMEOUT = 90.0  # seconds for all of it, when another process asks for its end

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Addresses:
    """Where the parts are reached.

    `dagster_url` is the webserver's own, for programs; people go to `dagster_pages`.
    """

    pid: int
    api_url: str
    dagster_url: str
    models_url: str | None
    database_url: str
    logs: Path

    @property
    def dagster_pages(self) -> str:
        """Dagster's pages, behind the API's door."""
        return f"{self.api_url}{DAGSTER_PREFIX}"

    def __str__(self) -> str:
        lines = [f"Pages     {self.api_url}", f"Dagster   {self.dagster_pages}"]
        if self.models_url:
            lines.append(f"Models    {self.models_url}")
        return "\n".join([*lines, f"Logs      {self.logs}"])


class AlreadyRunning(KeepsakeError):
    """Another `keepsake up` has this data folder.

    Attributes:
        addresses: of its parts; None while it is still starting.
    """

    def __init__(self, addresses: Addresses | None) -> None:
        self.addresses = addresses
        super().__init__(
            f"already running (process {addresses.pid}), see {addresses.api_url}"
            if addresses
            else "already starting: wait until it is up"
        )


@contextmanager
def started(
    settings: Settings,
    *,
    prepare: Callable[[str], None],
    dagster_port: int | None = None,
    api_port: int | None = None,
    root: Path = ROOT,
    say: Callable[[str], None] = _log.info,
) -> Iterator[Addresses]:
    """Start everything, keep it running inside the block, and end it all afterwards.

    SIGTERM ends the block like Ctrl-C, by KeyboardInterrupt, when called in the main thread.

    Args:
        settings: in force.
        prepare: called with the URL of the database before anything uses it: the migrations.
        dagster_port: of Dagster's webserver. None: the one of the settings, or any.
        api_port: of the API and the pages. None: the one of the settings.
        root: folder of `definitions.py` and `dagster.yaml`.
        say: called with a line for people when something happens to a part.

    Raises:
        AlreadyRunning: another process has started everything on this data folder.
        SettingsError: KEEPSAKE_HOME cannot be used, DAGSTER_PORT or API_PORT is taken,
            PRICES_FILE cannot be read, or DATABASE_URL cannot be reached.
        PartFailed: a part did not become ready.
    """
    settings = settings.model_copy(
        update={
            "api_port": api_port or settings.api_port,
            # The API is told by its environment.
            "dagster_port": dagster_port or settings.dagster_port or free_port(),
        }
    )
    _make_home(settings, root)
    with ExitStack() as stack:
        stack.enter_context(_only_one(settings))
        stack.enter_context(_terminated_like_interrupted())
        _end_orphans(settings)
        up = _Up(settings, root, say)
        # Whatever fails from here on, everything started until then is ended.
        stack.callback(up.end)
        yield up.start(prepare)


def run_forever(
    settings: Settings,
    *,
    prepare: Callable[[str], None],
    say: Callable[[str], None],
    welcome: Callable[[str], str] = lambda database_url: "",
    root: Path = ROOT,
) -> None:
    """Start everything and stay until Ctrl-C or SIGTERM. Arguments and errors as of `started`.

    `welcome` is called with the URL of the database when all is up; what it returns is said too.
    """
    try:
        with started(settings, prepare=prepare, root=root, say=say) as addresses:
            more = welcome(addresses.database_url)
            say("\n".join(filter(None, ["Keepsake is up. Ctrl-C stops it.", str(addresses), more])))
            threading.Event().wait()
    except KeyboardInterrupt:
        say("Keepsake has stopped.")


def running(settings: DatabaseSettings) -> Addresses | None:
    """Where the parts of a running `up` are; None when there is none or it is still starting."""
    state = _read_state(settings)
    if "dagster_url" not in state or not _is_process(state["pid"], state["created"]):
        return None
    return Addresses(
        pid=state["pid"],
        api_url=state["api_url"],
        dagster_url=state["dagster_url"],
        models_url=state["models_url"],
        database_url=settings.database_url or state["database_url"],
        logs=settings.logs_folder,
    )


def supervisor(settings: HomeSettings) -> psutil.Process | None:
    """The process of the `up` or `demo` that has this data folder, up or starting; None: none."""
    state = _read_state(settings)
    if "pid" in state and _is_process(state["pid"], state["created"]):
        return psutil.Process(state["pid"])
    return None


def end_supervisor(process: psutil.Process) -> None:
    """End everything that it runs, as Ctrl-C does there, and wait for it.

    Raises:
        KeepsakeError: it is another user's, or has not ended after a minute and a half.
    """
    try:
        process.terminate()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise KeepsakeError(
            f"process {process.pid} is another user's, who may end it by Ctrl-C"
        ) from None
    if not has_ended(process, _STOP_TIMEOUT):
        raise KeepsakeError(f"process {process.pid} has not ended after {_STOP_TIMEOUT:.0f} s")


class _Up:
    """One life of the parts."""

    def __init__(self, settings: Settings, root: Path, say: Callable[[str], None]) -> None:
        ports = {"DAGSTER_PORT": settings.dagster_port, "API_PORT": settings.api_port}
        for name, port in ports.items():
            if trouble := why_not(port):
                raise SettingsError(f"{name}: {trouble}")
        load_prices(settings.prices_file)  # else every run would fail
        self._settings, self._root = settings, root
        self._say = _heard_or_not(say)
        self._dagster_url = settings.dagster_url
        self._api_url = f"http://127.0.0.1:{settings.api_port}"
        self._models_port = free_port() if _has_embedded_models(settings) else None
        self._code_port = free_port()
        self._state: dict[str, Any] = {
            "pid": os.getpid(),
            "created": psutil.Process().create_time(),
        }
        self._parts: Parts | None = None
        self._database_url = ""
        self._first_days: Mapping[str, date] = {}  # of the partitions that Dagster knows
        self._next_check = 0.0

    def start(self, prepare: Callable[[str], None]) -> Addresses:
        """Start the parts in the order in which they need each other."""
        settings = self._settings
        self._note()  # so that others see who is starting here
        database_url = settings.database_url or postgres.ensure_running(settings.home)
        create_dagster_schema(database_url)
        prepare(database_url)
        self._database_url = database_url
        workspace = write_dagster_home(self._root, settings, code_port=self._code_port)
        # The code server reads the addresses of the models from here.
        self._note(
            models_url=f"http://127.0.0.1:{self._models_port}/v1" if self._models_port else None,
            # One of the user's may hold a password, and is in the settings anyway.
            database_url=None if settings.database_url else database_url,
        )
        settings.logs_folder.mkdir(exist_ok=True)
        _compile(self._root)
        self._parts = parts = Parts(
            folder=self._root,
            environment=_environment(settings, database_url),
            logs=settings.logs_folder,
            on_change=self._note_parts,
            say=self._say,
        )
        if self._models_port:
            parts.start(_model_server(self._models_port, settings))
        parts.start(_worker(database_url))
        parts.start(_api(self._api_url))
        self._first_days = self._oldest()
        parts.start(_code_server(self._root, self._code_port, settings))
        parts.wait_until_healthy(_START_TIMEOUT)
        parts.start(_webserver(settings, workspace))
        parts.wait_until_healthy(_START_TIMEOUT)
        if not settings.database_url:
            # Nothing else uses this Dagster: runs that are under way there lost their process.
            runs.give_up(self._dagster_url)
        parts.start(_daemon(self._dagster_url, workspace, settings))
        parts.wait_until_healthy(_START_TIMEOUT)
        parts.watch(self._check)
        self._note(dagster_url=self._dagster_url, api_url=self._api_url)
        return Addresses(
            pid=os.getpid(),
            api_url=self._api_url,
            dagster_url=self._dagster_url,
            models_url=self._state["models_url"],
            database_url=database_url,
            logs=settings.logs_folder,
        )

    def end(self) -> None:
        """Cancel the runs under way and end all parts, PostgreSQL last.

        Ctrl-C (or SIGTERM) meanwhile waits for nothing any more, and leaves nothing behind either.
        """
        try:
            with _terminated_like_interrupted():
                self._end()
        except KeyboardInterrupt:
            with _undisturbed():
                self._end_at_once()
        self._settings.state_file.unlink(missing_ok=True)

    def _end(self) -> None:
        if self._parts is not None:
            self._say("Stopping; Ctrl-C again ends everything at once.")
            self._parts.stop_watching()
            self._parts.ask_to_end(_WORKER)  # its jobs end beside the runs
            if "dagster_url" in self._state:
                # First the one that starts runs, then the runs.
                self._parts.end_one(_DAEMON, _END_TIMEOUT)
                self._give_back_runs()
                runs.cancel(self._dagster_url, timeout=_CANCEL_TIMEOUT, say=self._say)
            if self._parts.lives(_WORKER):
                self._say(f"Waiting for jobs to end, {GRACE_SECONDS:.0f} s at most.")
                self._parts.end_one(_WORKER, _WORKER_TIMEOUT)
            self._say("Waiting for Dagster and the models to end.")
            self._parts.end(_END_TIMEOUT)
        if not self._settings.database_url and postgres.running_url(self._settings.home):
            self._say("Waiting for PostgreSQL to end.")
            postgres.stop(self._settings.home)

    def _give_back_runs(self) -> None:
        """Have the jobs of the runs that are about to be cancelled run again when we are back."""

        async def give_back() -> None:
            async with open_connection(self._database_url) as connection:
                await give_back_runs(connection)

        with suppress(psycopg.Error):  # then their end is noticed when we are back
            asyncio.run(give_back())

    def _end_at_once(self) -> None:
        self._say("Ending everything at once.")
        if self._parts is not None:
            self._parts.end(0)
        if not self._settings.database_url:
            postgres.stop(self._settings.home, at_once=True)

    def _revive_postgres(self) -> None:
        if not self._settings.database_url and not postgres.running_url(self._settings.home):
            self._say("PostgreSQL ended; starting it again.")
            postgres.ensure_running(self._settings.home)

    def _check(self) -> None:
        self._revive_postgres()
        if time.monotonic() > self._next_check:
            self._next_check = time.monotonic() + _CHECK_OLDER
            self._reach_back()

    def _oldest(self) -> Mapping[str, date]:
        """The first day of each line; empty while the database does not answer."""
        try:
            with connect(self._database_url) as connection:
                return first_days(connection, self._settings.first_day)
        except psycopg.Error:
            return {}

    def _reach_back(self) -> None:
        """Load the code location again when a record is older than all partitions of its line.

        Not while runs are under way: they are child processes of the code server.
        """
        oldest = self._oldest()
        older = [line for line, day in oldest.items() if day < self._first_days.get(line, day)]
        if not older or self._parts is None or runs.any_under_way(self._dagster_url):
            return
        said = ", ".join(f"{line} from {oldest[line]}" for line in older)
        self._say(f"Older records were added: Dagster gets partitions of {said} on.")
        self._first_days = oldest
        self._parts.restart(_CODE_SERVER, _END_TIMEOUT)

    def _note_parts(self) -> None:
        if self._parts is not None:
            self._note(parts=self._parts.processes, sessions=self._parts.sessions)

    def _note(self, **facts: Any) -> None:
        """Add to the state file, which is whole at any moment."""
        self._state |= facts
        file = self._settings.state_file
        new = file.with_suffix(".new")
        new.write_text(json.dumps(self._state, indent=2))
        new.replace(file)


def _compile(root: Path) -> None:
    """Write the bytecode of the code location: each run is a process that imports all of it."""
    for folder in ("keepsake", "assets", "resources", "sensors", "schedules"):
        compileall.compile_dir(root / folder, quiet=2)


def _model_server(port: int, settings: LogSettings) -> Part:
    command = [sys.executable, "-m", "keepsake.local.models", "--port", str(port)]
    return Part(
        "model server",
        [*command, "--log-format", settings.log_format],
        lambda: _answers(f"http://127.0.0.1:{port}/health"),
    )


def _worker(database_url: str) -> Part:
    before = _workers(database_url)  # on other machines
    command = [sys.executable, "-m", "keepsake.job_types"]
    return Part(_WORKER, command, lambda: bool(_workers(database_url) - before))


def _workers(database_url: str) -> set[int]:
    """The workers that live; none while the database does not answer."""
    try:
        with connect(database_url) as connection:
            return set(living_workers(connection))
    except psycopg.Error:
        return set()


def _api(url: str) -> Part:
    command = [sys.executable, "-m", "keepsake.api"]
    return Part("API", command, lambda: _answers(f"{url}/health/ready"))


def _code_server(root: Path, port: int, settings: LogSettings) -> Part:
    # `api grpc` rather than `code-server start`: one process, which ends when its code does not
    # load and is started again when it dies. The other keeps a second process behind a first.
    command = [
        *_dagster(settings, "dagster", "api", "grpc", "--location-name", "keepsake"),
        *("--module-name", "definitions", "--working-directory", str(root)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    return Part(_CODE_SERVER, command, lambda: _serves_grpc(port))


def _webserver(settings: Settings, workspace: Path) -> Part:
    command = [
        *_dagster(settings, "dagster_webserver", "--workspace", str(workspace)),
        *("--host", "127.0.0.1", "--port", str(settings.dagster_port)),
        *("--path-prefix", DAGSTER_PREFIX),
    ]
    url = f"{settings.dagster_url}/server_info"
    return Part("Dagster webserver", command, lambda: _answers(url))


def _daemon(url: str, workspace: Path, settings: LogSettings) -> Part:
    command = _dagster(settings, "dagster._daemon", "run", "--workspace", str(workspace))
    now = time.time()
    return Part(_DAEMON, command, lambda: runs.sensors_are_evaluated(url, since=now))


def _dagster(settings: LogSettings, module: str, *arguments: str) -> list[str]:
    """The command that runs a module of Dagster's, whose own lines are JSON too if ours are."""
    logged = [sys.executable, "-m", "keepsake.local.logged", settings.log_format]
    own = ["--log-format", "json"] if settings.log_format == "json" else []
    return [*logged, module, *arguments, *own]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def _serves_grpc(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            # The empty message asks for the health of the server as a whole.
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        except grpc.RpcError:
            return False
        return True


def _environment(settings: Settings, database_url: str) -> dict[str, str]:
    """Ours, the settings in force (wherever they came from), and what Dagster needs."""
    chosen = {name.upper(): _as_text(getattr(settings, name)) for name in settings.model_fields_set}
    if os.environ.get(ENV_FILE):  # perhaps relative to our folder, which is not theirs
        chosen[ENV_FILE] = str(env_file())
    return {
        **os.environ,
        **chosen,
        **dagster_environment(settings, database_url),
        "KEEPSAKE_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
    }


def _as_text(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def _has_embedded_models(settings: ModelSettings) -> bool:
    return any(settings.endpoint(role).embedded for role in ROLES)


def _make_home(settings: HomeSettings, root: Path) -> None:
    """Make the data folder. No other part of Keepsake does.

    Raises:
        SettingsError: it cannot be made or written to, or there is nothing to start with it.
    """
    if not (root / "definitions.py").is_file():
        raise SettingsError(
            f"there is no definitions.py in {root}: `keepsake up` and `keepsake demo` start what "
            "is in the repository, so run them from a clone of it (`make dev`, `make demo`)"
        )
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.home) as file:
            file.write(bytes(4096))  # a full disk still makes files, empty ones
    except OSError as error:
        a_file = isinstance(error, FileExistsError)
        what = "is a file" if a_file else f"cannot be written ({error.strerror})"
        raise SettingsError(
            f"KEEPSAKE_HOME: {settings.home} {what}: name a folder that can be written to"
        ) from None


@contextmanager
def _only_one(settings: DatabaseSettings) -> Iterator[None]:
    """Hold the data folder's lock, which the system drops however we end."""
    with (settings.home / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(running(settings)) from None
        yield


def _end_orphans(settings: HomeSettings) -> None:
    """End what an `up` that was killed has left behind. We hold its lock, so it is gone."""
    sessions = _read_state(settings).get("sessions", {})
    end_sessions({int(pid): created for pid, created in sessions.items()}, _END_TIMEOUT)
    settings.state_file.unlink(missing_ok=True)


def _read_state(settings: HomeSettings) -> Mapping[str, Any]:
    try:
        state: Mapping[str, Any] = json.loads(settings.state_file.read_text())
    except (OSError, ValueError):
        return {}
    return state


def _heard_or_not(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say`, but a reader that has gone away does not keep us from ending what we started."""

    def try_to_say(line: str) -> None:
        with suppress(OSError):
            say(line)

    return try_to_say


def _is_process(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return is_alive(process) and abs(process.create_time() - created) < 1
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    # SIGINT too: a shell that starts us in the background has it ignored.
    interrupt = signal.default_int_handler
    with _signals({signal.SIGTERM: interrupt, signal.SIGINT: interrupt}):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an impatient third Ctrl-C not leave processes behind."""
    with _signals({signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN}):
        yield


@contextmanager
def _signals(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals, and only it may say what they do
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

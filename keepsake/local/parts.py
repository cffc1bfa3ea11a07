"""Processes that are kept running: started, waited for, started again when they die, ended.

Nothing here knows what the parts are; `up.py` says that.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from keepsake.embedded.processes import end, session
from keepsake.errors import KeepsakeError

_POLL = 0.1  # seconds between checks of a part that is starting
_WATCH = 0.5  # seconds between checks of parts that run
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a part that died is started again
_STEADY = 60.0  # seconds of life after which the next pause is short again
_TAIL = 80  # lines: a traceback's cause comes before what it led to


class PartFailed(KeepsakeError):
    """A part did not start. The message names it, and ends with the end of its log."""


@dataclass(frozen=True)
class Part:
    """What to run, and how to know that it is ready.

    Attributes:
        name: as shown to people; its log is `<name>.log` with hyphens for blanks.
        command: program and arguments.
        is_healthy: asks the part itself; False also when it cannot be reached.
    """

    name: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]


@dataclass
class _Running:
    part: Part
    process: "subprocess.Popen[bytes]"
    since: float = field(default_factory=time.monotonic)
    pause: float = _FIRST_PAUSE
    start_at: float | None = None  # it died; when to start it again


class Parts:
    """The running parts.

    Each leads a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, and
    what a dead part leaves behind can still be found.
    """

    def __init__(
        self,
        *,
        folder: Path,
        environment: Mapping[str, str],
        logs: Path,
        on_change: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """Run nothing yet.

        Args:
            folder: working directory of every part.
            environment: of every part, complete.
            logs: folder of the log files.
            on_change: called when a process was started, before anything waits for it.
            say: called with a line for people when a part died.
        """
        self._folder, self._environment, self._logs = folder, environment, logs
        self._on_change, self._say = on_change, say
        self._running: list[_Running] = []
        self._sessions: dict[int, float] = {}
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def sessions(self) -> dict[int, float]:
        """Process id and creation time of every leader so far, also of those that died."""
        return dict(self._sessions)

    @property
    def processes(self) -> dict[str, int]:
        """Name and process id of every part."""
        return {running.part.name: running.process.pid for running in self._running}

    def start(self, part: Part) -> None:
        """Start a part, with an empty log. Does not wait for it."""
        self._log(part).write_bytes(b"")
        self._running.append(_Running(part, self._spawn(part)))
        self._on_change()

    def wait_until_healthy(self, timeout: float) -> None:
        """Wait until every part that was started is ready.

        Args:
            timeout: seconds for all of them.

        Raises:
            PartFailed: one ended or was not ready in time.
        """
        deadline = time.monotonic() + timeout
        for running in self._running:
            while not running.part.is_healthy():
                if running.process.poll() is not None:
                    raise self._failed(running.part, "ended as it started")
                if time.monotonic() > deadline:
                    raise self._failed(running.part, f"was not ready after {timeout:.0f} s")
                time.sleep(_POLL)

    def watch(self, also: Callable[[], None]) -> None:
        """From now on start again what dies, from a thread of its own.

        Args:
            also: called at every check.
        """
        self._watcher = threading.Thread(target=self._watch, args=[also], name="keepsake-up")
        self._watcher.start()

    def stop_watching(self) -> None:
        """Let the dead lie from now on."""
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join()

    def restart(self, name: str, timeout: float) -> None:
        """End the part of this name, and start it again. Call it from `also` of `watch` only."""
        self.end_one(name, timeout)
        for running in self._running:
            if running.part.name == name:
                self._start_again(running)

    def lives(self, name: str) -> bool:
        """Whether the part of this name runs."""
        return any(
            running.part.name == name and running.process.poll() is None
            for running in self._running
        )

    def ask_to_end(self, name: str) -> None:
        """Ask the part of this name to end, without waiting for it."""
        for running in self._running:
            if running.part.name == name and running.process.poll() is None:
                running.process.terminate()

    def end_one(self, name: str, timeout: float) -> None:
        """End the part of this name, and what it started."""
        leaders = [running.process.pid for running in self._running if running.part.name == name]
        self._end(leaders, timeout)

    def end(self, timeout: float) -> None:
        """End all parts at once, and whatever they or those that died have started."""
        self.stop_watching()
        self._end(self._sessions, timeout)

    def _end(self, leaders: Collection[int], timeout: float) -> None:
        chosen = [running for running in self._running if running.process.pid in leaders]
        # The leaders first: they may want to end by themselves what they have started.
        alive = [running.process.pid for running in chosen if running.process.poll() is None]
        end(map(psutil.Process, alive), timeout)
        for running in chosen:
            running.process.wait()
        end_sessions({leader: self._sessions[leader] for leader in leaders}, timeout)

    def _watch(self, also: Callable[[], None]) -> None:
        while not self._ending.wait(_WATCH):
            try:
                also()
                for running in self._running:
                    if running.process.poll() is not None:
                        self._revive(running)
            except Exception as error:  # whatever it is (a full disk), the next check may succeed
                self._say(f"A part could not be checked ({error}); trying again.")

    def _revive(self, running: _Running) -> None:
        now = time.monotonic()
        if running.start_at is None:
            if now - running.since > _STEADY:
                running.pause = _FIRST_PAUSE
            running.start_at = now + running.pause
            name, status = running.part.name, running.process.returncode
            self._say(f"The {name} ended (status {status}); starting it again.")
        elif now >= running.start_at:
            self._start_again(running)
            running.pause = min(2 * running.pause, _LONGEST_PAUSE)

    def _start_again(self, running: _Running) -> None:
        running.process = self._spawn(running.part)
        running.since, running.start_at = time.monotonic(), None
        self._on_change()

    def _spawn(self, part: Part) -> "subprocess.Popen[bytes]":
        with self._log(part).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own commands
                part.command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions[process.pid] = psutil.Process(process.pid).create_time()
        return process

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name.replace(' ', '-')}.log"

    def _failed(self, part: Part, what: str) -> PartFailed:
        log = self._log(part)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
        return PartFailed(f"the {part.name} {what}; the end of {log}:\n{tail}")


def end_sessions(leaders: Mapping[int, float], timeout: float) -> None:
    """End what is left of the sessions of these leaders (process id, creation time)."""
    end(
        [
            process
            for leader, created in leaders.items()
            if not _is_another(leader, created)
            for process in session(leader)
        ],
        timeout,
    )


def _is_another(pid: int, created: float) -> bool:
    """Whether the process id now belongs to a process that was created at another time."""
    try:
        return abs(psutil.Process(pid).create_time() - created) > 1
    except psutil.NoSuchProcess:
        return False

"""What is logged of a job, kept beside its row for any machine to read.

    with JobLog(url):
        with about(job=17, attempt=1):
            log.info("%d of %d", done, total)

Any process may do so. Kept are lines of Keepsake's own loggers: those of others may quote content.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import psycopg

from keepsake.database import Connection, connect
from keepsake.logs import ids, message, where
from keepsake.text.names import printable

log = logging.getLogger(__name__)

LOGGER = "keepsake"
KEPT = 1_000  # lines of a job, the newest
LONGEST = 4_000  # characters of a line
_WAITING = 10_000  # lines that wait to be stored; more push out the oldest
_GATHER_SECONDS = 0.2
_PAUSE_SECONDS = 1.0  # before a database that is away is tried again
_END_SECONDS = 2.0  # for what waits at the end


@dataclass(frozen=True)
class Line:
    """A line to store. No attempt: the one that its job is at."""

    job_id: int
    attempt: int | None
    at: datetime
    level: str
    message: str


class JobLog(logging.Handler):
    """Stores lines that are about a job, in batches, from a thread of its own.

    Nothing that logs waits for it or fails by it: while the database is away lines wait, and where
    too many do, the oldest are left out.
    """

    def __init__(self, url: str) -> None:
        super().__init__(logging.INFO)
        self._url = url
        self._logger = logging.getLogger(LOGGER)
        self._lines: deque[Line] = deque(maxlen=_WAITING)
        self._something = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-log", daemon=True)

    def __enter__(self) -> Self:
        """Store what Keepsake's loggers are given from here on."""
        self._level_before = self._logger.level
        if self._logger.getEffectiveLevel() > logging.INFO:
            self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store what waits, unless the database is away."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level_before)
        self._ending.set()
        self._something.set()
        self._thread.join(_END_SECONDS)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        about = ids()
        if "job" not in about:
            return
        try:
            said = message(record)
        except Exception:  # a message that does not fit its values
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[1]:
            said = f"{said}\n{where(record.exc_info[1])}"
        at = datetime.fromtimestamp(record.created, UTC)
        line = Line(about["job"], about.get("attempt"), at, record.levelname, _storable(said))
        self._lines.append(line)
        self._something.set()

    def _run(self) -> None:
        while True:
            try:
                with connect(self._url) as connection:
                    return self._store_all(connection)
            except psycopg.Error as error:
                log.warning("lines of jobs are not stored for now (%s)", type(error).__name__)
                if self._ending.wait(_PAUSE_SECONDS):
                    return None

    def _store_all(self, connection: Connection) -> None:
        """Store what comes, until the end."""
        ending = False
        while not ending:
            self._something.wait()
            self._ending.wait(_GATHER_SECONDS)
            ending = self._ending.is_set()
            self._something.clear()
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            try:
                left = _store(connection, batch)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._put_back(batch)
                raise
            self._put_back(left)

    def _put_back(self, lines: Sequence[Line]) -> None:
        if lines:
            self._lines.extendleft(reversed(lines))
            self._something.set()


def _storable(message: str) -> str:
    """The message without what PostgreSQL or a terminal does not take, and not too long."""
    lines = message[:LONGEST].splitlines()
    return "\n".join(printable(line, instead=" ") for line in lines)


def _store(connection: Connection, lines: Sequence[Line]) -> list[Line]:
    """Store lines; returns those whose jobs others hold, which are not waited for.

    Lines of jobs that are no longer there are dropped.
    """
    if not lines:
        return []
    jobs = sorted({line.job_id for line in lines})
    with connection.transaction():
        held = connection.execute(
            _STORE,
            {
                "jobs": jobs,
                "job_ids": [line.job_id for line in lines],
                "attempts": [line.attempt for line in lines],
                "times": [line.at for line in lines],
                "levels": [line.level for line in lines],
                "messages": [line.message for line in lines],
            },
        ).fetchall()
        connection.execute(_TRIM, {"jobs": jobs, "kept": KEPT})
    busy = {job_id for (job_id,) in held}
    return [line for line in lines if line.job_id in busy]


# Whoever holds a job for a change may do so for long: the lines of all others would wait too.
_STORE = """
    WITH free AS MATERIALIZED (
        SELECT id, owner_id, attempt FROM jobs WHERE id = ANY(%(jobs)s)
        ORDER BY id FOR KEY SHARE SKIP LOCKED),
    stored AS (
        INSERT INTO job_log (job_id, owner_id, attempt, at, level, message)
        SELECT id, owner_id, coalesce(line.attempt, free.attempt), at, level, message
        FROM unnest(%(job_ids)s::bigint[], %(attempts)s::integer[], %(times)s::timestamptz[],
                    %(levels)s::text[], %(messages)s::text[]) WITH ORDINALITY
            AS line (job_id, attempt, at, level, message, place)
        JOIN free ON free.id = line.job_id
        ORDER BY place)
    SELECT id FROM jobs WHERE id = ANY(%(jobs)s) AND id NOT IN (SELECT id FROM free)
"""
_TRIM = """
    DELETE FROM job_log USING unnest(%(jobs)s::bigint[]) AS of (id)
    WHERE job_id = of.id AND job_log.id <= (
        SELECT newest.id FROM job_log newest WHERE newest.job_id = of.id
        ORDER BY newest.id DESC OFFSET %(kept)s LIMIT 1)
"""

"""Whether somebody runs the jobs: which workers live, and what waits for one in vain."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.jobs.registry import Executor, Registry
from keepsake.jobs.rows import WORKER_LOCKS, WORKER_NAMES
from keepsake.text.counted import counted
from keepsake.text.moments import when

SOON = timedelta(minutes=5)  # for Dagster to start what is due


@dataclass(frozen=True)
class Waiting:
    """Jobs that are due.

    Attributes:
        executor: that would run them.
        type: of the jobs.
        jobs: how many.
        since: since when the first one waits.
        for_long: whether that is longer than `SOON`.
    """

    executor: Executor
    type: str
    jobs: int
    since: datetime
    for_long: bool


@dataclass(frozen=True)
class Unserved:
    """Jobs that nobody will run, and what to do about it."""

    what: str
    remedy: str


def living_workers(connection: Connection) -> list[int]:
    """The ids of the workers that live, on any machine. Runs of Dagster are not among them."""
    rows = connection.execute(
        """
        SELECT (classid::bigint << 32) + objid::bigint - %(locks)s FROM pg_locks
        JOIN pg_stat_activity USING (pid) JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
          AND pg_database.datname = current_database()
          AND (classid::bigint << 32) + objid::bigint > %(locks)s
          AND starts_with(application_name, %(name)s)
        ORDER BY 1
        """,
        {"locks": WORKER_LOCKS, "name": WORKER_NAMES["internal"]},
    ).fetchall()
    return [worker_id for (worker_id,) in rows]


def waiting(connection: Connection) -> list[Waiting]:
    """The jobs that are due, by executor and type. With a worker some wait too: for a place."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT executor, type, count(*) AS jobs, min(due_at) AS since,"
            " min(due_at) < now() - %s AS for_long"
            " FROM jobs WHERE status = 'pending' AND due_at <= now()"
            " AND (attempt > 0 OR expires_at IS NULL OR expires_at > now())"
            " GROUP BY executor, type ORDER BY executor, type",
            (SOON,),
        ).fetchall()


def unserved(connection: Connection, registry: Registry) -> list[Unserved]:
    """What waits in vain: without a worker, for Dagster, or of a type that is not known."""
    found = waiting(connection)
    known = {each.name for each in registry.all()}
    strange = [each for each in found if each.type not in known]
    internal = [each for each in found if each.executor == "internal" and each not in strange]
    dagster = [each for each in found if each.executor == "dagster" and each not in strange]
    problems = []
    if internal and not living_workers(connection):
        problems.append(
            Unserved(
                f"no worker lives, and {_said(internal)}",
                "start one: `keepsake up`, or `keepsake jobs work` beside it",
            )
        )
    if any(each.for_long for each in dagster):
        problems.append(
            Unserved(
                f"Dagster does not start what it is to run: {_said(dagster)}",
                "see in Dagster whether its daemon runs, and what its queue waits for",
            )
        )
    if strange:
        types = ", ".join(each.type for each in strange)
        problems.append(
            Unserved(
                f"{_said(strange)} of a type that this Keepsake does not know ({types})",
                "run the version that submitted them, or cancel them: `keepsake jobs cancel`",
            )
        )
    return problems


def _said(found: list[Waiting]) -> str:
    jobs, since = sum(each.jobs for each in found), min(each.since for each in found)
    verb = "is" if jobs == 1 else "are"
    return f"{counted(jobs, 'job')} {verb} due since {when(since)}"

"""Whether somebody runs the jobs: which workers live, and what waits."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.jobs.registry import Executor
from keepsake.jobs.rows import WORKER_LOCKS, WORKER_NAMES


@dataclass(frozen=True)
class Waiting:
    """Jobs that are due.

    Attributes:
        executor: that would run them.
        jobs: how many.
        since: since when the first one waits.
    """

    executor: Executor
    jobs: int
    since: datetime


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
    """The jobs that are due, by executor. With a worker some wait too: for a place, for a turn."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT executor, count(*) AS jobs, min(due_at) AS since FROM jobs"
            " WHERE status = 'pending' AND due_at <= now()"
            " AND (attempt > 0 OR expires_at IS NULL OR expires_at > now())"
            " GROUP BY executor ORDER BY executor"
        ).fetchall()

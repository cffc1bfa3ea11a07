"""An owner's running as lists: activities, weeks with their digests, months with their trends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.owners.owners import Owner
from keepsake.running.activity import LINE
from keepsake.running.digest import Digest
from keepsake.running.history import letters_of, monday
from keepsake.running.months import Month

WEEKS = 16  # of the chart above a list of activities


@dataclass(frozen=True)
class ListedActivity:
    """An activity in a list: metres, seconds, beats a minute; what is not known is None.

    Attributes:
        began: as its owner's clock showed it; of one without facts, when its file says.
        letter: its first letters.
    """

    record_id: int
    title: str | None
    file_name: str
    began: datetime
    sport: str | None
    distance: float | None
    moving: float | None
    ascent: float | None
    heart_rate: float | None
    letter: str | None
    status: str

    @property
    def pace(self) -> float | None:
        """Moving seconds a kilometre."""
        if not self.moving or not self.distance or self.distance < 10:
            return None
        return self.moving / self.distance * 1000


def list_activities(
    connection: Connection, owner: Owner, *, before: int | None = None, limit: int = 30
) -> list[ListedActivity]:
    """Activities of an owner, the newest first.

    Args:
        connection: to the database.
        owner: whose.
        before: only those after this one in the list: the last of a page gives the next page.
        limit: the most activities.
    """
    with connection.cursor(row_factory=class_row(ListedActivity)) as cursor:
        return cursor.execute(
            """
            WITH page AS MATERIALIZED (
                SELECT r.id, r.recorded_at FROM records r
                WHERE r.owner_id = %(owner)s AND r.line = %(line)s
                  AND (%(before)s::bigint IS NULL OR (r.recorded_at, r.id) < (
                      SELECT recorded_at, id FROM records
                      WHERE id = %(before)s AND owner_id = %(owner)s))
                ORDER BY r.recorded_at DESC, r.id DESC LIMIT %(limit)s
            )
            SELECT page.id AS record_id, f.title, f.file_name,
                   coalesce(a.started_at, page.recorded_at) AT TIME ZONE %(zone)s AS began,
                   nullif(coalesce(a.sport, f.sport), 'unknown') AS sport, a.distance, a.moving,
                   a.ascent, a.heart_rate, left(l.letter, 300) AS letter,
                   coalesce(s.status, 'PENDING') AS status
            FROM page
            JOIN activity_files f ON f.record_id = page.id
            LEFT JOIN activities a ON a.record_id = page.id
            LEFT JOIN letters l ON l.record_id = page.id
            LEFT JOIN LATERAL (SELECT status FROM record_status WHERE record_id = page.id
                               OFFSET 0) AS s ON true
            ORDER BY page.recorded_at DESC, page.id DESC
            """,
            {"owner": owner.id, "line": LINE, "zone": owner.time_zone, "before": before,
             "limit": limit},
        ).fetchall()  # fmt: skip


@dataclass(frozen=True)
class WeekOfRuns:
    """A week of running: its Monday, metres, and how many runs."""

    week: date
    distance: float
    runs: int


def newest_weeks(connection: Connection, owner: Owner) -> list[WeekOfRuns]:
    """The last `WEEKS` weeks up to the newest run, the oldest first; none without a run."""
    rows: list[tuple[date, float, int]] = connection.execute(
        """
        WITH runs AS (
            SELECT date_trunc('week', started_at AT TIME ZONE %(zone)s)::date AS week, distance
            FROM activities WHERE owner_id = %(owner)s AND sport = 'running'
        )
        SELECT week, sum(distance), count(*) FROM runs
        WHERE week > (SELECT max(week) FROM runs) - %(days)s GROUP BY week
        """,
        {"owner": owner.id, "zone": owner.time_zone, "days": 7 * WEEKS},
    ).fetchall()
    if not rows:
        return []
    ran = {week: WeekOfRuns(week, distance, runs) for week, distance, runs in rows}
    first, last = min(ran), max(ran)
    weeks = [first + timedelta(days=days) for days in range(0, (last - first).days + 1, 7)]
    return [ran.get(week, WeekOfRuns(week, 0.0, 0)) for week in weeks]


@dataclass(frozen=True)
class ListedWeek:
    """A week that has a digest: its Monday, and its sums."""

    week: date
    made_at: datetime
    runs: int
    distance: float
    moving: float


def list_digests(
    connection: Connection, owner_id: int, *, before: date | None = None, limit: int = 53
) -> list[ListedWeek]:
    """The weeks of an owner that have a digest, the newest first; `before` goes on from one."""
    with connection.cursor(row_factory=class_row(ListedWeek)) as cursor:
        return cursor.execute(
            "SELECT week, made_at, (facts->'total'->>'runs')::int AS runs,"
            " (facts->'total'->>'distance')::float8 AS distance,"
            " (facts->'total'->>'moving')::float8 AS moving"
            " FROM weekly_digests WHERE owner_id = %s AND (%s::date IS NULL OR week < %s)"
            " ORDER BY week DESC LIMIT %s",
            (owner_id, before, before, limit),
        ).fetchall()


def read_digest(
    connection: Connection, owner_id: int, day: date
) -> tuple[Digest, Mapping[int, str]] | None:
    """The digest of the week of a day with the letters of its runs; None: there is none."""
    row: tuple[Any] | None = connection.execute(
        "SELECT facts FROM weekly_digests WHERE owner_id = %s AND week = %s",
        (owner_id, monday(day)),
    ).fetchone()
    if row is None:
        return None
    digest = Digest.model_validate(row[0])
    return digest, letters_of(connection, owner_id, [run.record_id for run in digest.runs])


def list_months(connection: Connection, owner_id: int, *, limit: int = 36) -> list[Month]:
    """The months of an owner that have trends, the newest first."""
    rows = connection.execute(
        "SELECT facts FROM trends WHERE owner_id = %s ORDER BY month DESC LIMIT %s",
        (owner_id, limit),
    )
    return [Month.model_validate(facts) for (facts,) in rows]

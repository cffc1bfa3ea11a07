"""An owner's runs as a table, in the days, weeks and months of the owner's own time zone.

What digests and trends read from the database is here, and nothing they make of it. A run
belongs to the day that the runner's own calendar showed when it began: PostgreSQL turns the moment
into local time, so that a week with a change of clocks is a week like any other. Weeks begin on
Monday. Other sports than running are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from keepsake.database import Connection
from keepsake.owners.owners import Owner

if TYPE_CHECKING:
    import pandas as pd

ZONES = ("zone1", "zone2", "zone3", "zone4", "zone5")
COLUMNS = (
    "record_id",
    "title",
    "started",
    "distance",
    "moving",
    "ascent",
    "heart_rate",
    "drift",
    "zone_maximum",
    "zone_activities",
    *ZONES,
)


@dataclass(frozen=True)
class Effort:
    """The fastest that a distance was run within some days: metres, seconds, when, in which run.

    `measured` is the metres of the run where it is a little short of the distance it counts as.
    """

    metres: float
    seconds: float
    day: date
    record_id: int
    measured: float


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def month_after(month: date) -> date:
    """The first day of the next month."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def read_runs(connection: Connection, owner: Owner) -> "pd.DataFrame":
    """All runs of an owner, the oldest first.

    Columns: those of `COLUMNS` and `day`, `week` and `month`, the first days of each. `started` is
    what the owner's clock showed. Metres, seconds, beats a minute; what is unknown is NaN, and so
    are zones of an unknown whole.
    """
    import pandas as pd  # half a second, which only those who count should wait for

    rows = connection.execute(
        """
        SELECT a.record_id, coalesce(f.title, ''),
               a.started_at AT TIME ZONE %(zone)s, a.distance, a.moving, a.ascent,
               a.heart_rate, a.drift, a.zone_maximum, a.zone_activities,
               (a.zones->>0)::real, (a.zones->>1)::real, (a.zones->>2)::real,
               (a.zones->>3)::real, (a.zones->>4)::real
        FROM activities a LEFT JOIN activity_files f USING (record_id)
        WHERE a.owner_id = %(owner)s AND a.sport = 'running'
        ORDER BY a.started_at, a.record_id
        """,
        {"owner": owner.id, "zone": owner.time_zone},
    ).fetchall()
    runs = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    numbers = [name for name in COLUMNS if name not in ("record_id", "title", "started")]
    runs[numbers] = runs[numbers].astype(float)
    runs.loc[runs["zone_maximum"].isna(), list(ZONES)] = float("nan")
    runs["started"] = pd.to_datetime(runs["started"])
    runs["day"] = runs["started"].dt.normalize()
    runs["week"] = runs["day"] - pd.to_timedelta(runs["day"].dt.weekday, unit="D")
    runs["month"] = runs["day"] - pd.to_timedelta(runs["day"].dt.day - 1, unit="D")
    return runs


def best_efforts(connection: Connection, owner: Owner, start: date, end: date) -> list[Effort]:
    """The fastest seconds over each distance in the runs of the days [start, end)."""
    with connection.cursor(row_factory=class_row(Effort)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT ON (metres) e.key::float8 AS metres, e.value::float8 AS seconds,
                   least(e.key::float8, a.distance) AS measured,
                   (a.started_at AT TIME ZONE %(zone)s)::date AS day, a.record_id
            FROM activities a CROSS JOIN LATERAL jsonb_each_text(a.best_efforts) e
            WHERE a.owner_id = %(owner)s AND a.sport = 'running'
              AND a.started_at >= %(start)s::timestamp AT TIME ZONE %(zone)s
              AND a.started_at < %(end)s::timestamp AT TIME ZONE %(zone)s
            ORDER BY metres, seconds, a.started_at
            """,
            {"owner": owner.id, "zone": owner.time_zone, "start": start, "end": end},
        ).fetchall()


def letters_of(connection: Connection, owner_id: int, record_ids: Sequence[int]) -> dict[int, str]:
    """The letters written about these runs of an owner, by record."""
    rows = connection.execute(
        "SELECT record_id, letter FROM letters WHERE owner_id = %s AND record_id = ANY(%s)",
        (owner_id, list(record_ids)),
    ).fetchall()
    return dict(rows)


def runners_between(connection: Connection, start: date, end: date) -> list[Owner]:
    """Owners who ran on one of the days [start, end) of their own calendar."""
    with connection.cursor(row_factory=class_row(Owner)) as cursor:
        return cursor.execute(
            """
            SELECT o.id, o.slug, o.name, o.time_zone, o.tier FROM owners o
            WHERE EXISTS (SELECT FROM activities a
                          WHERE a.owner_id = o.id AND a.sport = 'running'
                            AND a.started_at >= %(start)s::timestamp AT TIME ZONE o.time_zone
                            AND a.started_at < %(end)s::timestamp AT TIME ZONE o.time_zone)
            ORDER BY o.id
            """,
            {"start": start, "end": end},
        ).fetchall()


def outdated_weeks(connection: Connection, *, limit: int) -> list[date]:
    """Mondays of weeks with a run that no digest covers yet, or not as it is now; newest first.

    A run is described again if its facts or its letter were written after the digest, and a week
    that was described before it was over is described once more.
    """
    return _outdated(connection, "week", ["activities", "letters"], limit)


def outdated_months(connection: Connection, *, limit: int) -> list[date]:
    """First days of months with a run that is not in the month's trends as it is now."""
    return _outdated(connection, "month", ["activities"], limit)


_OUTDATED = {
    unit: f"""
        SELECT DISTINCT t.first_day
        FROM activities a JOIN owners o ON o.id = a.owner_id
        CROSS JOIN LATERAL (
            SELECT date_trunc('{unit}', a.started_at AT TIME ZONE o.time_zone)::date AS first_day) t
        LEFT JOIN {table} made ON made.owner_id = a.owner_id AND made.{unit} = t.first_day
        WHERE a.sport = 'running'
          AND (made.made_at IS NULL OR EXISTS (
              SELECT FROM ledger l WHERE l.record_id = a.record_id AND l.step = ANY(%(steps)s)
                -- A result is dated by the start of the transaction that brought it.
                AND l.finished_at > made.made_at - interval '1 minute')
            -- It was made before its week was over, which it is now.
            OR made.facts->>'so_far' IS NOT NULL
              AND (t.first_day + interval '1 {unit}') AT TIME ZONE o.time_zone <= now())
        ORDER BY first_day DESC LIMIT %(limit)s
    """  # noqa: S608  # put together from the two pairs below
    for unit, table in (("week", "weekly_digests"), ("month", "trends"))
}


def _outdated(connection: Connection, unit: str, steps: Sequence[str], limit: int) -> list[date]:
    query = _OUTDATED[unit].encode()
    rows = connection.execute(query, {"steps": list(steps), "limit": limit}).fetchall()
    return [row[0] for row in rows]


def clock(connection: Connection) -> datetime:
    """The database's own time, to date what is read from now on."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101  # one row, always
    moment: datetime = row[0]
    return moment

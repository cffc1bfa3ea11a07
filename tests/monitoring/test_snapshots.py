"""Once a minute the totals are kept as they are, and with age fewer of them."""

from datetime import UTC, datetime, timedelta

from keepsake.database import Connection
from keepsake.monitoring.snapshots import keep_snapshots
from tests.given import on_connection
from tests.monitoring.given import given_totals, records_ended


def moments(db: Connection) -> list[datetime]:
    return [row[0] for row in db.execute("SELECT at FROM metric_snapshots ORDER BY at").fetchall()]


def test_a_snapshot_has_the_sum_of_each_series(db: Connection) -> None:
    given_totals(db, records_ended("failed", 2))
    given_totals(db, records_ended("failed", 3))
    on_connection(db, keep_snapshots)
    kept = db.execute("SELECT totals -> 'keepsake_records_total' FROM metric_snapshots").fetchone()
    assert kept == ({"x\x1ffailed\x1fother": 5},)


def test_a_minute_has_one_snapshot(db: Connection) -> None:
    db.execute("INSERT INTO metric_snapshots VALUES (now(), '{}')")
    on_connection(db, keep_snapshots)
    assert len(moments(db)) == 1


def test_without_totals_a_snapshot_is_empty(db: Connection) -> None:
    on_connection(db, keep_snapshots)
    assert db.execute("SELECT totals FROM metric_snapshots").fetchall() == [({},)]


def test_of_old_snapshots_the_first_of_each_hour_stays_and_later_of_each_day(
    db: Connection,
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lately, hours, days = today - timedelta(1), today - timedelta(10), today - timedelta(90)
    for day in (lately, hours, days):
        for minutes in (0, 1, 61, 62):
            db.execute(
                "INSERT INTO metric_snapshots VALUES (%s, '{}')",
                (day + timedelta(minutes=minutes),),
            )
    on_connection(db, keep_snapshots)
    kept = moments(db)[:-1]
    minute = timedelta(minutes=1)
    assert kept == [
        days,
        hours,
        hours + 61 * minute,
        *(lately + number * minute for number in (0, 1, 61, 62)),
    ]

"""Figures of an owner and of the whole system come to the same, whichever way they are kept."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from keepsake.database import Connection
from keepsake.metrics.counts import Counts
from keepsake.monitoring import insights
from keepsake.monitoring.insights import period_starts
from keepsake.owners.owners import add_owner
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from tests.given import given_record, on_connection
from tests.monitoring.given import (
    given_counting_since,
    given_owner_counts,
    given_snapshot,
    given_totals,
    records_ended,
)

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def five_minutes() -> datetime:
    now = datetime.now(UTC)
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)


def mixed() -> Counts:
    counts = records_ended("completed", 6, seconds=4)
    counts.merge(records_ended("partial_success", 2, seconds=8))
    counts.merge(records_ended("failed", 2, seconds=10))
    return counts


@pytest.fixture(params=["owner", "system"])
def scope(request: pytest.FixtureRequest, db: Connection, ada: int) -> int | None:
    """Ada, or all owners. Of each ten records ended in these five minutes."""
    given_counting_since(db, LONG_AGO)
    if request.param == "owner":
        given_owner_counts(db, ada, five_minutes(), mixed())
        return ada
    earlier = records_ended("completed", 100)
    given_snapshot(db, LONG_AGO, earlier.values)
    given_snapshot(db, five_minutes() - timedelta(seconds=1), earlier.values)
    given_totals(db, earlier)
    given_totals(db, mixed())
    return None


def test_a_period_says_what_became_of_records(db: Connection, scope: int | None) -> None:
    found = on_connection(db, insights.performance, owner_id=scope, hours=1)
    assert sum(point.completed for point in found.points) == 8
    assert sum(point.failed for point in found.points) == 2
    (latency,) = found.latencies
    assert (latency.line, latency.count) == ("x", 10)
    assert latency.average == pytest.approx(6.0)
    assert latency.p50 == pytest.approx(1 + 4 * 5 / 6)


def test_a_dashboard_has_rates_and_averages_from_counts(db: Connection, scope: int | None) -> None:
    month = on_connection(db, insights.dashboard, owner_id=scope).month
    assert (month.completed, month.partial_success, month.failed) == (6, 2, 2)
    assert (month.total, month.success_rate) == (10, 60.0)
    assert month.average_seconds == pytest.approx(6.0)


def test_over_nothing_there_is_no_rate_and_no_average(db: Connection, ada: int) -> None:
    for owner_id in (ada, None):
        today = on_connection(db, insights.dashboard, owner_id=owner_id).today
        assert (today.total, today.success_rate, today.average_seconds) == (0, None, None)


def test_a_period_says_that_counting_began_later(db: Connection, ada: int) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    given_counting_since(db, began)
    for owner_id in (ada, None):
        assert on_connection(db, insights.dashboard, owner_id=owner_id).month.since == began


def test_what_was_counted_before_the_first_snapshot_counts_from_the_beginning(
    db: Connection,
) -> None:
    given_counting_since(db, datetime.now(UTC) - timedelta(seconds=5))
    given_totals(db, records_ended("completed", 3))
    assert on_connection(db, insights.dashboard, owner_id=None).today.total == 3


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_days_weeks_and_months_begin_at_midnight_there(zone: str) -> None:
    there = ZoneInfo(zone)
    # A Sunday in March, the day on which summer time begins in New York.
    now = datetime(2026, 3, 8, 12, tzinfo=there)
    day, week, month = period_starts(now.astimezone(UTC), there)
    assert day == datetime(2026, 3, 8, tzinfo=there)
    assert week == datetime(2026, 3, 2, tzinfo=there)
    assert month == datetime(2026, 3, 1, tzinfo=there)


def test_missing_snapshots_make_a_point_longer_and_its_rate_is_still_right(db: Connection) -> None:
    hour = this_hour()
    given_counting_since(db, LONG_AGO)
    given_snapshot(db, hour - 5 * HOUR, {})
    given_snapshot(db, hour - 2 * HOUR, records_ended("completed", 180).values)
    given_totals(db, records_ended("completed", 180))
    found = on_connection(db, insights.performance, owner_id=None, hours=24)
    first, *_ = (point for point in found.points if point.completed)
    assert (first.at, first.completed) == (hour - 5 * HOUR, 180)
    assert first.per_minute == pytest.approx(1.0)


def test_steps_are_counted_without_those_that_wait(db: Connection, ada: int) -> None:
    counts = Counts()
    for status, number in (("succeeded", 3), ("failed", 1), ("waiting", 7)):
        counts.count("keepsake_steps_total", number, line="x", step="read", status=status)
    given_owner_counts(db, ada, five_minutes(), counts)
    (step,) = on_connection(db, insights.performance, owner_id=ada).steps
    assert (step.line, step.step, step.count, step.failed) == ("x", "read", 4, 1)


def fail(db: Connection, record_id: int, step: str, error_type: str, at: datetime) -> None:
    db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, error_type = %s, error_message = 'no',"
        " finished_at = %s WHERE record_id = %s AND step = %s",
        (error_type, at, record_id, step),
    )


@pytest.fixture
def failed(db: Connection, ada: int) -> list[int]:
    """Two records of Ada's that failed with one type of error, and one of Ben's with another."""
    ben = add_owner(db, "Ben").id
    ids = []
    for number, (owner_id, error) in enumerate(
        [(ada, "RetryableError"), (ada, "RetryableError"), (ben, "PermanentError")]
    ):
        record = given_record(db, line="bookmarks", owner_id=owner_id, external_id=str(number))
        fail(db, record.record_id, "pages", error, this_hour() + timedelta(seconds=number))
        ids.append(record.record_id)
    db.execute(
        "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at,"
        " seconds, outcome, error_type, retryable)"
        " VALUES (%s, %s, 'pages', 1, 'run', now(), 1, 'failed', 'RetryableError', true)",
        (ids[1], ada),
    )
    return ids


def test_what_failed_is_listed_the_latest_first_and_in_groups(
    db: Connection, ada: int, failed: list[int]
) -> None:
    found = on_connection(db, insights.errors, owner_id=ada)
    assert [each.record_id for each in found.failed] == [failed[1], failed[0]]
    assert found.failed[0].owner is None
    (group,) = found.groups
    assert (group.step, group.error_type, group.records) == ("pages", "RetryableError", 2)
    assert group.retryable is True


def test_operators_see_whose_records_failed(db: Connection, failed: list[int]) -> None:
    found = on_connection(db, insights.errors, owner_id=None, limit=2)
    assert [(each.record_id, each.owner) for each in found.failed] == [
        (failed[2], "ben"),
        (failed[1], "ada"),
    ]
    assert [(group.records, group.retryable) for group in found.groups] == [(2, True), (1, None)]


def test_the_queue_has_what_is_due_by_line_and_step(db: Connection, ada: int) -> None:
    record = given_record(db, line="bookmarks", owner_id=ada, external_id="1")
    db.execute(
        "UPDATE ledger SET due_at = CASE step WHEN 'pages' THEN now() - interval '90 seconds' END"
        " WHERE record_id = %s",
        (record.record_id,),
    )
    for owner_id in (ada, None):
        found = on_connection(db, insights.queue, owner_id=owner_id)
        (line,) = found.lines
        assert (line.line, line.depth, line.active, found.depth) == ("bookmarks", 1, 0, 1)
        assert line.steps == [("pages", 1)]
        assert line.oldest_seconds == pytest.approx(90, abs=30)


def test_a_record_is_active_while_a_run_holds_its_lock(db: Connection, ada: int) -> None:
    record = given_record(db, line="bookmarks", owner_id=ada, external_id="1").record_id
    ben = add_owner(db, "Ben").id
    db.execute("SELECT pg_advisory_lock(%s)", (RECORD_LOCKS + record,))
    active = {
        owner_id: on_connection(db, insights.dashboard, owner_id=owner_id).active
        for owner_id in (ada, ben, None)
    }
    assert active == {ada: 1, ben: 0, None: 1}
    db.execute("SELECT pg_advisory_unlock_all()")
    assert on_connection(db, insights.dashboard, owner_id=None).active == 0


def test_jobs_are_counted_by_type(db: Connection, ada: int) -> None:
    db.execute(
        "INSERT INTO jobs (owner_id, type, executor, due_at) VALUES"
        " (%s, 'a', 'internal', now() - interval '60 seconds'),"
        " (NULL, 'a', 'internal', now() + interval '60 seconds')",
        (ada,),
    )
    ((name, pending, running, oldest),) = on_connection(db, insights.queue, owner_id=None).jobs
    assert (name, pending, running) == ("a", 2, 0)
    assert oldest == pytest.approx(60, abs=30)
    ((_, of_ada, *_),) = on_connection(db, insights.queue, owner_id=ada).jobs
    assert of_ada == 1


def test_what_is_used_up_is_known_by_model_and_day(db: Connection, ada: int) -> None:
    db.execute("UPDATE owners SET monthly_budget = 9 WHERE id = %s", (ada,))
    db.execute(
        "INSERT INTO spending (owner_id, day, line, step, model, calls, tokens_in, tokens_out,"
        " cost)"
        " VALUES (%(o)s, (now() AT TIME ZONE 'UTC')::date, 'x', 's', 'dear', 2, 10, 5, 1.5),"
        " (%(o)s, (now() AT TIME ZONE 'UTC')::date, 'x', 't', 'unpriced', 1, 7, 3, NULL)",
        {"o": ada},
    )
    found = on_connection(db, insights.resources, owner_id=ada)
    assert [(m.model, m.calls, m.tokens_in, m.tokens_out, m.cost) for m in found.models] == [
        ("dear", 2, 10, 5, 1.5),
        ("unpriced", 1, 7, 3, None),
    ]
    (day,) = found.days
    assert (day.tokens, day.cost) == (25, Decimal("1.5"))
    assert (found.month_spent, found.month_budget) == (Decimal("1.5"), Decimal(9))
    assert (found.storage_bytes, found.database_bytes) == (None, None)


def test_what_the_first_day_of_the_month_cost_counts_for_the_month(
    db: Connection, ada: int
) -> None:
    db.execute(
        "INSERT INTO spending (owner_id, day, line, step, model, calls, cost) VALUES"
        " (%s, date_trunc('month', now() AT TIME ZONE 'UTC')::date, 'x', 's', 'm', 1, 2)",
        (ada,),
    )
    assert on_connection(db, insights.resources, owner_id=ada).month_spent == 2


def test_of_the_system_the_store_is_as_it_was_measured(db: Connection) -> None:
    db.execute(
        "INSERT INTO probes (metric, labels, value) VALUES ('keepsake_object_store_bytes', '', 70),"
        " ('keepsake_object_store_quota_bytes', '', 100)"
    )
    found = on_connection(db, insights.resources, owner_id=None)
    assert (found.storage_bytes, found.storage_quota_bytes) == (70, 100)
    assert found.database_bytes is not None
    assert found.database_bytes > 1_000_000

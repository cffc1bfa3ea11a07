"""Gauges say how things stand now, at whatever size, and one that fails hides no other."""

import asyncio
from decimal import Decimal

import psycopg
import pytest

from keepsake.database import Connection, connect, open_connection, open_pool
from keepsake.jobs.rows import WORKER_LOCKS
from keepsake.metrics.counts import Series
from keepsake.monitoring import gauges as module
from keepsake.monitoring.gauges import PARTS, VALUES, Gauges
from keepsake.owners.owners import add_owner
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from tests.given import given_record
from tests.monitoring.scraped import figures, gauge, gauges


@pytest.fixture
def record_id(db: Connection, ada: int) -> int:
    return given_record(db, line="bookmarks", owner_id=ada, external_id="a").record_id


# -- records --------------------------------------------------------------------------------------


def test_the_queue_is_what_is_due_by_line_and_step(
    database_url: str, db: Connection, record_id: int
) -> None:
    queue = gauges(database_url, "keepsake_queue_steps")
    assert queue["bookmarks", "pages"] == 1
    assert queue["family", "stories"] == 0
    db.execute("UPDATE ledger SET due_at = now() + interval '1 day' WHERE due_at IS NOT NULL")
    assert set(gauges(database_url, "keepsake_queue_steps").values()) == {0}


def test_the_oldest_age_is_of_the_step_that_is_due_longest(
    database_url: str, db: Connection, record_id: int
) -> None:
    db.execute("UPDATE ledger SET due_at = now() - interval '1 hour' WHERE step = 'pages'")
    ages = gauges(database_url, "keepsake_queue_oldest_age_seconds")
    assert ages["bookmarks",] == pytest.approx(3600, abs=60)
    assert ages["family",] == 0


def test_steps_that_failed_for_good_are_counted(
    database_url: str, db: Connection, record_id: int
) -> None:
    db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'pages'")
    failed = gauges(database_url, "keepsake_steps_failed")
    assert (failed["bookmarks", "pages"], failed["bookmarks", "media"]) == (1, 0)


def test_a_record_is_active_as_long_as_a_run_holds_it_whatever_its_row_says(
    database_url: str, db: Connection, record_id: int
) -> None:
    db.execute("UPDATE ledger SET status = 'running'")
    assert gauge(database_url, "keepsake_records_active", "bookmarks") == 0
    db.execute("SELECT pg_advisory_lock(%s::bigint + %s)", (RECORD_LOCKS, record_id))
    assert gauge(database_url, "keepsake_records_active", "bookmarks") == 1


# -- jobs, workers, webhooks ----------------------------------------------------------------------


def test_jobs_are_counted_until_they_end(database_url: str, db: Connection) -> None:
    db.execute(
        "INSERT INTO jobs (type, executor, status, attempt, due_at, finished_at) VALUES"
        " ('a', 'internal', 'pending', 0, now() - interval '1 minute', NULL),"
        " ('a', 'internal', 'running', 1, now(), NULL),"
        " ('b', 'internal', 'pending', 0, now() + interval '1 day', NULL),"
        " ('b', 'internal', 'succeeded', 1, now(), now())"
    )
    assert gauges(database_url, "keepsake_jobs") == {
        ("a", "pending"): 1,
        ("a", "running"): 1,
        ("b", "pending"): 1,
    }
    ages = gauges(database_url, "keepsake_jobs_oldest_pending_age_seconds")
    assert ages["a",] == pytest.approx(60, abs=30)
    assert ages["b",] == 0


def test_a_worker_counts_as_long_as_it_lives(database_url: str, db: Connection) -> None:
    assert gauge(database_url, "keepsake_workers") == 0
    with connect(database_url) as worker:
        worker.execute("SELECT pg_advisory_lock(%s::bigint + 7)", (WORKER_LOCKS,))
        assert gauge(database_url, "keepsake_workers") == 1


def test_endpoints_of_webhooks_are_active_or_disabled(
    database_url: str, db: Connection, ada: int
) -> None:
    db.execute(
        "INSERT INTO webhook_endpoints (owner_id, url, disabled_at) VALUES"
        " (%(owner)s, 'https://a.example', NULL), (%(owner)s, 'https://b.example', NULL),"
        " (%(owner)s, 'https://c.example', now())",
        {"owner": ada},
    )
    states = gauges(database_url, "keepsake_webhook_endpoints")
    assert states == {("active",): 2, ("disabled",): 1}


# -- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "state"), [("0.79", "within"), ("0.80", "near"), ("1.00", "spent")]
)
def test_budgets_are_counted_by_how_much_of_them_is_spent(
    database_url: str, db: Connection, ada: int, spent: str, state: str
) -> None:
    add_owner(db, "Otto")  # without a budget
    db.execute("UPDATE owners SET monthly_budget = 1 WHERE id = %s", (ada,))
    spend(db, ada, spent)
    states = gauges(database_url, "keepsake_budgets")
    assert states == {("within",): 0, ("near",): 0, ("spent",): 0, (state,): 1}


def test_money_is_that_of_this_month(database_url: str, db: Connection, ada: int) -> None:
    spend(db, ada, "0.25")
    spend(db, ada, "5.00", ago="40 days")
    spent = gauges(database_url, "keepsake_month_spent_usd")
    assert (spent["bookmarks",], spent["family",]) == (0.25, 0)


def spend(db: Connection, owner_id: int, cost: str, ago: str = "0 days") -> None:
    db.execute(
        "INSERT INTO spending (owner_id, day, line, step, model, cost, calls, tokens_in,"
        " tokens_out, audio_seconds, characters) VALUES (%s, (now() AT TIME ZONE 'UTC')::date"
        " - %s::interval, 'bookmarks', 'summaries', 'm', %s, 1, 1, 1, 0, 0)",
        (owner_id, ago, Decimal(cost)),
    )


async def test_money_is_read_once_a_minute(
    database_url: str, db: Connection, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    kept = Gauges()
    async with open_connection(database_url) as connection:

        async def spent() -> float:
            async with connection.transaction():
                found = await kept.read(connection)
            return found[Series("keepsake_month_spent_usd", ("bookmarks",))]

        assert await spent() == 0
        spend(db, ada, "1.00")
        clock[0] += 59
        assert await spent() == 0
        clock[0] += 2
        assert await spent() == 1


# -- alerts, probes -------------------------------------------------------------------------------


def test_open_alerts_are_counted_by_severity(database_url: str, db: Connection) -> None:
    db.execute(
        "WITH rule AS (INSERT INTO alert_rules (name, metric, threshold, severity)"
        " VALUES ('a rule', 'queue_depth', 1, 'high') RETURNING id)"
        " INSERT INTO alerts (rule_id, subject, state, since, fired_at, resolved_at)"
        " SELECT id, 'a', 'firing', now(), now(), NULL FROM rule UNION ALL"
        " SELECT id, 'b', 'resolved', now(), now(), now() FROM rule"
    )
    states = gauges(database_url, "keepsake_alerts")
    assert states["high", "firing"] == 1
    assert sum(states.values()) == 1


def test_what_was_measured_from_outside_is_passed_on(database_url: str, db: Connection) -> None:
    db.execute(
        "INSERT INTO probes (metric, labels, value, error) VALUES"
        " ('keepsake_object_store_bytes', '', 5000, NULL),"
        " ('keepsake_code_location_up', 'definitions', NULL, 'no answer')"
    )
    assert gauge(database_url, "keepsake_object_store_bytes") == 5000
    assert gauges(database_url, "keepsake_code_location_up") == {}


def test_a_probe_that_failed_or_is_overdue_has_no_success(
    database_url: str, db: Connection
) -> None:
    db.execute(
        "INSERT INTO probes (metric, labels, value, error, valid_until) VALUES"
        " ('keepsake_probe_success', 'dagster', 1, NULL, now() + interval '1 minute'),"
        " ('keepsake_probe_success', 'disk', NULL, 'no such folder', now() + interval '1 minute'),"
        " ('keepsake_probe_success', 'objects', 1, NULL, now() - interval '1 minute')"
    )
    success = gauges(database_url, "keepsake_probe_success")
    assert (success["dagster",], success["disk",], success["objects",]) == (1, 0, 0)


def test_an_age_goes_on_while_nothing_measures_it(database_url: str, db: Connection) -> None:
    db.execute(
        "INSERT INTO probes (metric, labels, value, measured_at) VALUES"
        " ('keepsake_daemon_heartbeat_age_seconds', 'SENSOR', 10, now() - interval '1 hour')"
    )
    age = gauge(database_url, "keepsake_daemon_heartbeat_age_seconds", "SENSOR")
    assert age == pytest.approx(3610, abs=60)


# -- what fails, and what grows -------------------------------------------------------------------


def test_a_part_that_fails_is_left_out_and_says_so(database_url: str, db: Connection) -> None:
    db.execute("ALTER TABLE webhook_endpoints RENAME TO elsewhere")
    found = figures(database_url)
    success = {
        series.labels[0]: value
        for series, value in found.gauges.items()
        if series.metric == "keepsake_probe_success"
    }
    assert success.pop("webhooks") == 0
    assert set(success.values()) == {1}
    assert success.keys() >= {part.name for part in PARTS} - {"webhooks"}
    assert not [s for s in found.gauges if s.metric == "keepsake_webhook_endpoints"]


async def test_a_connection_that_breaks_is_an_error(database_url: str, db: Connection) -> None:
    async with open_pool(database_url, size=1) as pool, pool.connection() as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        await asyncio.to_thread(db.execute, "SELECT pg_terminate_backend(%s)", row)
        with pytest.raises(psycopg.OperationalError):
            async with connection.transaction():
                await Gauges().read(connection)


def test_nothing_reads_the_ledger_or_all_jobs_through(
    database_url: str, db: Connection, ada: int
) -> None:
    fill(db, ada)
    for part in PARTS:
        plan = "\n".join(row[0] for row in db.execute(b"EXPLAIN " + part.sql.encode(), VALUES))
        for table in ("ledger", "records", "jobs"):
            assert f"Seq Scan on {table}" not in plan, plan


def fill(db: Connection, owner_id: int) -> None:
    """So much that to read through a table is slower than an index: one in a hundred is open."""
    db.execute("SET session_replication_role = replica")
    for statement in (
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " SELECT 'bookmarks', %s, n::text, now(), '' FROM generate_series(1, 20000) AS n",
        "INSERT INTO ledger (record_id, owner_id, step, line, status, due_at)"
        " SELECT id, %s, 'pages', line, CASE id %% 100 WHEN 1 THEN 'failed' WHEN 2 THEN 'pending'"
        " ELSE 'succeeded' END, CASE id %% 100 WHEN 2 THEN now() END FROM records",
        "INSERT INTO jobs (owner_id, type, executor, status, attempt, finished_at)"
        " SELECT %s, 'a', 'internal', CASE n %% 100 WHEN 1 THEN 'pending' ELSE 'succeeded' END, 1,"
        " CASE WHEN n %% 100 <> 1 THEN now() END FROM generate_series(1, 20000) AS n",
    ):
        db.execute(statement.encode(), (owner_id,))
    db.execute("VACUUM ANALYZE records, ledger, jobs")

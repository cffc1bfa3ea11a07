"""What rules measure, from what is in the database."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from keepsake.database import AsyncConnection, Connection
from keepsake.metrics.counts import Counts
from keepsake.metrics.totals import add
from keepsake.monitoring.alerts.measures import MEASURES, Asked, NotYet
from keepsake.monitoring.alerts.rules import Metric
from keepsake.monitoring.alerts.states import Reading
from keepsake.monitoring.snapshots import keep_snapshots
from tests.given import given_record, on_connection
from tests.monitoring.alerts.conftest import given_owner, given_probe

HEARTBEAT, LOCATION, TICK = (
    "keepsake_daemon_heartbeat_age_seconds",
    "keepsake_code_location_up",
    "keepsake_sensor_tick_age_seconds",
)
WELL = {(HEARTBEAT, "SENSOR"): 20.0, (LOCATION, "keepsake"): 1.0, (TICK, "new_bookmarks"): 3.0}


def measured(
    db: Connection, metric: Metric, owner_id: int | None = None, settling: bool = False
) -> list[Reading]:
    async def call(connection: AsyncConnection) -> list[Reading]:
        asked = Asked(owner_id, timedelta(minutes=5), settling)
        return list(await MEASURES[metric](connection, asked))

    return on_connection(db, call)


def values(db: Connection, metric: Metric, owner_id: int | None = None) -> dict[str, Any]:
    return {each.subject: each.value for each in measured(db, metric, owner_id)}


def ended(db: Connection, **by_status: int) -> None:
    """So many records come to their end now."""
    counts = Counts()
    for status, count in by_status.items():
        counts.count("keepsake_records_total", count, line="family", status=status, platform="web")
    on_connection(db, add, counts)


def test_each_metric_has_a_measure(db: Connection) -> None:
    """And an empty system has nothing to fire for."""
    assert set(MEASURES) == set(get_args(Metric))
    for metric in MEASURES:
        for reading in measured(db, metric):
            assert reading.error in (None, "it was never measured"), metric


def test_the_failure_rate_is_of_what_ended_in_the_window(db: Connection) -> None:
    assert values(db, "failure_rate") == {"": None}
    ended(db, failed=50)
    on_connection(db, keep_snapshots)
    db.execute("UPDATE metric_snapshots SET at = now() - interval '5 minutes'")
    ended(db, completed=6, partial_success=1, failed=1)
    (reading,) = measured(db, "failure_rate")
    assert reading == Reading("", 1 / 8, 8, "1 of 8")
    assert values(db, "records_failed") == {"": 1}


def test_the_failure_rate_of_an_owner_is_of_its_own_figures(db: Connection) -> None:
    ada, bob = given_owner(db, "ada"), given_owner(db, "bob")
    for owner, status, minutes, count in (
        (ada, "failed", 1, 1), (ada, "completed", 1, 3), (ada, "failed", 60, 9),
        (bob, "failed", 1, 9),
    ):  # fmt: skip
        db.execute(
            "INSERT INTO owner_metrics VALUES (%s, now() - make_interval(mins => %s),"
            " 'keepsake_records_total', %s, %s)",
            (owner, minutes, f"family\x1f{status}\x1fweb", count),
        )
    assert values(db, "failure_rate", ada) == {"": 0.25}


def test_imported_history_does_not_wait_for_long(db: Connection) -> None:
    owner = given_owner(db)
    given_record(db, line="family", owner_id=owner, external_id="old", priority=-1)
    assert values(db, "queue_oldest_age") == {"": None}
    given_record(db, line="family", owner_id=owner, external_id="new")
    db.execute("UPDATE ledger SET due_at = now() - interval '2 hours' WHERE due_at IS NOT NULL")
    (reading,) = measured(db, "queue_oldest_age")
    assert reading.value == pytest.approx(7200, abs=60)
    assert reading.detail == "family 2 hours"
    assert values(db, "queue_oldest_age", given_owner(db, "bob")) == {"": None}
    depth = values(db, "queue_depth")[""]
    assert depth >= 2
    assert values(db, "queue_depth", owner) == {"": depth}


def test_steps_that_a_dead_service_put_off_are_counted_by_step(db: Connection) -> None:
    given_record(db, line="family", owner_id=given_owner(db), external_id="a")
    assert values(db, "endpoint_failures") == {"": 0}
    db.execute(
        "UPDATE ledger SET error_type = 'Unreachable', due_at = now() + interval '1 minute'"
        " WHERE step = 'transcripts'"
    )
    assert measured(db, "endpoint_failures") == [Reading("", 1, 1, "transcripts 1")]


@pytest.mark.parametrize(
    ("found", "down"),
    [
        ({}, ""),
        ({(LOCATION, "keepsake"): 0.0}, "code location keepsake is not loaded"),
        ({(HEARTBEAT, "SENSOR"): 200.0}, "daemon SENSOR: no heartbeat for 3.33 minutes"),
        ({(HEARTBEAT, "SENSOR"): float("inf")}, "daemon SENSOR: no heartbeat yet"),
        ({(TICK, "new_bookmarks"): 46.0}, "no sensor has ticked for 46 seconds"),
        ({(TICK, "outbox"): 46.0}, ""),  # another one does
        ({(TICK, "outbox"): 700.0}, "sensor outbox has not ticked for 11.7 minutes"),
    ],
    ids=["well", "code", "daemon", "never", "ticks", "one-slow", "one-stuck"],
)
def test_dagster_is_judged_by_its_signs_of_life(
    db: Connection, found: dict[tuple[str, str], float], down: str
) -> None:
    given_probe(db, "dagster", {**WELL, **found})
    (reading,) = measured(db, "orchestrator_down")
    assert (reading.value, reading.detail) == (1.0 if down else 0.0, down)


def test_what_starts_along_with_the_worker_is_not_missed_at_first(db: Connection) -> None:
    with pytest.raises(NotYet):
        measured(db, "orchestrator_down", settling=True)
    given_probe(db, "dagster", error="Dagster does not answer (ConnectError)")
    with pytest.raises(NotYet):
        measured(db, "orchestrator_down", settling=True)
    given_probe(db, "dagster", {**WELL, (TICK, "new_bookmarks"): 4000.0})
    with pytest.raises(NotYet):
        measured(db, "orchestrator_down", settling=True)
    given_probe(db, "dagster", WELL)
    (reading,) = measured(db, "orchestrator_down", settling=True)
    assert reading.value == 0


def test_a_backup_is_missed_only_where_there_are_to_be_some(db: Connection) -> None:
    given_probe(db, "newest_backup")
    assert values(db, "backup_age") == {}
    given_probe(db, "newest_backup", error="there is no backup yet")
    db.execute("UPDATE migrations SET applied_at = now() - interval '3 days'")
    assert values(db, "backup_age") == {"": pytest.approx(3 * 86400, abs=60)}
    day_ago = db.execute("SELECT extract(epoch FROM now() - interval '1 day')::float8").fetchone()
    assert day_ago is not None
    given_probe(db, "newest_backup", {("keepsake_backup_timestamp_seconds", ""): day_ago[0]})
    assert values(db, "backup_age") == {"": pytest.approx(86400, abs=60)}


def test_tokens_that_were_made_to_last_are_watched_until_they_expire(db: Connection) -> None:
    given_probe(db, "certificate")
    owner = given_owner(db)
    db.execute("INSERT INTO users (email, name) VALUES ('a@example.org', 'A')")
    db.execute(
        "INSERT INTO memberships (owner_id, user_id, role) VALUES (%s, 1, 'owner')", (owner,)
    )
    for name, made, left in (("long", 360, 5), ("brief", 2, 5), ("over", 365, -1)):
        db.execute(
            "INSERT INTO tokens (owner_id, user_id, name, prefix, last_four, hash,"
            " scopes, created_at, expires_at)"
            " VALUES (%s, 1, %s, 'k', 'abcd', sha256(%s), '{read}', now() - %s, now() + %s)",
            (owner, name, name.encode(), timedelta(days=made), timedelta(days=left)),
        )
    assert values(db, "days_to_expiry") == {"token 1": pytest.approx(5, abs=0.1)}
    assert values(db, "days_to_expiry", owner) == {"token 1": pytest.approx(5, abs=0.1)}
    assert values(db, "days_to_expiry", given_owner(db, "bob")) == {}

"""How far records are: every ledger row counts once, and the time left follows the rate."""

from collections.abc import Iterator

import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.records.progress import (
    StepProgress,
    progress,
    record_head,
    records_by_status,
    time_left,
)

COUNTS = (
    "pending", "running", "done", "failed", "waiting", "beyond_tier", "switched_off", "over_budget",
)  # fmt: skip


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """Ten records of Ada's, the first six of them a batch, each with one due step."""
    with connect(database_url) as connection:
        connection.execute("INSERT INTO steps (line, name) VALUES ('toy', 'tell')")
        connection.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')")
        connection.execute("INSERT INTO batches (owner_id, line, name) VALUES (1, 'toy', 'a.zip')")
        connection.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash, batch_id)"
            " SELECT 'toy', 1, i, '2026-05-04', '', CASE WHEN i <= 6 THEN 1 END"
            " FROM generate_series(1, 10) AS i"
        )
        connection.execute(
            "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
            " SELECT id, owner_id, 'tell', line, now() FROM records"
        )
        yield connection


def change(db: Connection, change: str, *record_ids: int) -> None:
    db.execute(
        f"UPDATE ledger SET {change} WHERE record_id = ANY(%s)".encode(), (list(record_ids),)
    )


def tell(db: Connection, **only: object) -> StepProgress:
    """How far the one step is."""
    (step,) = progress(db, **only)  # type: ignore[arg-type]
    return step


def counts(step: StepProgress) -> dict[str, int]:
    return {name: count for name in COUNTS if (count := getattr(step, name))}


def test_every_row_counts_once(db: Connection) -> None:
    change(db, "status = 'running'", 1)
    change(db, "status = 'succeeded', due_at = NULL", 2)
    change(db, "status = 'failed', due_at = NULL", 3)
    change(db, "due_at = NULL, wait_reason = 'need'", 4)
    change(db, "due_at = NULL, hold_reason = 'tier'", 5)
    change(db, "due_at = NULL, hold_reason = 'off'", 6)
    change(db, "due_at = now() + interval '9 days', wait_reason = 'budget'", 7)
    change(db, "status = 'failed', due_at = NULL, hold_reason = 'tier'", 8)
    change(db, "due_at = now() + interval '1 minute', error_type = 'EndpointDown'", 9)
    change(db, "wait_reason = 'budget'", 10)  # the month is over, or the budget was raised
    step = tell(db)
    assert counts(step) == {
        "pending": 2, "running": 1, "done": 1, "failed": 2, "waiting": 1, "beyond_tier": 1,
        "switched_off": 1, "over_budget": 1,
    }  # fmt: skip
    assert step.open == 3


def test_an_owner_a_line_or_a_batch_by_itself(db: Connection) -> None:
    assert [tell(db, **only).pending for only in ({"batch_id": 1}, {"owner_id": 1})] == [6, 10]
    assert tell(db, line="toy").pending == 10
    assert progress(db, owner_id=2) == progress(db, line="family") == []


def test_the_time_left_follows_the_rate_of_the_last_minutes(db: Connection) -> None:
    done = "status = 'succeeded', due_at = NULL, seconds = 2, finished_at = now() - interval"
    change(db, f"{done} '58 seconds'", 1, 2)
    change(db, f"{done} '1 second'", 3, 4)
    change(db, f"{done} '1 day'", 5)
    step = tell(db)
    assert step.per_minute == pytest.approx(4, rel=0.05)
    assert step.seconds_left == pytest.approx(75, rel=0.05)


def test_without_anything_finished_lately_nobody_can_tell_the_time_left(db: Connection) -> None:
    change(db, "status = 'succeeded', due_at = NULL, finished_at = now() - interval '1 hour'", 1)
    assert (tell(db).per_minute, tell(db).seconds_left, time_left([tell(db)])) == (0, None, None)


def test_nothing_open_is_no_time_left(db: Connection) -> None:
    change(db, "status = 'succeeded', due_at = NULL, finished_at = now()", *range(1, 11))
    assert time_left([tell(db)]) == 0


def test_the_slowest_step_says_when_all_is_done(db: Connection) -> None:
    done = "status = 'succeeded', due_at = NULL, finished_at = now(), seconds = 10"
    change(db, done, 1, 2, 3, 4, 5)
    db.execute(
        "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
        " SELECT record_id, owner_id, 'sing', line, now() FROM ledger"
    )
    db.execute(f"UPDATE ledger SET {done} WHERE step = 'sing' AND record_id = 1".encode())
    steps = progress(db)
    by_step = {step.step: step.seconds_left for step in steps}
    assert time_left(steps) == by_step["sing"] == pytest.approx(90, rel=0.1)
    assert by_step["tell"] == pytest.approx(10, rel=0.1)


# -- the status of a record -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "summary", "status"),
    [
        ("due_at = now()", "due_at = now()", "PENDING"),
        ("status = 'running'", "due_at = now()", "PROCESSING"),
        ("status = 'succeeded', due_at = NULL", "due_at = now()", "PROCESSING"),
        ("status = 'succeeded', due_at = NULL", "status = 'succeeded', due_at = NULL", "COMPLETED"),
        (
            "status = 'succeeded', output_fingerprint = 'x', due_at = NULL",
            "status = 'failed', due_at = NULL",
            "PARTIAL_SUCCESS",
        ),
        ("status = 'failed', due_at = NULL", "due_at = NULL", "FAILED"),
        ("status = 'succeeded', due_at = NULL", "hold_reason = 'off', due_at = NULL", "COMPLETED"),
        ("status = 'succeeded', due_at = NULL", "hold_reason = 'tier', due_at = NULL", "COMPLETED"),
    ],
)
def test_the_status_of_a_record_follows_from_its_steps(
    db: Connection, page: str, summary: str, status: str
) -> None:
    db.execute("DELETE FROM records WHERE id > 1")
    db.execute("UPDATE ledger SET step = 'page'")
    db.execute(
        "INSERT INTO ledger (record_id, owner_id, step, line)"
        " SELECT record_id, owner_id, 'summary', line FROM ledger"
    )
    for step, change in (("page", page), ("summary", summary)):
        db.execute(f"UPDATE ledger SET {change} WHERE step = %s".encode(), (step,))
    assert record_head(db, 1, 1).status == status
    assert records_by_status(db) == [{"line": "toy", "status": status, "records": 1}]
    assert records_by_status(db, owner_id=2) == []


def test_a_record_that_is_not_there(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="there is no record 77"):
        record_head(db, 1, 77)


def test_ten_thousand_records_are_counted_fast_enough_to_watch(db: Connection) -> None:
    db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " SELECT 'toy', 2, i, '2026-05-04', '' FROM generate_series(1, 10000) AS i"
    )
    db.execute(
        "INSERT INTO ledger (record_id, owner_id, step, line, due_at)"
        " SELECT r.id, owner_id, step, line, now() FROM records r,"
        " unnest(ARRAY['hear', 'say', 'sing']) AS step WHERE owner_id = 2"
    )
    db.execute("SET statement_timeout = '1s'")
    assert [step.pending for step in progress(db, owner_id=2)] == [10_000] * 3

"""The ledger answers who is due, what failed, and what people may ask to be done again."""

import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from keepsake.errors import PermanentError
from keepsake.pipeline.ledger import repair, states
from keepsake.pipeline.ledger.due import DueWindow, due_windows

from .toy import DAY, NOON, STEPS, Source, World


def set_rows(world: World, rows: str) -> None:
    """Write the rows of every record: a letter a step, d(ue), o(ff), w(aits), r, s, f."""
    states = {
        "d": ("pending", "now()"),
        "o": ("pending", "now() + interval '1 minute'"),  # put off
        "w": ("pending", "NULL"),
        "r": ("running", "now()"),
        "s": ("succeeded", "NULL"),
        "n": ("succeeded", "NULL"),  # and found nothing to make
        "f": ("failed", "NULL"),
    }
    for step, letter in zip(STEPS, rows, strict=True):
        status, due_at = states[letter]
        reason = "need" if letter == "w" else None
        output = "coalesce(output_fingerprint, 'some')" if letter == "s" else "NULL"
        world.db.execute(
            f"UPDATE ledger SET status = %s, due_at = {due_at}, wait_reason = %s,"
            f" output_fingerprint = {output} WHERE step = %s",
            (status, reason, step),
        )


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ("dddd", "PENDING"),
        ("oooo", "PENDING"),  # its endpoint is down: nothing is made of it yet
        ("rrrr", "PROCESSING"),
        ("sddd", "PROCESSING"),
        ("sosd", "PROCESSING"),
        ("ssss", "COMPLETED"),
        ("sssw", "COMPLETED"),  # one step is left to a schedule
        ("sfsw", "PARTIAL_SUCCESS"),
        ("fwww", "FAILED"),
        ("fnww", "FAILED"),
        ("nnww", "COMPLETED"),
        ("fdww", "PROCESSING"),
        ("wwww", "PENDING"),
    ],
)
def test_a_records_status_is_what_its_rows_say(world: World, rows: str, status: str) -> None:
    world.add("x")
    set_rows(world, rows)
    assert world.record_status("x") == status


def test_how_a_step_is_comes_from_all_records_of_the_window(world: World) -> None:
    ids = [world.add(text) for text in "abc"]
    set_rows(world, "fwww")
    world.add("d")
    world.add("of another day", at=NOON + timedelta(days=1))
    found = states.step_states(world.db, DAY, STEPS, sample=2)
    hear = found["hear"]
    assert (hear.failed, hear.open, list(hear.failed_ids)) == (3, 1, ids[:2])
    assert (found["tell"].failed, found["tell"].open, found["tell"].records) == (0, 4, 4)
    assert not hear.all_failed
    world.db.execute("DELETE FROM records WHERE external_id = 'd'")
    assert states.step_states(world.db, DAY, STEPS)["hear"].all_failed


def test_how_long_a_step_is_due_is_that_of_the_record_that_waits_longest(world: World) -> None:
    for text in "ab":
        world.add(text)
    set_rows(world, "doww")
    world.db.execute(
        "UPDATE ledger SET due_at = now() - interval '2 hours' WHERE step = %s"
        " AND record_id = (SELECT min(record_id) FROM ledger)",
        (STEPS[0],),
    )
    found = states.step_states(world.db, DAY, STEPS)
    assert found[STEPS[0]].oldest_due_seconds == pytest.approx(7200, abs=60)
    assert [found[step].oldest_due_seconds for step in STEPS[1:]] == [0, 0, 0]  # put off, waiting


# -- what people ask to be done again --------------------------------------------------------------


async def test_a_retry_makes_the_failed_and_what_waits_for_it_due(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if world.stage.count("hear") == 1:
            raise PermanentError("no audio")

    await world.run(mode="due")
    assert world.record_status("x") == "FAILED"
    assert repair.retry(world.db, line="toy") == 1
    assert all(row["due"] for row in world.rows("x").values())
    assert world.rows("x")["hear"]["attempts"] == 0
    await world.run(mode="due")
    assert world.record_status("x") == "COMPLETED"


@pytest.mark.parametrize(
    ("narrowed", "retried"),
    [({}, 2), ({"line": "toy"}, 2), ({"line": "other"}, 0), ({"step": "tell"}, 0)],
)
def test_a_retry_can_be_narrowed(world: World, narrowed: Any, retried: int) -> None:
    world.add("x", "y")
    set_rows(world, "fwww")
    assert repair.retry(world.db, **narrowed) == retried


def test_a_retry_of_one_record_or_step_leaves_the_others(world: World) -> None:
    world.add("x")
    record = world.add("y")
    set_rows(world, "sffw")
    assert repair.retry_record(world.db, 1, record, step="tag")
    assert world.statuses("x")["tag"] == "failed"
    assert world.statuses("y") == {
        "hear": "succeeded",
        "tell": "failed",
        "tag": "pending",
        "bind": "pending",
    }
    assert world.rows("y")["bind"]["due"]


def test_a_retry_leaves_what_waits_for_a_schedule(world: World) -> None:
    world.add("x")
    set_rows(world, "fwww")
    world.db.execute("UPDATE ledger SET wait_reason = NULL WHERE step = 'bind'")
    repair.retry(world.db)
    assert world.rows("x")["tell"]["due"]
    assert world.rows("x")["bind"]["due_at"] is None


@pytest.mark.parametrize("status", ["s", "f", "w", "o"])
async def test_a_step_can_be_made_anew_whatever_became_of_it(world: World, status: str) -> None:
    record = world.add("x")
    await world.run()
    set_rows(world, f"ss{status}s")
    world.calls.clear()
    assert repair.redo(world.db, 1, record, "tag")
    assert "tag" in world.results("x")  # it stands until then
    await world.run(mode="due")
    assert world.calls == [("tag", "x")]


def test_a_step_that_is_not_there_cannot_be_made_anew(world: World) -> None:
    assert not repair.redo(world.db, 1, 404, "tag")


# -- what a sensor asks ----------------------------------------------------------------------------


def test_days_with_due_work_come_urgent_first_then_newest(world: World) -> None:
    world.add("a", "b", at=NOON - timedelta(days=3))
    world.add("c", at=NOON - timedelta(days=9), priority="urgent")
    world.add("d", at=NOON)
    assert due_windows(world.db, "toy", STEPS) == [
        DueWindow(NOON.date() - timedelta(days=9), 1, 10, first=False),
        DueWindow(NOON.date(), 1, 0, first=True),
        DueWindow(NOON.date() - timedelta(days=3), 2, 0, first=False),
    ]


def test_the_newest_day_of_each_owner_is_said(world: World) -> None:
    world.db.execute("INSERT INTO owners (slug, name) VALUES ('bob', 'Bob')")
    world.add("a", at=NOON)
    world.add("b", at=NOON - timedelta(days=3))
    world.add("c", "d", at=NOON - timedelta(days=9), owner_id=2)
    windows = due_windows(world.db, "toy", STEPS)
    assert {(NOON.date() - window.start).days for window in windows if window.first} == {0, 9}


def test_only_what_is_due_now_in_the_asked_steps_counts(world: World) -> None:
    world.add("x")
    set_rows(world, "sdow")
    assert len(due_windows(world.db, "toy", ["tell"])) == 1
    assert due_windows(world.db, "toy", ["hear", "tag", "bind"]) == []
    assert due_windows(world.db, "other", STEPS) == []


def test_a_day_is_a_day_of_utc(world: World) -> None:
    world.db.execute("SET timezone = 'Pacific/Auckland'")
    world.add("x", at=NOON.replace(hour=23))
    assert [day.start for day in due_windows(world.db, "toy", STEPS)] == [NOON.date()]


def test_a_flood_hides_neither_what_comes_after_it_nor_what_was_before(world: World) -> None:
    world.add("old", at=NOON - timedelta(days=60))
    world.add(*map(str, range(20)), at=NOON - timedelta(days=30))
    world.add("new")
    days = due_windows(world.db, "toy", ["hear"], at_most=5)
    assert [(day.start, day.records) for day in days] == [
        (NOON.date(), 1),
        (NOON.date() - timedelta(days=30), 8),
        (NOON.date() - timedelta(days=60), 1),
    ]


def test_windows_are_days_weeks_or_months(world: World) -> None:
    for day in (1, 4, 5, 31):
        world.add(f"{day} May", at=NOON.replace(day=day))
    assert [
        [(window.start.isoformat(), window.records) for window in windows]
        for unit in ("day", "week", "month")
        for windows in [due_windows(world.db, "toy", ["hear"], unit)]
    ] == [
        [("2026-05-31", 1), ("2026-05-05", 1), ("2026-05-04", 1), ("2026-05-01", 1)],
        [("2026-05-25", 1), ("2026-05-04", 2), ("2026-04-27", 1)],
        [("2026-05-01", 4)],
    ]


class Noting(psycopg.Cursor[Any]):
    """A cursor that keeps what it was asked."""

    asked: tuple[Any, Any]

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Noting":
        type(self).asked = (query, params)
        super().execute(query, params, **options)
        return self


@pytest.mark.parametrize(("one_of", "due"), [(100, 30), (1, 3000)], ids=["few", "a flood"])
def test_a_tick_reads_the_index_of_what_is_open_alone(world: World, one_of: int, due: int) -> None:
    world.db.execute(
        "WITH added AS (INSERT INTO records (line, owner_id, external_id, recorded_at,"
        "   content_hash) SELECT 'toy', 1, n, now(), n FROM generate_series(1, 3000) n"
        "   RETURNING id)"
        " INSERT INTO ledger (record_id, owner_id, step, line, status, due_at)"
        " SELECT id, 1, s.name, 'toy',"
        "   CASE WHEN id %% %(of)s = 0 THEN 'pending' ELSE 'succeeded' END,"
        "   CASE WHEN id %% %(of)s = 0 THEN now() END FROM added, steps s WHERE s.line = 'toy'",
        {"of": one_of},
    )
    world.db.execute("ANALYZE")
    world.db.cursor_factory = Noting
    at_most = 400
    [day] = due_windows(world.db, "toy", STEPS, at_most=at_most)
    assert day.records <= min(due, 2 * at_most)
    query, params = Noting.asked
    world.db.cursor_factory = psycopg.Cursor
    plan = "\n".join(row[0] for row in world.db.execute(f"EXPLAIN {query}", params))
    # Of few open rows, the index over an owner's unmade ones reads no more.
    assert re.search(r"(using|on) (ledger_due|ledger_unmade_of_owner)\b", plan)
    assert "Seq Scan on ledger" not in plan

"""A tier's limits: the newest records go through the tiered steps, the others are held."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner, add_owner
from keepsake.owners.tiers import Limit, apply_tier, limits, set_tier
from tests.given import NOON, given_record, on_connection

NEWEST = 3


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    """A line of two steps, one of them tiered, of which the free tier gets the newest three."""
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO steps (line, name, tiered) VALUES ('toy', 'hear', false),"
            " ('toy', 'tell', true)"
        )
        connection.execute(
            "INSERT INTO tier_limits (tier, line, newest) VALUES ('free', 'toy', %s)", (NEWEST,)
        )
        yield connection


@pytest.fixture
def ada(db: Connection) -> Owner:
    return add_owner(db, "Ada")


def add(db: Connection, owner: Owner, *days: int) -> None:
    """Records of these days, counted from the first."""
    for day in days:
        given_record(
            db,
            line="toy",
            owner_id=owner.id,
            external_id=f"day {day}",
            recorded_at=NOON + timedelta(days=day),
        )


def days(db: Connection, condition: str) -> list[str]:
    """The records of which `tell` is so, the oldest first."""
    rows = db.execute(
        f"SELECT r.external_id FROM ledger l JOIN records r ON r.id = l.record_id"
        f" WHERE l.step = 'tell' AND {condition} ORDER BY r.recorded_at"
    )
    return [row[0].removeprefix("day ") for row in rows]


HELD, DUE = (
    "l.hold_reason = 'tier' AND l.due_at IS NULL",
    "l.hold_reason IS NULL AND l.due_at <= now()",
)


def test_a_record_beyond_the_tier_is_held(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3)
    assert days(db, HELD) == []
    add(db, ada, 4)
    assert (days(db, HELD), days(db, DUE)) == (["1"], ["2", "3", "4"])


def test_another_tier_may_have_another_budget(db: Connection, ada: Owner) -> None:
    add(db, ada, 1)
    db.execute("UPDATE ledger SET due_at = now() + interval '9 days', wait_reason = 'budget'")
    on_connection(db, set_tier, ada.id, "premium")
    assert days(db, DUE) == ["1"]


def test_what_was_recorded_last_counts_not_what_came_in_last(db: Connection, ada: Owner) -> None:
    add(db, ada, 4, 3, 2, 1)
    assert days(db, HELD) == ["1"]


def test_the_other_steps_are_made_of_every_record(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3, 4)
    assert db.execute("SELECT count(*) FROM ledger WHERE step = 'hear' AND hold_reason IS NULL"
                      " AND due_at <= now()").fetchone() == (4,)  # fmt: skip


@pytest.mark.parametrize("status", ["succeeded", "running"])
def test_what_is_made_already_or_being_made_is_left_as_it_is(
    db: Connection, ada: Owner, status: str
) -> None:
    add(db, ada, 1, 2, 3)
    db.execute("UPDATE ledger SET status = %s WHERE step = 'tell'", (status,))
    add(db, ada, 4)
    assert days(db, f"l.status = '{status}' AND l.hold_reason IS NULL") == ["1", "2", "3"]


def test_what_failed_beyond_the_tier_is_not_tried_again(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3)
    db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'tell'")
    add(db, ada, 4)
    assert days(db, "l.status = 'failed' AND l.hold_reason = 'tier'") == ["1"]
    on_connection(db, set_tier, ada.id, "premium")
    assert days(db, "l.status = 'failed' AND l.hold_reason IS NULL") == ["1", "2", "3"]


def test_another_tier_releases_what_it_covers(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3, 4, 5)
    on_connection(db, set_tier, ada.id, "premium")
    assert (days(db, HELD), days(db, DUE)) == ([], ["1", "2", "3", "4", "5"])
    on_connection(db, set_tier, ada.id, "free")
    assert days(db, HELD) == ["1", "2"]


def test_limits_that_were_changed_hold_when_the_tier_is_set_again(
    db: Connection, ada: Owner
) -> None:
    add(db, ada, 1, 2, 3, 4)
    db.execute("UPDATE tier_limits SET newest = 1 WHERE line = 'toy'")
    on_connection(db, set_tier, ada.id, "free")
    assert days(db, HELD) == ["1", "2", "3"]
    db.execute("DELETE FROM tier_limits WHERE line = 'toy'")
    on_connection(db, set_tier, ada.id, "free")
    assert days(db, HELD) == []


def test_a_deleted_record_makes_room_for_one_that_was_held(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3, 4)
    db.execute("DELETE FROM records WHERE external_id = 'day 4'")
    assert on_connection(db, apply_tier, ada.id, "toy") == 1
    assert days(db, DUE) == ["1", "2", "3"]


def test_what_is_released_still_waits_for_its_schedule(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3, 4)
    on_connection(db, set_tier, ada.id, "premium", later={"tell"})
    assert days(db, "l.hold_reason IS NULL AND l.due_at IS NULL") == ["1"]


def test_what_is_switched_off_stays_off(db: Connection, ada: Owner) -> None:
    add(db, ada, 1, 2, 3, 4)
    db.execute("UPDATE ledger SET hold_reason = 'off', due_at = NULL WHERE step = 'tell'"
               " AND hold_reason IS NULL")  # fmt: skip
    on_connection(db, set_tier, ada.id, "premium", off={"tell"})
    assert days(db, "l.hold_reason = 'off' AND l.due_at IS NULL") == ["1", "2", "3", "4"]
    on_connection(db, set_tier, ada.id, "free")
    assert days(db, "l.hold_reason = 'off'") == ["1", "2", "3", "4"]


def test_every_owner_has_a_tier_of_its_own(db: Connection, ada: Owner) -> None:
    ben = add_owner(db, "Ben", tier="premium")
    for owner in (ada, ben):
        add(db, owner, 1, 2, 3, 4)
    assert days(db, f"r.owner_id = {ada.id} AND {HELD}") == ["1"]
    assert days(db, f"r.owner_id = {ben.id} AND {HELD}") == []


def test_additions_side_by_side_leave_no_more_than_the_tier_covers(
    db: Connection, ada: Owner, database_url: str
) -> None:
    def take_in(first: int) -> None:
        with connect(database_url) as own:
            add(own, ada, *range(first, 40, 4))

    hands = [threading.Thread(target=take_in, args=(first,)) for first in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert days(db, DUE) == ["37", "38", "39"]


def test_a_row_that_a_run_writes_at_this_moment_is_not_waited_for(
    db: Connection, ada: Owner, database_url: str
) -> None:
    add(db, ada, 1, 2, 3)
    with connect(database_url) as run, run.transaction():
        run.execute("UPDATE ledger SET status = 'running' WHERE step = 'tell'")
        add(db, ada, 4)
    assert days(db, "l.hold_reason IS NULL") == ["1", "2", "3", "4"]


def test_an_unknown_tier_is_refused_with_those_there_are(db: Connection, ada: Owner) -> None:
    with pytest.raises(InvalidInput, match=r"no tier 'gold' \(known: free, premium\)"):
        on_connection(db, set_tier, ada.id, "gold")


def test_what_the_tiers_allow_in_the_running_line(db: Connection) -> None:
    assert limits(db, "free")[0] == Limit("running", newest=20, batch=5, pause_seconds=2)
    assert limits(db, "premium") == [Limit("running", newest=None, batch=10, pause_seconds=2)]

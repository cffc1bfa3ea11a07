"""Rounds: each alert is told once, whatever happens to the process, the clock and the database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keepsake.database import AsyncConnection, Connection, open_connection
from keepsake.monitoring.alerts.evaluation import evaluate
from keepsake.monitoring.alerts.retention import delete_old_alerts
from keepsake.monitoring.alerts.rules import NewRule
from keepsake.monitoring.alerts.states import Alert, Event
from tests.monitoring.alerts.conftest import Told, given_owner, given_probe, given_rule, later

Round = Callable[[], list[Told]]

STORAGE = NewRule("storage", "storage_used_ratio", 0.8, cooldown_seconds=600)
BUDGET = NewRule("budget", "budget_spent_ratio", 0.8, cooldown_seconds=0)
FIRES, ENDS = [("storage", "", "firing")], [("storage", "", "resolved")]


def used(db: Connection, ratio: float) -> None:
    """The objects take that share of their quota."""
    quota = ("keepsake_object_store_quota_bytes", "")
    given_probe(db, "objects", {("keepsake_object_store_bytes", ""): ratio * 100, quota: 100})


def spent(db: Connection, owner_id: int, dollars: float) -> None:
    db.execute("UPDATE owners SET monthly_budget = 10 WHERE id = %s", (owner_id,))
    db.execute("DELETE FROM spending WHERE owner_id = %s", (owner_id,))
    db.execute(
        "INSERT INTO spending (owner_id, day, line, step, model, cost)"
        " VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 'family', 'stories', 'm', %s)",
        (owner_id, dollars),
    )


def states(db: Connection) -> list[str]:
    return [state for (state,) in db.execute("SELECT state FROM alerts ORDER BY id").fetchall()]


def test_an_alert_is_told_once_and_told_to_have_ended_once(db: Connection, round_: Round) -> None:
    given_rule(db, STORAGE)
    used(db, 0.5)
    assert round_() == []
    used(db, 0.9)
    assert (round_(), round_(), round_()) == (FIRES, [], [])
    used(db, 0.1)
    assert (round_(), round_()) == (ENDS, [])
    log = db.execute("SELECT from_state, to_state, detail FROM alert_log ORDER BY id").fetchall()
    assert log[1:] == [
        (None, "firing", "people were told; 90 bytes of 100 bytes"),
        ("firing", "resolved", "people were told; 10 bytes of 100 bytes"),
    ]


def test_what_fires_again_within_the_cooldown_is_told_when_it_is_over(
    db: Connection, round_: Round
) -> None:
    given_rule(db, STORAGE)
    for ratio, told in ((0.9, FIRES), (0.1, ENDS), (0.9, [])):
        used(db, ratio)
        assert round_() == told
    later(db, 601)
    assert (round_(), round_()) == (FIRES, [])


def test_what_ends_before_it_fires_leaves_nothing(db: Connection, round_: Round) -> None:
    given_rule(db, NewRule("storage", "storage_used_ratio", 0.8, for_seconds=60))
    used(db, 0.9)
    assert (round_(), states(db)) == ([], ["pending"])
    used(db, 0.1)
    assert (round_(), states(db)) == ([], [])
    used(db, 0.9)
    round_()
    later(db, 61)
    assert round_() == FIRES


def test_each_subject_has_an_alert_and_one_that_is_gone_ends(db: Connection, round_: Round) -> None:
    given_rule(db, BUDGET)
    ada, bob = given_owner(db, "ada"), given_owner(db, "bob")
    spent(db, ada, 9)
    assert round_() == [("budget", f"owner {ada}", "firing")]
    spent(db, bob, 9)
    assert round_() == [("budget", f"owner {bob}", "firing")]
    db.execute("DELETE FROM owners WHERE id = %s", (ada,))
    assert round_() == [("budget", f"owner {ada}", "resolved")]


def test_a_rule_of_an_owner_sees_that_owner_alone(db: Connection, round_: Round) -> None:
    ada, bob = given_owner(db, "ada"), given_owner(db, "bob")
    given_rule(db, BUDGET, owner_id=ada)
    spent(db, bob, 9)
    assert round_() == []
    spent(db, ada, 9)
    assert round_() == [("budget", "", "firing")]
    assert db.execute("SELECT owner_id FROM alerts").fetchall() == [(ada,)]


def test_a_rule_that_cannot_be_judged_fires_with_the_reason(db: Connection, round_: Round) -> None:
    """And alerts that are open stay so: whether they have ended is not known."""
    given_rule(db, BUDGET)
    given_rule(db, STORAGE)
    owner = given_owner(db)
    spent(db, owner, 9)
    used(db, 0.1)
    round_()
    db.execute("ALTER VIEW owner_budgets RENAME TO away")
    used(db, 0.9)
    assert round_() == FIRES  # the other rules go on
    later(db, 31)
    assert round_() == [("budget", "", "firing")]
    rows = db.execute("SELECT subject, state, error FROM alerts WHERE error IS NOT NULL").fetchall()
    assert rows == [("", "firing", "the database refuses the question (UndefinedTable)")]
    db.execute("ALTER VIEW away RENAME TO owner_budgets")
    assert round_() == [("budget", "", "resolved")]
    assert db.execute("SELECT subject FROM alerts WHERE state = 'firing'").fetchall() == [
        (f"owner {owner}",),
        ("",),
    ]


@pytest.mark.parametrize(
    ("error", "age", "said"),
    [
        ("the store refuses our key", 0, "the store refuses our key"),
        (None, 61, "it has not been measured for some time"),
    ],
    ids=["refused", "old"],
)
def test_a_probe_that_says_nothing_fires_with_the_reason(
    db: Connection, round_: Round, error: str | None, age: float, said: str
) -> None:
    given_rule(db, STORAGE)
    given_probe(db, "objects", error=error, age=age)
    assert round_() == []
    later(db, 31)
    assert round_() == FIRES
    assert db.execute("SELECT error FROM alerts").fetchone() == (said,)


def test_a_muted_rule_is_told_when_it_is_not_muted_any_more(db: Connection, round_: Round) -> None:
    given_rule(db, STORAGE)
    db.execute("UPDATE alert_rules SET muted_until = now() + interval '1 hour'")
    used(db, 0.9)
    assert (round_(), states(db)) == ([], ["firing"])
    db.execute("UPDATE alert_rules SET muted_until = NULL")
    assert round_() == FIRES


def test_the_alerts_of_a_rule_that_is_switched_off_end(db: Connection, round_: Round) -> None:
    given_rule(db, STORAGE)
    used(db, 0.9)
    round_()
    db.execute("UPDATE alert_rules SET enabled = false")
    assert (round_(), round_()) == (ENDS, [])


# -- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-3, 3], ids=["back", "forward"])
def test_a_clock_that_jumps_fires_neither_twice_nor_never(
    db: Connection, round_: Round, hours: int
) -> None:
    """A clock that goes forward leaves all times in the past, and the other way round."""
    given_rule(db, STORAGE)
    used(db, 0.9)
    assert round_() == FIRES
    later(db, hours * 3600)
    assert (round_(), round_()) == ([], [])
    used(db, 0.1)
    assert round_() == ENDS
    later(db, 601)
    used(db, 0.9)
    assert round_() == FIRES


def test_what_is_pending_when_the_clock_goes_back_fires_after_its_time(
    db: Connection, round_: Round
) -> None:
    given_rule(db, NewRule("storage", "storage_used_ratio", 0.8, for_seconds=60))
    used(db, 0.9)
    round_()
    later(db, -7200)
    assert round_() == []
    later(db, 61)
    assert round_() == FIRES


# -- the process ----------------------------------------------------------------------------------

# It tells people by a row, in the alert's transaction, and is killed before or after the commit.
_DOOMED = """
import asyncio, os, signal, sys
from keepsake.database import open_connection
from keepsake.monitoring.alerts.evaluation import evaluate

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def notify(connection, alert, event):
    await connection.execute("INSERT INTO told VALUES (%s)", (event,))
    if sys.argv[2] == "before":
        die()

async def main():
    async with open_connection(sys.argv[1]) as connection:
        await evaluate(connection, notify)
        if sys.argv[2] == "after":
            die()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("moments", "left"),
    [(["before", "never"], [0, 1]), (["after", "never"], [1, 1]), (["before", "after"], [0, 1])],
    ids=["before-commit", "after-commit", "both"],
)
def test_an_evaluator_that_is_killed_tells_exactly_once(
    db: Connection, database_url: str, moments: list[str], left: list[int]
) -> None:
    db.execute("CREATE TABLE told (event text)")
    given_rule(db, STORAGE)
    used(db, 0.9)
    for moment, count in zip(moments, left, strict=True):
        child = subprocess.run(
            [sys.executable, "-c", _DOOMED, database_url, moment],
            cwd=Path(__file__).parents[3],
            env=os.environ,
            check=False,
        )
        assert child.returncode == (0 if moment == "never" else -signal.SIGKILL)
        assert len(db.execute("SELECT FROM told").fetchall()) == count
    assert states(db) == ["firing"]


async def test_two_that_judge_at_once_tell_once(db: Connection, database_url: str) -> None:
    """As when one has lost its connection, and does not know yet that another took its place."""
    given_rule(db, STORAGE)
    told: list[Event] = []
    both_judge = asyncio.Event()

    async def notify(_: AsyncConnection, __: Alert, event: Event) -> None:
        await both_judge.wait()
        told.append(event)

    async def judge() -> None:
        async with open_connection(database_url) as connection:
            await evaluate(connection, notify)

    async def wait_for_both() -> None:
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        while not db.execute(waits, (db.info.dbname,)).rowcount:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        both_judge.set()

    for ratio in (0.9, 0.1):
        both_judge.clear()
        used(db, ratio)
        async with asyncio.timeout(20):
            await asyncio.gather(judge(), judge(), wait_for_both())
    assert told == ["firing", "resolved"]


async def test_rules_of_owners_and_about_each_of_them_are_judged_apart(
    db: Connection, database_url: str
) -> None:
    owner = given_owner(db)
    given_rule(db, STORAGE)
    given_rule(db, BUDGET)
    given_rule(db, NewRule("mine", "budget_spent_ratio", 0.8), owner_id=owner)
    used(db, 0.9)
    spent(db, owner, 9)
    told: list[str] = []

    async def notify(_: AsyncConnection, alert: Alert, __: Event) -> None:
        told.append(alert.rule_name)

    async with open_connection(database_url) as connection:
        await evaluate(connection, notify, urgent=True)
        assert told == ["storage"]
        await evaluate(connection, notify, urgent=False)
        assert told == ["storage", "budget", "mine"]


def test_what_goes_wrong_in_telling_is_told_in_the_next_round(
    db: Connection, database_url: str, round_: Round
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    async def judge() -> None:
        async with open_connection(database_url) as connection:
            await evaluate(connection, broken)

    given_rule(db, STORAGE)
    used(db, 0.9)
    asyncio.run(judge())
    assert states(db) == []
    assert round_() == FIRES


def test_alerts_that_ended_long_ago_are_deleted_with_their_log(
    db: Connection, round_: Round
) -> None:
    given_rule(db, STORAGE)
    for ratio in (0.9, 0.1, 0.9):
        used(db, ratio)
        round_()
    later(db, 100 * 86_400)
    db.execute("UPDATE alert_log SET at = at - interval '100 days'")
    assert delete_old_alerts(db, 101) == 0
    assert delete_old_alerts(db, 99) == 1
    assert states(db) == ["firing"]
    assert db.execute("SELECT FROM alert_log").rowcount == 0

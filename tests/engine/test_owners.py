"""Owners in the engine: their turns, their pace, their budgets, and what is held from them."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from keepsake.database import open_pool
from keepsake.owners import budgets, pacing, usage
from keepsake.owners.pacing import OwnerLimits
from keepsake.owners.usage import Amounts, Billing
from keepsake.pipeline.ledger import due, repair
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.pipeline.spec import DEFAULT_CONFIG
from tests.given import on_connection

from .toy import DAY, NOON, STEPS, Source, World

ANOTHER_MONTH = datetime(datetime.now(UTC).year + 2, 1, 1, tzinfo=UTC)
CENTS = Billing(lambda model, amounts: Decimal(amounts.calls) / 100, frozenset({"ears"}))


@pytest.fixture
def other(world: World) -> int:
    """Another owner."""
    row = world.db.execute(
        "INSERT INTO owners (slug, name) VALUES ('bob', 'Bob') RETURNING id"
    ).fetchone()
    assert row is not None
    return int(row[0])


def set_limits(world: World, **limits: Any) -> None:
    """What the tier that everybody has allows in the toy line."""
    world.db.execute(
        "INSERT INTO tier_limits (tier, line, newest, batch, pause_seconds)"
        " VALUES ('free', 'toy', %(newest)s, %(batch)s, %(pause)s)",
        {"newest": None, "batch": None, "pause": 0, **limits},
    )


def set_budget(world: World, usd: str) -> None:
    world.db.execute("UPDATE owners SET monthly_budget = %s WHERE id = 1", (usd,))


def spending(world: World) -> list[tuple[Any, ...]]:
    return world.db.execute(
        "SELECT owner_id, step, model, calls, cost FROM spending ORDER BY 1, 2, 3"
    ).fetchall()


def pays(world: World, *steps: str, calls: int = 1, model: str = "big") -> None:
    """Have these steps call a model."""

    @world.stage.act(*steps)
    async def call(source: Source) -> None:
        usage.record(model, calls=calls)


# -- turns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["the flood", "the other one"])
async def test_a_flood_of_one_owner_does_not_hold_back_another(
    world: World, other: int, first: str
) -> None:
    def flood() -> None:
        world.add(*map(str, range(300)))

    def one() -> None:
        world.add("one", owner_id=other)

    for add in (flood, one) if first == "the flood" else (one, flood):
        add()
    async with world.pool.connection() as connection:
        page = await due.due_records(
            connection, DAY, STEPS, limit=2, without=(), starts=[DAY.start]
        )
    assert len({world_owner(world, record) for record, _ in page}) == 2


def world_owner(world: World, record_id: int) -> int:
    row = world.db.execute("SELECT owner_id FROM records WHERE id = %s", (record_id,)).fetchone()
    assert row is not None
    return int(row[0])


async def test_who_comes_last_does_not_wait_at_a_gate_for_all_that_another_asked_for(
    world: World, other: int
) -> None:
    limiter = EndpointLimiter("ears", 2)
    world.add(*map(str, range(100)))
    served: list[str] = []

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if not served:
            world.add("one", owner_id=other)  # the others stand at the limiter
        async with limiter:
            await asyncio.sleep(0.005)
            served.append(source.text)

    await world.run("hear", mode="due")
    assert served.index("one") < 40


async def test_what_is_urgent_goes_before_anybodys_turn(world: World, other: int) -> None:
    world.add("urgent", "urgent too", priority="urgent")
    world.add("usual", owner_id=other)
    await world.run("hear", mode="due", max_records=2)
    assert sorted(text for _, text in world.calls) == ["urgent", "urgent too"]


# -- pace ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["due", "all"])
async def test_an_owners_paid_records_begin_in_batches_a_pause_apart(
    world: World, other: int, mode: str
) -> None:
    set_limits(world, batch=2, pause=0.2)
    world.billing = CENTS
    world.add(*"abcde")
    world.add("other", owner_id=other)
    began: dict[str, float] = {}

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        began[source.text] = time.monotonic()

    await world.run("hear", mode=mode)
    first = min(began.values())
    mine = sorted(moment - first for text, moment in began.items() if text != "other")
    assert [moment > 0.19 * (at // 2) for at, moment in enumerate(mine)] == [True] * 5
    assert mine[1] < 0.19
    assert began["other"] - first < 0.19


async def test_what_costs_nothing_is_not_paced(world: World) -> None:
    set_limits(world, batch=1, pause=60)
    world.billing = Billing(CENTS.price, frozenset())
    world.add(*"abcde")
    report = await world.run()
    assert report.steps["bind"].made == 5


# -- costs -----------------------------------------------------------------------------------------


async def test_costs_are_booked_with_the_result_by_owner_step_and_model(
    world: World, other: int
) -> None:
    world.billing = CENTS
    world.add("a", "b")
    world.add("c", owner_id=other)
    pays(world, "hear", calls=3)
    report = await world.run()
    assert world.rows("a")["hear"]["cost"] == Decimal("0.03")
    assert report.steps["hear"].usage.cost == Decimal("0.09")
    assert spending(world) == [
        (1, "hear", "big", 6, Decimal("0.06")),
        (other, "hear", "big", 3, Decimal("0.03")),
    ]


async def test_making_it_anew_costs_again(world: World) -> None:
    world.billing = CENTS
    world.add("a")
    pays(world, "hear")
    await world.run("hear")
    await world.run("hear", redo=True)
    assert world.rows("a")["hear"]["cost"] == Decimal("0.02")
    assert spending(world) == [(1, "hear", "big", 2, Decimal("0.02"))]


async def test_an_unknown_price_makes_the_sum_unknown_and_never_nought(world: World) -> None:
    def price(model: str, amounts: Amounts) -> Decimal | None:
        return None if model == "strange" else Decimal(1)

    world.billing = Billing(price, frozenset({"ears"}))
    world.add("a")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")
        usage.record("strange")

    await world.run("hear")
    assert world.rows("a")["hear"]["cost"] is None
    assert spending(world) == [(1, "hear", "big", 1, 1), (1, "hear", "strange", 1, None)]


async def test_what_failed_costs_as_well(world: World) -> None:
    world.billing = CENTS
    world.add("a")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")
        raise ValueError("no")

    await world.run("hear")
    assert world.statuses("a")["hear"] == "failed"
    assert spending(world) == [(1, "hear", "big", 1, Decimal("0.01"))]


# -- budgets ---------------------------------------------------------------------------------------


async def test_a_spent_budget_puts_off_paid_steps_of_that_owner_alone(
    world: World, other: int
) -> None:
    world.billing = CENTS
    set_budget(world, "0.01")
    pays(world, "hear")
    world.add("a")
    await world.run()  # the cent
    world.add("b")
    world.add("c", owner_id=other)
    world.calls.clear()
    report = await world.run()
    assert {text for _, text in world.calls} == {"c"}
    assert report.steps["hear"].over_budget == 1
    assert report.steps["hear"].down is None
    row = world.rows("b")["hear"]
    assert (row["status"], row["wait_reason"], row["attempts"]) == ("pending", "budget", 0)
    assert (row["waits_for"], row["error_type"], row["error_message"]) == (None, None, None)
    assert row["due_at"] > datetime.now(UTC)
    assert (row["due_at"].day, row["due_at"].hour) == (1, 0)


async def test_a_spent_budget_is_not_paced(world: World) -> None:
    world.billing = CENTS
    set_budget(world, "0")
    set_limits(world, batch=1, pause=60)
    world.add("a", "b", "c")
    async with asyncio.timeout(30):
        report = await world.run()
    assert report.steps["hear"].over_budget == 3


async def test_steps_that_cost_nothing_go_on(world: World) -> None:
    world.billing = CENTS
    set_budget(world, "0")
    world.add("a")
    await world.run("hear")
    assert world.calls == []
    world.billing = Billing(CENTS.price, frozenset())
    world.make_due()
    await world.run()
    assert world.record_status("a") == "COMPLETED"


async def test_a_budget_that_runs_out_during_a_run_ends_paid_work_there(world: World) -> None:
    world.billing = CENTS
    set_budget(world, "0.03")
    world.add(*map(str, range(8)))
    one_by_one = asyncio.Lock()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        async with one_by_one:
            usage.record("big")

    set_limits(world, batch=1, pause=0.02)  # so that no more are under way
    report = await world.run("hear")
    assert report.steps["hear"].over_budget >= 8 - 4
    assert sum(row[4] for row in spending(world)) >= Decimal("0.03")


async def test_a_raised_budget_makes_due_what_was_put_off(world: World) -> None:
    world.billing = CENTS
    set_budget(world, "0")
    world.add("a")
    await world.run(mode="due")
    assert not world.rows("a")["tell"]["due"]
    world.db.execute("UPDATE owners SET monthly_budget = 5 WHERE id = 1")
    on_connection(world.db, budgets.release_over_budget, 1)
    await world.run(mode="due")
    assert world.record_status("a") == "COMPLETED"


async def test_a_budget_that_is_raised_during_a_run_loses_nothing_to_the_next_month(
    world: World,
) -> None:
    world.billing = CENTS
    set_budget(world, "0.01")
    world.add(*map(str, range(100)))

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")
        if world.stage.count("hear") == 1:  # now it is spent, and the others' page is read already
            on_connection(world.db, budgets.set_budget, 1, Decimal(5))

    set_limits(world, batch=1, pause=0.001)  # so that no more are under way
    await world.run("hear", mode="due")
    await world.run("hear", mode="due")
    assert world.stage.count("hear") == 100


async def test_a_budget_that_is_raised_while_a_run_writes_is_no_deadlock(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.billing = CENTS
    set_budget(world, "0")
    pays(world, "hear")
    world.add("a")
    await world.run("hear")
    async with open_pool(world.url, size=1) as pool, pool.connection() as raising:
        async with raising.transaction():
            await raising.execute("UPDATE owners SET monthly_budget = 5 WHERE id = 1")
            run = asyncio.create_task(world.run("hear"))
            await until_a_query_waits_for_a_lock(world)
            await budgets.release_over_budget(raising, 1)
        await run
    assert "DeadlockDetected" not in caplog.text  # a run that loses tries again
    row = world.rows("a")["hear"]
    assert (row["status"], row["due"], row["wait_reason"]) == ("pending", True, None)


async def until_a_query_waits_for_a_lock(world: World) -> None:
    query = (
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(1000):
        if world.db.execute(query).fetchone() is not None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("no query waited for a lock")


async def test_pages_that_come_later_follow_the_budget_and_the_tier_of_then(world: World) -> None:
    world.billing = CENTS
    set_limits(world, batch=1, pause=0.001)
    world.add(*map(str, range(DEFAULT_CONFIG.records_in_memory + 20)))

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")
        set_budget(world, "0.01")

    report = await world.run("hear", mode="due")
    assert report.steps["hear"].over_budget == report.records - world.stage.count("hear") > 0


async def test_a_month_that_ends_during_a_run_renews_the_budget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.billing = CENTS
    set_budget(world, "0.01")
    world.add(*map(str, range(DEFAULT_CONFIG.records_in_memory + 20)))
    pays(world, "hear")
    limits, pages = pacing.owner_limits, count()

    async def of_two_months(*args: Any) -> dict[int, OwnerLimits]:
        """The first records come a moment before midnight."""
        found = await limits(*args)
        if next(pages) > 2:
            return {
                record_id: replace(known, spent=Decimal(0), renews_at=ANOTHER_MONTH)
                for record_id, known in found.items()
            }
        return found

    monkeypatch.setattr(pacing, "owner_limits", of_two_months)
    set_limits(world, batch=1, pause=0.001)
    await world.run("hear", mode="due")
    assert world.stage.count("hear") >= 2
    due = world.db.execute("SELECT max(due_at) FROM ledger").fetchone()
    assert due == (ANOTHER_MONTH,)


async def test_what_waits_for_an_unpaid_step_counts_as_over_budget_too(world: World) -> None:
    world.billing = CENTS
    set_budget(world, "0")
    world.add("a")
    report = await world.run(mode="due")
    rows = world.rows("a")
    assert {row["wait_reason"] for row in rows.values()} == {"budget"}
    assert rows["bind"]["waits_for"] == "tell"
    assert rows["bind"]["due_at"] == rows["hear"]["due_at"]
    assert report.steps["bind"].over_budget == 1


# -- holds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [{"mode": "due"}, {"mode": "all"}, {"redo": True}])
async def test_what_is_held_is_made_by_nobody(world: World, order: dict[str, Any]) -> None:
    world.add("a")
    world.db.execute("UPDATE ledger SET hold_reason = 'tier', due_at = NULL WHERE step = 'tag'")
    report = await world.run(**order)
    assert sorted(step for step, _ in world.calls) == ["hear", "tell"]
    assert (report.steps["tag"].held, report.steps["bind"].waiting) == (1, 1)
    assert world.record_status("a") == "COMPLETED"


def test_what_is_held_is_neither_retried_nor_made_anew(world: World) -> None:
    world.add("a")
    world.db.execute(
        "UPDATE ledger SET hold_reason = 'tier', due_at = NULL, status = 'failed'"
        " WHERE step = 'tag'"
    )
    world.db.execute(
        "UPDATE ledger SET wait_reason = 'need', waits_for = 'tag', due_at = NULL"
        " WHERE step = 'bind'"
    )
    assert repair.retry(world.db) == 0
    assert not repair.redo(world.db, 1, 1, "tag")
    assert {world.rows("a")[step]["due_at"] for step in ("tag", "bind")} == {None}


async def test_what_comes_to_be_held_during_a_run_stays_held_unless_it_is_made(
    world: World,
) -> None:
    world.add("made", "not made")

    @world.stage.act("tag")
    async def tag(source: Source) -> None:
        world.db.execute(
            "UPDATE ledger SET hold_reason = 'tier', due_at = NULL WHERE step = 'tag'"
            " AND record_id IN (SELECT id FROM records WHERE external_id = %s)",
            (source.text,),
        )
        if source.text == "not made":
            raise ValueError("no")

    await world.run("hear", "tag")
    assert (world.rows("made")["tag"]["status"], world.rows("made")["tag"]["hold_reason"]) == (
        "succeeded", None,
    )  # fmt: skip
    assert world.rows("not made")["tag"]["hold_reason"] == "tier"


def test_a_step_that_is_switched_off_is_held_and_released_when_it_is_on_again(
    world: World,
) -> None:
    world.add("a")
    repair.hold_switched_off(world.db, {"tag"})
    assert (world.rows("a")["tag"]["hold_reason"], world.rows("a")["tag"]["due_at"]) == (
        "off",
        None,
    )
    repair.hold_switched_off(world.db, set())
    row = world.rows("a")["tag"]
    assert (row["hold_reason"], row["due"]) == (None, True)


@pytest.mark.parametrize("status", ["failed", "running"])
def test_what_had_failed_or_was_in_the_hands_of_a_dead_run_is_switched_off_too(
    world: World, status: str
) -> None:
    world.add("a")
    due = "NULL" if status == "failed" else "now()"
    world.db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL")
    world.db.execute(f"UPDATE ledger SET status = %s, due_at = {due} WHERE step = 'tag'", (status,))
    repair.hold_switched_off(world.db, {"tag"})
    assert world.record_status("a") == "COMPLETED"
    assert repair.retry(world.db) == 0
    repair.hold_switched_off(world.db, set())
    row = world.rows("a")["tag"]
    assert row["status"] == ("failed" if status == "failed" else "pending")
    assert row["due"] is (None if status == "failed" else True)


def test_what_waits_for_what_failed_is_switched_off_too(world: World) -> None:
    world.add("a")
    world.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'hear'")
    world.db.execute("UPDATE ledger SET due_at = NULL, wait_reason = 'need' WHERE step = 'tag'")
    repair.hold_switched_off(world.db, {"tag"})
    assert repair.retry(world.db) == 1
    row = world.rows("a")["tag"]
    assert (row["hold_reason"], row["due_at"]) == ("off", None)
    repair.hold_switched_off(world.db, set())
    assert world.rows("a")["tag"]["due"] is True


def test_what_the_tier_holds_is_not_released_by_a_switch(world: World) -> None:
    world.add("a")
    world.db.execute("UPDATE ledger SET hold_reason = 'tier', due_at = NULL WHERE step = 'tag'")
    repair.hold_switched_off(world.db, {"tag"})
    repair.hold_switched_off(world.db, set())
    assert world.rows("a")["tag"]["hold_reason"] == "tier"


def test_released_work_of_a_schedule_waits_for_it(world: World) -> None:
    world.add("a", at=NOON)
    repair.hold_switched_off(world.db, {"tag"})
    repair.hold_switched_off(world.db, set(), later={"tag"})
    row = world.rows("a")["tag"]
    assert (row["hold_reason"], row["due_at"]) == (None, None)

"""Each attempt at a step leaves a row, and whatever happens to a write, it counts once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from psycopg.rows import dict_row

from keepsake.database import open_pool
from keepsake.errors import EndpointDown, PermanentError, RetryableError
from keepsake.owners import usage
from keepsake.owners.usage import Billing
from keepsake.pipeline.ledger.attempts import delete_old_attempts, timeline
from keepsake.pipeline.ledger.repair import redo
from tests.doubles.proxy import LosingProxy, losing_proxy

from .toy import STEPS, Source, World

CENTS = Billing(lambda model, amounts: Decimal(amounts.calls) / 100, frozenset({"ears"}))


def attempts(world: World, record_id: int, step: str) -> list[dict[str, Any]]:
    """What is kept of the attempts at a step."""
    return [row for row in timeline(world.db, 1, record_id) if row["step"] == step]


# -- history ---------------------------------------------------------------------------------------


async def test_an_attempt_that_was_retried_leaves_its_error_and_its_cost(world: World) -> None:
    world.billing = CENTS
    record_id = world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big", tokens_in=10, tokens_out=1)
        if world.stage.count("hear") < 3:
            raise RetryableError("502 from the endpoint")

    await world.run("hear")
    tried = attempts(world, record_id, "hear")
    columns = ("attempt", "outcome", "error_type", "retryable")
    assert [tuple(row[name] for name in columns) for row in tried] == [
        (1, "retried", "RetryableError", True),
        (2, "retried", "RetryableError", True),
        (3, "succeeded", None, None),
    ]
    assert {(row["calls"], row["tokens_in"], row["cost"]) for row in tried} == {
        (1, 10, Decimal("0.01"))
    }
    assert {row["run_id"] for row in tried} == {"run-1"}
    assert [row["models"] for row in tried] == [["big"]] * 3
    ledger = world.rows("x")["hear"]
    assert (ledger["attempts"], ledger["calls"], ledger["cost"]) == (3, 3, Decimal("0.03"))


@pytest.mark.parametrize(
    ("error", "outcome", "retryable"),
    [
        (PermanentError("no words"), "failed", False),
        (EndpointDown("401: the key is refused", role="ears"), "deferred", True),
        (KeyError("x"), "failed", False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_how_the_last_attempt_ended_is_kept(
    world: World, error: Exception, outcome: str, retryable: bool
) -> None:
    record_id = world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise error

    await world.run("hear")
    [tried] = attempts(world, record_id, "hear")
    assert (tried["outcome"], tried["retryable"]) == (outcome, retryable)
    assert tried["error_type"] == type(error).__name__


async def test_the_history_goes_on_over_runs_and_says_whose_it_is(world: World) -> None:
    record_id = world.add("x")
    await world.run()
    redo(world.db, 1, record_id, "tag")
    await world.run(mode="due")
    history = timeline(world.db, 1, record_id)
    assert [row["run_id"] for row in history] == ["run-1"] * 4 + ["run-2"]
    assert [row["step"] for row in history if row["run_id"] == "run-2"] == ["tag"]
    owners = world.db.execute("SELECT DISTINCT owner_id FROM step_attempts").fetchall()
    assert owners == [(1,)]


async def test_a_step_that_waits_or_is_up_to_date_was_not_attempted(world: World) -> None:
    record_id = world.add("x")
    await world.run("tell")
    assert timeline(world.db, 1, record_id) == []


async def test_the_history_holds_nothing_of_what_an_error_says(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise PermanentError("grandmother said")

    await world.run("hear")
    with world.db.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("SELECT * FROM step_attempts").fetchall()
    assert rows
    assert "grandmother" not in str(rows)


async def test_the_history_of_a_deleted_record_goes_with_it(world: World) -> None:
    world.add("x")
    await world.run()
    world.db.execute("DELETE FROM records")
    assert world.db.execute("SELECT count(*) FROM step_attempts").fetchone() == (0,)


async def test_attempts_older_than_the_days_to_keep_are_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.pipeline.ledger.attempts.DELETED_AT_ONCE", 2)
    record_id = world.add("x")
    await world.run()
    world.db.execute(
        "UPDATE step_attempts SET started_at = started_at - interval '91 days' WHERE step <> 'bind'"
    )
    assert delete_old_attempts(world.db, 90) == 3
    assert [row["step"] for row in timeline(world.db, 1, record_id)] == ["bind"]
    assert world.record_status("x") == "COMPLETED"


# -- nothing counts twice --------------------------------------------------------------------------


def counted(world: World) -> dict[str, Any]:
    """All that a write adds to."""
    queries = {
        "results": "SELECT count(*) FROM toy",
        "ledger": "SELECT sum(calls), sum(cost), sum(attempts) FROM ledger",
        "spending": "SELECT sum(calls), sum(cost) FROM spending",
        "attempts": "SELECT count(*), sum(cost) FROM step_attempts",
    }
    return {name: world.db.execute(query).fetchone() for name, query in queries.items()}


@pytest.mark.parametrize("losses", [1, 3])
async def test_a_write_whose_answer_is_lost_counts_once(world: World, losses: int) -> None:
    world.billing = CENTS
    world.add("x", "y", "z")
    proxy: LosingProxy

    @world.stage.act(*STEPS)
    async def call(source: Source) -> None:
        usage.record("big")
        if len(world.calls) == 1:
            proxy.losing = losses

    async with losing_proxy(world.url) as (proxy, address), open_pool(address) as pool:
        report = await replace(world, pool=pool).run()
    assert proxy.lost == losses
    assert report.steps["bind"].made == 3
    assert counted(world) == {
        "results": (12,),
        "ledger": (12, Decimal("0.12"), 12),
        "spending": (12, Decimal("0.12")),
        "attempts": (12, Decimal("0.12")),
    }


async def test_a_failure_whose_answer_is_lost_counts_once(world: World) -> None:
    world.billing = CENTS
    world.add("x")
    proxy: LosingProxy

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")
        proxy.losing = 1
        raise PermanentError("no audio")

    async with losing_proxy(world.url) as (proxy, address), open_pool(address) as pool:
        await replace(world, pool=pool).run("hear")
    assert proxy.lost == 1
    assert world.statuses("x")["hear"] == "failed"
    assert counted(world)["ledger"] == (1, Decimal("0.01"), 1)
    assert counted(world)["spending"] == (1, Decimal("0.01"))

"""What a run makes is counted in the transaction that writes it, once, and never goes back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from keepsake.database import open_pool
from keepsake.errors import EndpointDown, PermanentError, RetryableError
from keepsake.metrics.counts import observe
from keepsake.metrics.totals import totals
from keepsake.owners import usage
from keepsake.owners.usage import Billing
from keepsake.pipeline.ledger.repair import redo, retry_record
from keepsake.pipeline.line import Nothing
from tests.doubles.proxy import LosingProxy, losing_proxy

from .test_crashes import start_doomed, wait_until_stored
from .toy import STEPS, Source, World

CENTS = Billing(lambda model, amounts: Decimal(amounts.calls) / 100, frozenset({"ears"}))
RECORDS = "keepsake_records_total"
STEPS_TOTAL = "keepsake_steps_total"
CALLS = "keepsake_model_calls_total"


async def everything(world: World) -> Mapping[tuple[str, ...], float]:
    """The totals: (metric, *labels) and the value."""
    async with world.pool.connection() as connection:
        found = await totals(connection)
    return {(series.metric, *series.labels): total.value for series, total in found.items()}


async def of(world: World, metric: str) -> dict[tuple[str, ...], float]:
    """The totals of one metric, by its labels."""
    found = await everything(world)
    return {labels: value for (name, *rest), value in found.items()
            if name == metric for labels in [tuple(rest)]}  # fmt: skip


# -- records ---------------------------------------------------------------------------------------


async def test_a_record_counts_once_with_what_became_of_it(world: World) -> None:
    world.add("good", "half", "bad")

    @world.stage.act("hear", "tag")
    async def act(source: Source) -> None:
        if (source.text, world.calls[-1][0]) in {("bad", "hear"), ("half", "tag")}:
            raise PermanentError("no")

    await world.run()
    assert await of(world, RECORDS) == {
        ("toy", "completed", "other"): 1,
        ("toy", "partial_success", "other"): 1,
        ("toy", "failed", "other"): 1,
    }
    durations = await of(world, "keepsake_record_duration_seconds_bucket")
    assert sum(durations.values()) == 3


async def test_a_record_of_which_something_is_put_off_counts_when_that_is_done(
    world: World,
) -> None:
    world.add("x")

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        raise EndpointDown("401: the key is refused", role="ears")

    await world.run()
    assert await of(world, RECORDS) == {}
    world.stage.acts.clear()
    world.make_due()
    await world.run(mode="due")
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 1}


async def test_a_record_that_is_made_again_counts_again_and_once(world: World) -> None:
    record_id = world.add("x")
    world.with_config(flush_outcomes=1)  # each step is written by itself
    await world.run()
    redo(world.db, 1, record_id, "hear", "tell", "tag", "bind")

    @world.stage.act("bind")
    async def bind(source: Source) -> None:
        await asyncio.sleep(0.2)  # what it needs is written by then

    await world.run(mode="due")
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 2}


async def test_a_record_without_work_does_not_count(world: World) -> None:
    world.add("x")
    await world.run()
    await world.run()
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 1}


async def test_a_record_counts_though_its_last_step_finds_nothing(world: World) -> None:
    world.add("x")

    @world.stage.act("bind")
    async def bind(source: Source) -> Nothing:
        return Nothing("nothing to bind")

    await world.run()
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 1}


async def test_the_platform_is_what_the_line_says_of_the_record(world: World) -> None:
    world.add("x")
    world.line = replace(world.line, platform=lambda source: f"a {source.text}")
    await world.run()
    assert await of(world, RECORDS) == {("toy", "completed", "a x"): 1}


async def test_records_that_are_added_count_and_duplicates_do_not(world: World) -> None:
    world.add("x", "y", "x")
    world.add("y", "z")
    assert await of(world, "keepsake_records_added_total") == {("toy", "other"): 3}


# -- steps -----------------------------------------------------------------------------------------


async def test_a_step_that_failed_counts_as_such_though_its_earlier_result_stays(
    world: World,
) -> None:
    record_id = world.add("x")
    await world.run("hear")
    redo(world.db, 1, record_id, "hear")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise PermanentError("no audio any more")

    await world.run("hear", mode="due")
    assert world.statuses("x")["hear"] == "succeeded"
    assert await of(world, STEPS_TOTAL) == {
        ("toy", "hear", "succeeded"): 1,
        ("toy", "hear", "failed"): 1,
    }


async def test_how_long_a_step_was_due_before_its_first_attempt_is_measured(world: World) -> None:
    world.add("x")
    world.db.execute("UPDATE ledger SET due_at = now() - interval '100 s' WHERE step = 'hear'")
    world.with_retry(attempts=2)

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if len(world.calls) == 1:
            raise RetryableError("502")

    await world.run("hear", mode="due")
    assert await of(world, "keepsake_step_start_delay_seconds_bucket") == {("toy", "300"): 1}
    (seconds,) = (await of(world, "keepsake_step_start_delay_seconds_sum")).values()
    assert 100 < seconds < 130


# -- calls -----------------------------------------------------------------------------------------


async def test_calls_of_attempts_that_were_retried_count_too(world: World) -> None:
    world.billing = CENTS
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big", tokens_in=10, tokens_out=1)
        observe("keepsake_model_request_duration_seconds", 1.5, model="big")
        if world.stage.count("hear") < 3:
            raise RetryableError("502 after the answer")

    await world.run("hear")
    assert await of(world, CALLS) == {("big",): 3}
    assert await of(world, "keepsake_model_tokens_total") == {
        ("big", "input"): 30,
        ("big", "output"): 3,
    }
    assert await of(world, "keepsake_model_cost_usd_total") == {("big",): pytest.approx(0.03)}
    assert await of(world, "keepsake_model_request_duration_seconds_bucket") == {("big", "2"): 3}
    assert await of(world, "keepsake_model_unpriced_calls_total") == {}


async def test_a_call_without_a_price_is_counted_as_such(world: World) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("new", audio_seconds=12.5, characters=7)

    await world.run("hear")
    assert await of(world, "keepsake_model_unpriced_calls_total") == {("new",): 1}
    assert await of(world, "keepsake_model_cost_usd_total") == {}
    assert await of(world, "keepsake_model_audio_seconds_total") == {("new",): 12.5}
    assert await of(world, "keepsake_model_characters_total") == {("new",): 7}


# -- once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [1, 3])
async def test_a_write_whose_answer_is_lost_is_counted_once(world: World, losses: int) -> None:
    world.billing = CENTS
    world.add("x", "bad")
    proxy: LosingProxy

    @world.stage.act(*STEPS)
    async def call(source: Source) -> None:
        usage.record("big")
        if len(world.calls) == 1:
            proxy.losing = losses
        if source.text == "bad":  # the steps after it wait, and were not attempted
            raise PermanentError("no audio")

    async with losing_proxy(world.url) as (proxy, address), open_pool(address) as pool:
        await replace(world, pool=pool).run()
    assert proxy.lost == losses
    assert await of(world, CALLS) == {("big",): 5}
    assert await of(world, STEPS_TOTAL) == {
        **{("toy", step, "succeeded"): 1 for step in STEPS},
        ("toy", "hear", "failed"): 1,
        **{("toy", step, "waiting"): 1 for step in STEPS[1:]},
    }
    assert await of(world, RECORDS) == {
        ("toy", "completed", "other"): 1,
        ("toy", "failed", "other"): 1,
    }


async def test_a_killed_run_counts_what_it_wrote_and_the_next_one_the_rest(world: World) -> None:
    world.add("endless", "done")
    doomed = start_doomed(world)
    wait_until_stored(world, "done", "bind")
    wait_until_stored(world, "endless", "hear", "tag")
    doomed.kill()
    doomed.wait()
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 1}
    await world.run(mode="due")
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 2}
    assert await of(world, STEPS_TOTAL) == {("toy", step, "succeeded"): 2 for step in STEPS}


async def test_a_cancelled_run_counts_what_it_finished(world: World) -> None:
    world.add("x")
    in_tell = asyncio.Event()

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        in_tell.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(world.run())
    await in_tell.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await of(world, STEPS_TOTAL))["toy", "hear", "succeeded"] == 1
    world.stage.acts.clear()
    await world.run(mode="due")
    assert await of(world, STEPS_TOTAL) == {("toy", step, "succeeded"): 1 for step in STEPS}
    assert await of(world, RECORDS) == {("toy", "completed", "other"): 1}


async def test_totals_stay_when_records_and_owners_go(world: World) -> None:
    world.add("x")
    await world.run()
    before = await everything(world)
    world.db.execute("DELETE FROM records")
    world.db.execute("DELETE FROM owners")
    assert await everything(world) == before
    assert world.db.execute("SELECT count(*) FROM owner_metrics").fetchone() == (0,)


# -- of owners -------------------------------------------------------------------------------------


async def test_an_owner_has_figures_of_its_own_and_no_others(world: World) -> None:
    world.db.execute("INSERT INTO owners (slug, name) VALUES ('bob', 'Bob')")
    world.billing = CENTS
    world.add("x", owner_id=1)
    world.add("y", "z", owner_id=2)

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        usage.record("big")

    await world.run()
    rows = world.db.execute(
        "SELECT owner_id, value FROM owner_metrics WHERE metric = %s ORDER BY 1", (RECORDS,)
    ).fetchall()
    assert rows == [(1, 1.0), (2, 2.0)]
    kept = {name for (name,) in world.db.execute("SELECT DISTINCT metric FROM owner_metrics")}
    assert kept == {
        RECORDS, "keepsake_record_duration_seconds_bucket", "keepsake_record_duration_seconds_sum",
        STEPS_TOTAL, "keepsake_step_duration_seconds_bucket", "keepsake_step_duration_seconds_sum",
    }  # fmt: skip


async def test_figures_of_an_owner_add_up_in_five_minutes(world: World) -> None:
    record_id = world.add("x")
    for _ in range(3):
        retry_record(world.db, 1, record_id)
        redo(world.db, 1, record_id, "tag")
        await world.run(mode="due")
    rows = world.db.execute(
        "SELECT sum(value), bool_and(extract(epoch FROM at)::int %% 300 = 0) FROM owner_metrics"
        " WHERE metric = %s AND labels LIKE 'toy_tag_succeeded'", (STEPS_TOTAL,)
    ).fetchone()  # fmt: skip
    assert rows == (3.0, True)

"""What a second run makes anew: exactly what is no longer made from what it would be made from."""

from typing import Any

import pytest

from keepsake.errors import PermanentError
from keepsake.pipeline.ledger.repair import redo

from .toy import STEPS, TOY, Source, World, with_step


async def made_by(world: World, **order: Any) -> set[str]:
    """The steps that a run calls."""
    world.calls.clear()
    report = await world.run(**order)
    called = {step for step, _ in world.calls}
    assert {step for step, of in report.steps.items() if of.made} == called
    return called


@pytest.mark.parametrize("mode", ["due", "all"])
async def test_the_same_order_again_calls_nothing(world: World, mode: str) -> None:
    world.add("x", "y")
    await world.run(mode=mode)
    world.calls.clear()
    report = await world.run(mode=mode)
    assert world.calls == []
    looked_at = 2 if mode == "all" else 0
    assert report.expected == looked_at
    assert {step.up_to_date for step in report.steps.values()} == {looked_at}


async def test_a_new_version_of_a_step_makes_it_and_what_is_made_from_it_stale(
    world: World,
) -> None:
    world.add("x")
    await world.run()

    @world.stage.act("tell")
    async def tell(source: Source) -> str:
        return "told better"

    world.line = with_step(TOY, "tell", version="2")
    assert await made_by(world) == {"tell", "bind"}
    assert world.results("x")["bind"] == "bind(told better,tag(hear(x)))"
    assert await made_by(world) == set()


async def test_another_model_makes_stale_what_its_role_makes(world: World) -> None:
    world.add("x")
    world.models = {"ears": "good", "mouth": "good"}
    await world.run()
    world.models = {"ears": "good", "mouth": "better"}
    assert await made_by(world) == set()
    world.models = {"ears": "better", "mouth": "better"}
    assert await made_by(world) == {"hear"}  # and it gave the same again


async def test_other_content_makes_all_of_its_record_stale_and_no_other(world: World) -> None:
    world.add("x", "y")
    await world.run()
    world.db.execute("UPDATE records SET content_hash = 'other' WHERE external_id = 'y'")
    assert await made_by(world) == set(STEPS)
    assert {text for _, text in world.calls} == {"y"}


async def test_a_remake_with_the_same_result_leaves_what_is_made_from_it(world: World) -> None:
    world.add("x")
    await world.run()
    world.line = with_step(TOY, "hear", version="2")
    assert await made_by(world) == {"hear"}


async def test_only_the_output_key_of_a_result_makes_others_stale(world: World) -> None:
    world.line = with_step(TOY, "hear", output_key=str.lower)
    world.add("x")
    await world.run()

    @world.stage.act("hear")
    async def hear(source: Source) -> str:
        return "HEAR(X)"

    world.line = with_step(world.line, "hear", version="2")
    assert await made_by(world) == {"hear"}
    assert world.results("x")["hear"] == "HEAR(X)"


async def test_a_sensors_run_leaves_stale_results_alone(world: World) -> None:
    world.add("x")
    await world.run(mode="due")
    world.line = with_step(TOY, "tell", version="2")
    world.db.execute("UPDATE ledger SET due_at = now() WHERE step = 'tag'")
    assert await made_by(world, mode="due") == {"tag"}
    assert await made_by(world, mode="all") == {"tell"}


async def test_a_sensors_run_carries_on_what_it_made_anew(world: World) -> None:
    world.add("x")
    await world.run(mode="due")
    world.db.execute("UPDATE ledger SET due_at = now() WHERE step = 'tell'")

    @world.stage.act("tell")
    async def tell(source: Source) -> str:
        return "told otherwise"

    assert await made_by(world, mode="due") == {"tell", "bind"}
    assert world.results("x")["bind"] == "bind(told otherwise,tag(hear(x)))"


async def test_redo_makes_again_what_is_up_to_date(world: World) -> None:
    world.add("x")
    await world.run()
    assert await made_by(world, redo=True) == set(STEPS)
    assert world.rows("x")["bind"]["attempts"] == 2


async def test_a_backfill_takes_the_failed_too_and_a_sensor_does_not(world: World) -> None:
    world.add("x")
    world.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'hear'")
    world.db.execute("UPDATE ledger SET due_at = NULL WHERE step <> 'hear'")
    assert await made_by(world, mode="due") == set()
    assert await made_by(world, mode="all") == set(STEPS)


async def test_what_waited_outside_a_run_is_woken_by_it(world: World) -> None:
    world.add("x")
    waiting = await world.run("tell", "tag", mode="due")
    assert waiting.steps["tell"].waiting == 1
    assert world.rows("x")["tell"]["due_at"] is None
    assert world.rows("x")["tell"]["wait_reason"] == "need"
    assert world.rows("x")["tell"]["waits_for"] == "hear"
    assert world.rows("x")["tell"]["error_type"] is None
    await world.run("hear", mode="due", mark_due=("tell",))
    assert world.rows("x")["tell"]["due"]
    assert world.rows("x")["tell"]["wait_reason"] is None
    assert world.rows("x")["tag"]["due_at"] is None  # left to a schedule


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_asked_for_while_a_run_makes_it_is_made_once_more(
    world: World, fails: bool
) -> None:
    record_id = world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> str:
        if world.stage.count("hear") == 1:
            redo(world.db, 1, record_id, "hear", "tell")
            if fails:
                raise PermanentError("no")
        return f"heard {world.stage.count('hear')}"

    await world.run()
    assert world.rows("x")["hear"]["due"]
    await world.run(mode="due")
    assert world.results("x")["hear"] == "heard 2"
    assert world.results("x")["bind"] == "bind(tell(heard 2),tag(heard 2))"
    assert not any(row["due"] for row in world.rows("x").values())

"""A step that finds nothing to make is done, says why, and leaves nothing of an earlier result."""

from keepsake.errors import PermanentError
from keepsake.pipeline.line import Nothing

from .toy import Source, World

WHY = "1 word, a tale needs 8"


def has_nothing_to_tell(world: World) -> None:
    @world.stage.act("tell")
    async def tell(source: Source) -> Nothing:
        return Nothing(WHY)


async def test_the_step_has_succeeded_and_the_ledger_says_why(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    report = await world.run()
    row = world.rows("x")["tell"]
    assert (row["status"], row["nothing_reason"], row["error_message"]) == ("succeeded", WHY, None)
    assert world.rows("x")["tag"]["nothing_reason"] is None
    assert (report.steps["tell"].nothing, report.steps["tell"].made) == (1, 0)
    assert "tell 1 nothing to make" in report.line()


async def test_the_record_is_completed(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run()
    assert world.record_status("x") == "COMPLETED"


async def test_a_step_that_needs_it_gets_nothing_in_its_place(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run()
    assert world.results("x")["bind"] == "bind(nothing,tag(hear(x)))"


async def test_so_it_does_in_a_later_run(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run("hear", "tell", "tag", mode="due")
    await world.run("bind", mode="due")
    assert world.results("x")["bind"] == "bind(nothing,tag(hear(x)))"


async def test_it_is_up_to_date_and_not_looked_for_again(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run()
    world.calls.clear()
    await world.run()
    assert world.calls == []


async def test_an_earlier_result_goes_and_what_was_made_of_it_is_made_without_it(
    world: World,
) -> None:
    world.add("x")
    await world.run()
    has_nothing_to_tell(world)
    world.db.execute("UPDATE ledger SET due_at = now() WHERE step = 'tell'")
    await world.run(mode="due")
    assert world.results("x") == {
        "hear": "hear(x)", "tag": "tag(hear(x))", "bind": "bind(nothing,tag(hear(x)))",
    }  # fmt: skip


async def test_the_reason_goes_when_something_is_made(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run()
    del world.stage.acts["tell"]
    await world.run(redo=True)
    assert world.rows("x")["tell"]["nothing_reason"] is None
    assert world.results("x")["bind"] == "bind(tell(hear(x)),tag(hear(x)))"


async def test_a_remake_that_fails_leaves_it_as_it_was(world: World) -> None:
    has_nothing_to_tell(world)
    world.add("x")
    await world.run()

    @world.stage.act("tell")
    async def tell(source: Source) -> str:
        raise PermanentError("it is no tale")

    await world.run("tell", redo=True)
    row = world.rows("x")["tell"]
    assert (row["status"], row["nothing_reason"]) == ("succeeded", WHY)

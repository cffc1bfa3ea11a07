"""What runs make is in the figures: of its owner, of the whole system, and of no other owner."""

import pytest

from keepsake.database import owner_transaction
from keepsake.errors import PermanentError
from keepsake.monitoring import insights

from .toy import Source, World


@pytest.fixture
async def made(world: World) -> World:
    """One record of Ada's was made, one in part, one not at all."""
    world.db.execute("INSERT INTO owners (slug, name) VALUES ('ben', 'Ben')")
    world.add("good", "half", "bad")

    @world.stage.act("hear", "tag")
    async def act(source: Source) -> None:
        if (source.text, world.calls[-1][0]) in {("bad", "hear"), ("half", "tag")}:
            raise PermanentError("no")

    await world.run()
    return world


async def test_periods_have_what_became_of_records(made: World) -> None:
    found = {}
    for owner_id in (1, 2):
        async with owner_transaction(made.pool, owner_id) as connection:
            found[owner_id] = (await insights.dashboard(connection, owner_id=owner_id)).today
    async with made.pool.connection() as connection:
        of_all = (await insights.dashboard(connection, owner_id=None)).today
    for today in (found[1], of_all):
        assert (today.completed, today.partial_success, today.failed, today.total) == (1, 1, 1, 3)
        assert today.average_seconds is not None
    assert found[2].total == 0


async def test_what_failed_is_grouped_by_step_and_type(made: World) -> None:
    async with owner_transaction(made.pool, 1) as connection:
        found = await insights.errors(connection, owner_id=1)
    assert {
        (each.step, each.error_type, each.retryable, each.records) for each in found.groups
    } == {
        ("hear", "PermanentError", False, 1),
        ("tag", "PermanentError", False, 1),
    }


async def test_lines_and_steps_have_their_times(made: World) -> None:
    async with made.pool.connection() as connection:
        found = await insights.performance(connection, owner_id=None)
    assert [(each.line, each.count) for each in found.latencies] == [("toy", 3)]
    hear = next(step for step in found.steps if step.step == "hear")
    assert (hear.count, hear.failed) == (3, 1)
    assert hear.p95 is not None

"""Real faults: a model endpoint stops, the store fills up, a budget is spent; and their repair."""

from pathlib import Path

from keepsake.clients.objects import open_objects
from keepsake.database import Connection, open_pool
from keepsake.local.ports import free_port
from keepsake.monitoring.alerts.rules import BUILT_IN, NewRule
from keepsake.monitoring.probes import PROBES, carry_out
from keepsake.settings import Settings
from tests.clients.conftest import Opens
from tests.clients.conftest import models_on as models_on
from tests.doubles.openai_api import OpenAI
from tests.engine.conftest import world as world
from tests.engine.toy import Source, World
from tests.monitoring.alerts.conftest import given_rule, judge_once


def built_in(metric: str) -> NewRule:
    """The first built-in rule of a metric."""
    return next(rule for rule in BUILT_IN if rule.metric == metric)


async def test_a_model_endpoint_that_stops_is_told_until_what_was_put_off_is_made(
    world: World, models_on: Opens
) -> None:
    rule = built_in("endpoint_failures")
    given_rule(world.db, rule)
    address = f"http://127.0.0.1:{free_port()}/v1"
    async with (
        models_on(OpenAI(), embeddings_base_url=address) as dead,
        models_on(OpenAI()) as live,
    ):
        models = dead

        @world.stage.act("hear")
        async def embed(source: Source) -> None:
            await models.embeddings.embed([source.text])

        world.add("x")
        await world.run()
        assert await judge_once(world.url) == [(rule.name, "", "firing")]
        assert await judge_once(world.url) == []
        models = live
        world.db.execute("UPDATE ledger SET due_at = now() WHERE due_at IS NOT NULL")
        await world.run()
        assert world.statuses("x")["bind"] == "succeeded"
        assert await judge_once(world.url) == [(rule.name, "", "resolved")]


async def test_a_store_that_fills_up_is_told_until_there_is_room(
    db: Connection, database_url: str, tmp_path: Path
) -> None:
    rule = built_in("storage_used_ratio")
    given_rule(db, rule)
    settings = Settings.model_validate({"keepsake_home": tmp_path, "objects_quota": "1kB"})
    objects = open_objects(settings)
    async with open_pool(database_url) as pool:
        for size, told in ((700, []), (801, ["firing"]), (790, []), (780, ["resolved"])):
            await objects.put_bytes("episode", b"x" * size)
            await carry_out(pool, PROBES["objects"], settings)
            assert [event for *_, event in await judge_once(database_url)] == told

"""What a receiver gets of a run: its tree of spans, retries and errors, and no content."""

import asyncio
import os
import subprocess
import sys
from typing import get_args

import pytest
from pydantic import BaseModel

from keepsake.clients.models import Models
from keepsake.errors import PermanentError, RetryableError
from keepsake.pipeline.line import Nothing
from keepsake.traces.spans import Attribute, exported, span
from tests.clients.conftest import Opens
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import error
from tests.engine.toy import Source, World
from tests.pages import ROOT

from .conftest import At

MARK = "zebra-4711"  # stands for what a person said


class Story(BaseModel):
    title: str


def telling(world: World, models: Models) -> None:
    """Have the step `tell` ask the chat model and the embeddings model about its record."""

    @world.stage.act("tell")
    async def tell(source: Source) -> None:
        await models.chat.ask(Story, system=MARK, user=source.text)
        await models.embeddings.embed([source.text])


async def test_a_record_is_a_trace_of_its_steps_and_their_model_calls(
    world: World, models_on: Opens, at: At
) -> None:
    record_id = world.add(MARK)
    async with models_on(OpenAI(), chat_model="luna") as models:
        telling(world, models)
        with exported(at.receiver, "run"):
            await world.run()
    assert at.double.tree("record toy") == {
        "record toy": {
            "step hear": {},
            "step tell": {"chat luna": {}},
            "step tag": {},
            "step bind": {},
        }
    }
    run, record, step = (at.double.one(f"{of}") for of in ("run toy", "record toy", "step tell"))
    assert run.parent == ""
    assert run.attributes == {
        "keepsake.line": "toy",
        "keepsake.run.id": "run-1",
        "keepsake.records": 1,
    }
    assert (record.parent, {*record.links}) == ("", {run.id})
    assert record.attributes == {
        "keepsake.line": "toy",
        "keepsake.run.id": "run-1",
        "keepsake.record.id": record_id,
    }
    assert step.attributes == {
        "keepsake.line": "toy",
        "keepsake.step": "tell",
        "keepsake.record.id": record_id,
        "keepsake.attempts": 1,
        "keepsake.outcome": "succeeded",
    }
    assert len({span.trace for span in at.double.spans if span.name != "run toy"}) == 2
    assert {span.part for span in at.double.spans} == {"run"}


async def test_a_model_call_has_the_names_of_the_conventions_and_its_tokens(
    world: World, models_on: Opens, at: At
) -> None:
    world.add("x")
    async with models_on(OpenAI(), chat_model="luna", embeddings_model="vectors") as models:
        telling(world, models)
        with exported(at.receiver, "run"):
            await world.run()
    chat, embeddings = at.double.one("chat luna"), at.double.one("embeddings vectors")
    assert chat.kind == embeddings.kind == "CLIENT"
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "luna",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
    }
    assert embeddings.attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "vectors",
        "gen_ai.usage.input_tokens": 1,
    }


async def test_a_call_for_the_texts_of_several_records_is_linked_to_the_step_of_each(
    world: World, models_on: Opens, at: At
) -> None:
    world.add("x", "y")
    together = asyncio.Barrier(2)
    async with models_on(OpenAI(), embeddings_model="vectors") as models:

        @world.stage.act("hear")
        async def hear(source: Source) -> None:
            async with together:
                await models.embeddings.embed([source.text])

        with exported(at.receiver, "run"):
            await world.run("hear")
    call = at.double.one("embeddings vectors")
    steps = {step.id for step in at.double.named("step hear")}
    assert (call.parent, {*call.links}) == ("", steps)
    assert len(steps) == 2


async def test_each_retry_is_an_event_of_its_step(world: World, at: At) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        if world.stage.count("hear") < 3:
            raise RetryableError(MARK)

    with exported(at.receiver, "run"):
        await world.run("hear")
    step = at.double.one("step hear")
    assert [(name, attributes) for name, attributes, _ in step.events] == [
        ("retry", {"keepsake.attempt": 1, "error.type": "RetryableError"}),
        ("retry", {"keepsake.attempt": 2, "error.type": "RetryableError"}),
    ]
    first, second = (moment for _, _, moment in step.events)
    assert first < second
    assert (step.attributes["keepsake.attempts"], step.failed) == (3, False)


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [(PermanentError(MARK), "failed"), (KeyError(MARK), "failed")],
    ids=["foreseen", "a fault"],
)
async def test_a_failed_step_names_its_error_and_not_what_it_says(
    world: World, at: At, raised: Exception, outcome: str
) -> None:
    world.add("x")

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        raise raised

    with exported(at.receiver, "run"):
        await world.run("hear")
    step = at.double.one("step hear")
    assert (step.failed, step.said) == (True, "")
    assert step.attributes["error.type"] == type(raised).__name__
    assert step.attributes["keepsake.outcome"] == outcome
    assert not at.double.one("record toy").failed


async def test_a_failed_model_call_names_its_error(world: World, models_on: Opens, at: At) -> None:
    double = OpenAI()
    double.next(error(429))
    world.add("x")
    async with models_on(double, chat_model="luna") as models:
        telling(world, models)
        with exported(at.receiver, "run"):
            await world.run()
    refused, answered = sorted(at.double.named("chat luna"), key=lambda call: not call.failed)
    assert refused.attributes["error.type"] == "RateLimited"
    assert "gen_ai.usage.input_tokens" not in refused.attributes
    assert not answered.failed


async def test_what_a_cancelled_run_did_is_sent(world: World, at: At) -> None:
    world.add("x")
    begun = asyncio.Event()

    @world.stage.act("hear")
    async def hear(source: Source) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def run() -> None:
        with exported(at.receiver, "run"):
            await world.run()

    running = asyncio.create_task(run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for name in ("step hear", "record toy", "run toy"):
        assert at.double.one(name).attributes["error.type"] == "CancelledError"


async def test_no_content_and_no_name_that_is_not_listed_leaves_the_process(
    world: World, models_on: Opens, at: At
) -> None:
    double = OpenAI()
    double.says = [f'{{"title": "{MARK}"}}']
    double.next(error(500, text=MARK))
    world.db.execute("UPDATE owners SET slug = %s, name = %s", (MARK, MARK))
    world.add(MARK, f"failing {MARK}", f"nothing of {MARK}")

    @world.stage.act("hear")
    async def hear(source: Source) -> str | Nothing | None:
        if source.text.startswith("failing"):
            raise ValueError(source.text)
        return Nothing(MARK) if source.text.startswith("nothing") else None

    async with models_on(double, chat_api_key=MARK) as models:
        telling(world, models)
        with exported(at.receiver, "run"):
            await world.run()
    assert at.double.one("step hear", outcome="failed").failed
    assert at.double.named("chat some-model")
    assert MARK.encode() not in b"".join(seen.body for seen in at.double.seen)
    sent = {name for each in at.double.spans for name in each.attributes}
    assert sent <= {*get_args(Attribute)}


async def test_spans_hold_in_threads_that_asyncio_begins(at: At) -> None:
    def work() -> None:
        with span("inside"):
            pass

    with exported(at.receiver, "worker"), span("outside"):
        await asyncio.to_thread(work)
    assert at.double.tree("outside") == {"outside": {"inside": {}}}


TOY_RUN = """
import asyncio, sys
from keepsake.database import open_pool
from keepsake.settings import load_settings
from keepsake.traces.spans import exported
from tests.engine.toy import DAY, STEPS, TOY, Stage, FAST, RunSpec, run_line

async def main():
    async with open_pool(sys.argv[1]) as pool:
        spec = RunSpec(window=DAY, steps=STEPS, run_id="run")
        return await run_line(TOY, spec, Stage(), pool=pool, models={}, config=FAST)

if receiver := load_settings().span_receiver:
    from keepsake.traces import otlp
    otlp.FLUSH_SECONDS = 60  # the machine may be busy with other tests
with exported(receiver, "run"):
    report = asyncio.run(main())
print(report.records, [name for name in sys.modules if name.startswith("opentelemetry")])
"""


def toy_run(world: World, **environment: str) -> str:
    """What a process says that carries the toy line's records."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", TOY_RUN, world.url],
        cwd=ROOT,
        env={**known, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


async def test_without_a_receiver_nothing_of_opentelemetry_is_imported(world: World) -> None:
    world.add("x")
    assert toy_run(world) == "1 []"


async def test_a_run_in_a_process_of_its_own_sends_its_spans_before_it_ends(
    world: World, at: At
) -> None:
    world.add("x")
    assert toy_run(world, OTEL_EXPORTER_OTLP_ENDPOINT=at.url).startswith("1 ['opentelemetry")
    assert len(at.double.named("step bind")) == 1
    assert {seen.path for seen in at.double.seen} == {"/v1/traces"}

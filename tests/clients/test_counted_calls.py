"""An answered call is counted with its time, for the caller that asked; a refused one is not."""

import asyncio

import pytest
from pydantic import BaseModel

from keepsake.clients.models import Models
from keepsake.errors import StepError
from keepsake.metrics.counts import Counts, counting
from keepsake.owners.usage import metered
from tests.clients.conftest import Opens
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import error

SECONDS = "keepsake_model_request_duration_seconds_bucket"
CALLS = "keepsake_model_calls_total"


class Story(BaseModel):
    """What the double answers with."""

    title: str
    tags: list[str]


def _of(counts: Counts, metric: str) -> dict[str, float]:
    """What was counted of a metric, by model."""
    found: dict[str, float] = {}
    for series, value in counts.values.items():
        if series.metric == metric:
            found[series.labels[0]] = found.get(series.labels[0], 0) + value
    return found


async def _embed(models: Models, text: str) -> Counts:
    with counting() as counts, metered():
        await models.embeddings.embed([text])
    return counts


async def test_calls_are_counted_and_timed(models_on: Opens) -> None:
    async with models_on(OpenAI(), chat_model="luna", speech_model="tts") as models:
        with counting() as counts, metered():
            await models.chat.ask(Story, system="Be brief.", user="We baked bread.")
            await models.speech.say("We baked bread.")
    assert _of(counts, CALLS) == _of(counts, SECONDS) == {"luna": 1, "tts": 1}
    assert _of(counts, "keepsake_model_unpriced_calls_total") == {"luna": 1, "tts": 1}
    assert _of(counts, "keepsake_model_tokens_total") == {"luna": 18}
    assert _of(counts, "keepsake_model_characters_total") == {"tts": 15}


async def test_a_call_that_texts_of_many_callers_share_is_counted_and_timed_once(
    models_on: Opens,
) -> None:
    async with models_on(OpenAI(), embeddings_model="vectors") as models:
        counted = await asyncio.gather(*(_embed(models, f"text {i}") for i in range(5)))
    assert sum(_of(counts, SECONDS).get("vectors", 0) for counts in counted) == 1
    assert sum(_of(counts, CALLS).get("vectors", 0) for counts in counted) == 1


async def test_a_call_that_was_refused_is_not_counted(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(500))
    async with models_on(double) as models:
        with counting() as counts, metered(), pytest.raises(StepError):
            await models.chat.ask(Story, system="Be brief.", user="We baked bread.")
    assert counts.values == {}

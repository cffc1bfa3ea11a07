"""The embeddings client: callers share batches, but neither failures nor bills."""

import asyncio

import numpy as np
import pytest
from starlette.responses import JSONResponse

from keepsake.clients import embeddings as module
from keepsake.clients.models import Models
from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError
from keepsake.owners.usage import Usage, metered
from tests.clients.conftest import Opens
from tests.doubles.openai_api import OpenAI, embedding
from tests.doubles.server import error


async def _metered(models: Models, texts: list[str]) -> Usage:
    with metered() as used:
        await models.embeddings.embed(texts)
    return used


async def test_vectors_come_in_the_order_of_the_texts(models_on: Opens) -> None:
    double = OpenAI()
    texts = ["bread", "sourdough", "rye"]
    async with models_on(double) as models:
        vectors = await models.embeddings.embed(texts)
    for text, vector in zip(texts, vectors, strict=True):
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, embedding(text, 4), rtol=1e-6)
    assert double.seen[0].json["encoding_format"] == "float"
    assert "dimensions" not in double.seen[0].json


async def test_texts_of_many_callers_go_in_one_call(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        await asyncio.gather(*(models.embeddings.embed([f"text {i}"]) for i in range(20)))
    assert [len(seen.json["input"]) for seen in double.seen] == [20]


async def test_each_caller_is_billed_its_own_share(models_on: Opens) -> None:
    async with models_on(OpenAI()) as models:
        used = await asyncio.gather(*(_metered(models, ["some words here"]) for _ in range(3)))
        longer = _metered(models, ["a b c d e f g h " * 5, "i j"])
        mixed = await asyncio.gather(longer, _metered(models, ["one two"]))
    assert sum(each.calls for each in used) == 1
    assert sum(each.tokens_in for each in used) == 9
    assert sum(each.tokens_in for each in mixed) == 44
    assert mixed[0].tokens_in > mixed[1].tokens_in > 0


async def test_full_batch_goes_at_once_and_no_batch_is_larger(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        texts = [f"text {i}" for i in range(300)]
        assert len(await models.embeddings.embed(texts)) == 300
    assert sorted(len(seen.json["input"]) for seen in double.seen) == [44, 128, 128]


async def test_batches_stay_below_the_token_limit(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        await models.embeddings.embed([str(i) + "x" * 120_000 for i in range(5)])
    assert all(len("".join(s.json["input"])) <= module.MOST_BYTES for s in double.seen)
    assert sum(len(seen.json["input"]) for seen in double.seen) == 5


async def test_bad_text_fails_its_own_caller_only(models_on: Opens) -> None:
    double = OpenAI()
    double.poison = "text 3"
    async with models_on(double) as models:
        asks = (models.embeddings.embed([f"text {i}"]) for i in range(8))
        answers = await asyncio.gather(*asks, return_exceptions=True)
    failed = [i for i, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == [3]
    assert isinstance(answers[3], PermanentError)


async def test_one_caller_cancelled_leaves_the_others_alone(models_on: Opens) -> None:
    double = OpenAI()
    double.delay = 0.05
    async with models_on(double) as models:
        early, late, stays = (
            asyncio.create_task(models.embeddings.embed([text])) for text in ("a1", "b2", "c3")
        )
        await asyncio.sleep(0)
        early.cancel()  # while it waits for company
        await asyncio.to_thread(double.asked.wait)
        late.cancel()  # while the call is under way
        assert len(await stays) == 1
    assert double.seen[0].json["input"] == ["b2", "c3"]


async def test_short_texts_are_remembered(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        first = await models.embeddings.embed(["home", "home", "work"])
        again = await models.embeddings.embed(["work", "home"])
    assert len(double.seen) == 1
    assert double.seen[0].json["input"] == ["home", "work"]
    np.testing.assert_array_equal(first[0], again[1])


async def test_blank_text_is_refused_before_any_call(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double) as models:
        with pytest.raises(ValueError, match="blank"):
            await models.embeddings.embed(["bread", " "])
        assert await models.embeddings.embed([]) == []
    assert double.seen == []


async def test_vector_of_another_length_names_the_setting(models_on: Opens) -> None:
    double = OpenAI()
    double.dimensions = 3
    async with models_on(double) as models:
        with pytest.raises(EndpointDown, match=r"3 numbers, not 4: set EMBEDDINGS_DIMENSIONS"):
            await models.embeddings.embed(["bread"])


async def test_dimensions_are_asked_of_models_that_take_them(models_on: Opens) -> None:
    double = OpenAI()
    async with models_on(double, embeddings_model="text-embedding-3-large") as models:
        await models.embeddings.embed(["bread"])
    assert double.seen[0].json["dimensions"] == 4


async def test_failure_of_the_call_reaches_every_caller(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(429, headers={"retry-after": "3"}))
    async with models_on(double) as models:
        asks = (models.embeddings.embed([f"text {i}"]) for i in range(3))
        answers = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [RateLimited] * 3


async def test_numbers_that_are_none_are_refused(models_on: Opens) -> None:
    double = OpenAI()
    row = {"index": 0, "embedding": [0.1, None, 0.2, 0.3]}
    double.next(JSONResponse({"data": [row]}), JSONResponse({"data": []}))
    async with models_on(double) as models:
        with pytest.raises(PermanentError, match="NaN"):
            await models.embeddings.embed(["bread"])
        with pytest.raises(RetryableError, match="0 vectors for 1 texts"):
            await models.embeddings.embed(["bread"])


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("some-model", "bread", "bread"),
        ("intfloat/multilingual-e5-base", "query: bread", "passage: bread"),
        ("text-embedding-multilingual-e5-large-instruct", "bread", "bread"),
    ],
)
async def test_a_model_gets_the_prefixes_it_was_trained_with(
    models_on: Opens, model: str, query: str, passage: str
) -> None:
    double = OpenAI()
    async with models_on(double, embeddings_model=model) as models:
        await models.embeddings.embed(["bread"])
        await models.embeddings.embed(["bread"], passages=True)
    sent = [text for seen in double.seen for text in seen.json["input"]]
    assert sent == list(dict.fromkeys([query, passage]))

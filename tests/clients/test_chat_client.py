"""The chat client: answers in shape from every kind of server, failures in our own words."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from keepsake.errors import (
    EndpointDown,
    PermanentError,
    RateLimited,
    RetryableError,
    StepError,
    Unreachable,
)
from keepsake.local.ports import free_port
from keepsake.owners.usage import metered
from tests.clients.conftest import Opens
from tests.doubles.openai_api import OpenAI, plain
from tests.doubles.server import Broken, error

GOOD = '{"title": "Bread", "tags": ["home"]}'


class Story(BaseModel):
    title: str = Field(max_length=20)
    tags: list[Literal["home", "work"]] = Field(default=[], max_length=3)


STORY = Story(title="Bread", tags=["home"])


async def _ask(opens: Opens, double: OpenAI, times: int = 1, **settings: Any) -> Story:
    async with opens(double, **settings) as models:
        for _ in range(times):
            story = await models.chat.ask(Story, system="Be brief.", user="We baked bread.")
        return story


async def _failure(opens: Opens, double: OpenAI, **settings: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        await _ask(opens, double, **settings)
    message = str(caught.value)
    assert "secret" not in message
    assert "bread" not in message
    return caught.value


async def test_answer_comes_back_in_shape_and_is_counted(models_on: Opens) -> None:
    double = OpenAI()
    with metered() as used:
        assert await _ask(models_on, double, chat_model="luna") == STORY
    assert (used.calls, used.tokens_in, used.tokens_out, used.models) == (1, 11, 7, ["luna"])
    asked = double.seen[0].json
    assert asked["model"] == "luna"
    assert asked["max_completion_tokens"] == 800
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "We baked bread."},
    ]
    assert double.seen[0].headers["authorization"] == "Bearer k-test"


async def test_server_without_json_schema_is_asked_for_an_object_ever_after(
    models_on: Opens,
) -> None:
    double = OpenAI(refuses=("json_schema",))
    assert await _ask(models_on, double, times=2) == STORY
    assert double.formats == ["json_schema", "json_object", "json_object"]
    assert '"tags"' in double.seen[1].json["messages"][0]["content"]


async def test_server_without_any_format_is_asked_in_words(models_on: Opens) -> None:
    double = OpenAI(refuses=("json_schema", "json_object"))
    assert await _ask(models_on, double, times=2) == STORY
    assert double.formats == ["json_schema", "json_object", None, None]


async def test_many_refused_at_once_go_down_one_rung_only(models_on: Opens) -> None:
    double = OpenAI(refuses=("json_schema",))
    double.delay = 0.02
    async with models_on(double) as models:
        asks = [models.chat.ask(Story, system="s", user="u") for _ in range(8)]
        assert await asyncio.gather(*asks) == [STORY] * 8
    assert None not in double.formats


async def test_server_that_knows_only_max_tokens_is_remembered(models_on: Opens) -> None:
    double = OpenAI(takes="max_tokens")
    await _ask(models_on, double, times=2)
    assert ["max_tokens" in seen.json for seen in double.seen] == [False, True, True]


@pytest.mark.parametrize(
    "said",
    [
        f"<think>{{maybe}} a title?</think>{GOOD}",
        f"no opening tag</think>\n{GOOD}",
        f"```json\n{GOOD}\n```",
        f"Here it is: {GOOD} I hope it helps {{}}.",
        '{"title": "Br\\u0000ead", "tags": ["home"]}',
    ],
    ids=["thoughts", "half thoughts", "fence", "pleasantries", "NUL"],
)
async def test_what_surrounds_the_answer_is_passed_over(models_on: Opens, said: str) -> None:
    double = OpenAI()
    double.says = [said]
    assert await _ask(models_on, double) == STORY
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    "said",
    ["Lovely bread!", '{"title": "Bread", "tags": [', '{"title": 5}', "", '{"title": "\\ud800"}'],
    ids=["prose", "cut off", "wrong type", "empty", "half a character"],
)
async def test_unfit_answer_is_repaired_once(models_on: Opens, said: str) -> None:
    double = OpenAI()
    double.says = [said, GOOD]
    with metered() as used:
        assert await _ask(models_on, double) == STORY
    assert used.calls == 2
    assert "could not be used" in double.seen[1].json["messages"][1]["content"]


async def test_repair_names_what_was_wrong(models_on: Opens) -> None:
    double = OpenAI()
    double.says = ['{"title": "Bread", "tags": ["play"]}', GOOD]
    await _ask(models_on, double)
    assert (
        "tags.0: Input should be 'home' or 'work'" in double.seen[1].json["messages"][1]["content"]
    )


async def test_cut_off_answer_is_asked_for_again_shorter(models_on: Opens) -> None:
    double = OpenAI()
    double.says = [{"finish_reason": "length", "message": {"content": '{"title": "We'}}, GOOD]
    assert await _ask(models_on, double) == STORY
    assert "shorter" in double.seen[1].json["messages"][1]["content"]


async def test_answer_unfit_twice_fails_without_quoting_it(models_on: Opens) -> None:
    double = OpenAI()
    double.says = ['{"title": "secret", "tags": ["secret"]}']
    failure = await _failure(models_on, double)
    assert isinstance(failure, PermanentError)
    assert str(failure) == ("answer did not fit the schema after one repair: tags.0: literal_error")
    assert len(double.seen) == 2


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": None, "refusal": "secret"}},
        {"message": {"content": ""}, "finish_reason": "content_filter"},
    ],
    ids=["refusal", "filter"],
)
async def test_refusal_is_not_asked_again(models_on: Opens, choice: dict[str, object]) -> None:
    double = OpenAI()
    double.says = [choice]
    assert isinstance(await _failure(models_on, double), PermanentError)
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (error(401, "invalid_api_key"), EndpointDown, "CHAT_API_KEY"),
        (error(403), EndpointDown, "CHAT_API_KEY"),
        (error(404, "model_not_found"), EndpointDown, "CHAT_MODEL"),
        (error(429, "insufficient_quota"), EndpointDown, "billing"),
        (error(402), EndpointDown, "billing"),
        (error(429, "rate_limit_exceeded"), RateLimited, "429 rate_limit_exceeded"),
        (error(408), RetryableError, "408"),
        (error(409), RetryableError, "409"),
        (error(500), RetryableError, "500"),
        (error(529, "overloaded_error"), RetryableError, "529 overloaded_error"),
        (error(400, "context_length_exceeded"), PermanentError, "CHAT_CONTEXT_WORDS"),
        (error(400, "bad secret code"), PermanentError, "refused the request (400"),
        (JSONResponse({"error": "secret"}, 400), PermanentError, "refused the request (400)"),
        (Response("<html>secret</html>", 502), RetryableError, "502"),
        (plain("<html>secret</html>"), RetryableError, "CHAT_BASE_URL"),
        (JSONResponse({"error": "secret"}), RetryableError, "CHAT_BASE_URL"),
        (JSONResponse({"choices": []}), RetryableError, "CHAT_BASE_URL"),
        (Broken(), RetryableError, "CHAT_BASE_URL"),
    ],
)
async def test_failure_is_told_in_our_words(
    models_on: Opens, answer: Response, kind: type[StepError], says: str
) -> None:
    double = OpenAI()
    double.next(answer)
    failure = await _failure(models_on, double)
    assert type(failure) is kind
    assert says in str(failure)
    assert len(double.seen) == 1, "retries belong to the line"


async def test_wait_that_the_provider_asks_for_is_passed_on(models_on: Opens) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for header, least, most in (("7.5", 7.5, 7.5), (soon, 80, 90), ("nonsense", None, None)):
        for status in (429, 503):
            double = OpenAI()
            double.next(error(status, headers={"retry-after": header}))
            failure = await _failure(models_on, double)
            assert isinstance(failure, RetryableError)
            if least is None or most is None:
                assert failure.retry_after is None
            else:
                assert failure.retry_after is not None
                assert least <= failure.retry_after <= most


async def test_a_server_that_is_not_there_is_told_from_one_that_breaks_off(
    models_on: Opens,
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    failure = await _failure(models_on, OpenAI(), chat_base_url=nobody)
    assert type(failure) is Unreachable
    assert "(Connection refused)" in str(failure)
    assert "CHAT_BASE_URL" in str(failure)


async def test_slow_server_is_given_up_after_the_timeout(models_on: Opens) -> None:
    double = OpenAI()
    double.delay = 0.5
    failure = await _failure(models_on, double, chat_timeout=0.1)
    assert isinstance(failure, RetryableError)
    assert "within 0.1 s (CHAT_TIMEOUT)" in str(failure)


async def test_nobody_there_says_where_it_looked(models_on: Opens) -> None:
    failure = await _failure(models_on, OpenAI(), chat_base_url="http://127.0.0.1:9/v1")
    assert isinstance(failure, RetryableError)
    assert "127.0.0.1" in str(failure)
    assert "CHAT_BASE_URL" in str(failure)


async def test_embedded_models_not_running_names_the_command(models_on: Opens) -> None:
    nothing = {"chat_base_url": "", "chat_model": "", "keepsake_home": "/nonexistent"}
    assert "keepsake up" in str(await _failure(models_on, OpenAI(), **nothing))


async def test_no_more_calls_at_once_than_set(models_on: Opens) -> None:
    double = OpenAI()
    double.delay = 0.02
    async with models_on(double, chat_concurrency=3) as models:
        await asyncio.gather(*(models.chat.ask(Story, system="s", user="u") for _ in range(12)))
    assert double.peak == 3


async def test_refused_key_stops_all_further_calls(models_on: Opens) -> None:
    double = OpenAI()
    double.next(error(401))
    async with models_on(double) as models:
        for _ in range(3):
            with pytest.raises(EndpointDown):
                await models.chat.ask(Story, system="s", user="u")
    assert len(double.seen) == 1

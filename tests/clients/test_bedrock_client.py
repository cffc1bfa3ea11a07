"""Chat through Bedrock's Converse."""

import json

import pytest
from pydantic import BaseModel
from starlette.responses import Response

from keepsake.clients.models import Models
from keepsake.errors import EndpointDown, PermanentError, RateLimited, RetryableError, StepError
from keepsake.owners.usage import metered
from tests.clients.conftest import Opens
from tests.doubles.bedrock import MODEL, Bedrock, refusal

SETTINGS = {"chat_provider": "bedrock", "chat_model": MODEL}


class Story(BaseModel):
    title: str
    tags: list[str] = []


async def _ask(models: Models) -> Story:
    return await models.chat.ask(Story, system="Be brief.", user="We baked bread.", max_tokens=90)


async def test_answer_comes_back_in_shape_and_is_counted(models_on: Opens) -> None:
    double = Bedrock()
    async with models_on(double, **SETTINGS) as models:
        with metered() as used:
            assert await _ask(models) == Story(title="Bread", tags=["home"])
    assert (used.tokens_in, used.tokens_out) == (12, 5)
    asked = double.seen[0].json
    assert asked["inferenceConfig"] == {"maxTokens": 90}
    schema = asked["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
    assert json.loads(schema)["additionalProperties"] is False


async def test_model_without_schemas_gets_it_in_the_prompt_ever_after(models_on: Opens) -> None:
    double = Bedrock(schemas=False)
    async with models_on(double, **SETTINGS) as models:
        await _ask(models)
        await _ask(models)
    assert ["outputConfig" in seen.json for seen in double.seen] == [True, False, False]
    assert '"tags"' in double.seen[1].json["system"][0]["text"]


@pytest.mark.parametrize("stop", ["guardrail_intervened", "content_filtered"])
async def test_refusal_is_permanent(models_on: Opens, stop: str) -> None:
    double = Bedrock()
    double.stop = stop
    async with models_on(double, **SETTINGS) as models:
        with pytest.raises(PermanentError, match="refused to answer"):
            await _ask(models)


async def test_cut_off_answer_is_asked_for_again(models_on: Opens) -> None:
    double = Bedrock()
    double.stop = "max_tokens"
    async with models_on(double, **SETTINGS) as models:
        with pytest.raises(PermanentError, match="cut off"):
            await _ask(models)
    assert len(double.seen) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (refusal(429, "ThrottlingException"), RateLimited, "ThrottlingException"),
        (refusal(429, "ModelNotReadyException"), RateLimited, "ModelNotReadyException"),
        (refusal(400, "ValidationException"), PermanentError, "ValidationException"),
        (
            refusal(400, "ValidationException", "The provided model identifier is invalid."),
            EndpointDown,
            "CHAT_MODEL",
        ),
        (
            refusal(400, "ValidationException", "Input is too long for requested model."),
            PermanentError,
            "CHAT_CONTEXT_WORDS",
        ),
        (refusal(403, "AccessDeniedException"), EndpointDown, "AWS_BEARER_TOKEN_BEDROCK"),
        (refusal(404, "ResourceNotFoundException"), EndpointDown, "CHAT_MODEL"),
        (refusal(408, "ModelTimeoutException"), RetryableError, "ModelTimeoutException"),
        (refusal(424, "ModelErrorException"), RetryableError, "ModelErrorException"),
        (refusal(500, "InternalServerException"), RetryableError, "500"),
        (refusal(503, "ServiceUnavailableException"), RetryableError, "503"),
    ],
)
async def test_aws_errors_are_told_in_our_words(
    models_on: Opens, answer: Response, kind: type[StepError], says: str
) -> None:
    double = Bedrock()
    double.next(answer)
    async with models_on(double, **SETTINGS) as models:
        with pytest.raises(StepError) as caught:
            await _ask(models)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)

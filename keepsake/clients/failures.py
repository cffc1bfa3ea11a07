"""What a provider's failure means, in the words of `keepsake.errors`.

One place decides for every model endpoint which failures are worth another try, which are the
record's fault and which are the endpoint's. Nothing a provider wrote is quoted, since it may repeat
what a person said: only its status, and its code when that looks like one.
"""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keepsake.errors import (
    EndpointDown,
    PermanentError,
    RateLimited,
    RetryableError,
    StepError,
    Unreachable,
)
from keepsake.settings import Endpoint
from keepsake.web.retry_after import retry_after

if TYPE_CHECKING:
    from openai import APIStatusError

_SHARED_KEY = {
    "openai": "OPENAI_API_KEY",
    "cartesia": "CARTESIA_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_NO_MODEL = re.compile(r"model_not_found|model identifier is invalid|on-demand throughput")
_TOO_LONG = re.compile(
    r"context.{0,8}length|context.{0,8}(window|size)|input is too long|prompt is too long"
)
# 408 and 425 are timeouts and races, 409 a conflict that passes, 424 Bedrock's ModelErrorException.
_WORTH_ANOTHER_TRY = {408, 409, 424, 425}
_CODE = re.compile(r"[A-Za-z][\w.-]{1,60}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{1,40}(\[\d*\])?(\.[a-z0-9_]{1,40})*")


def translate(error: Exception, endpoint: Endpoint) -> StepError:
    """Say what `error`, raised by a call to `endpoint`, means.

    Args:
        error: an `openai.OpenAIError`, a `TimeoutError` or a `ValueError` from reading JSON.
        endpoint: the endpoint that was called.
    """
    import httpx2  # both are loaded already by whoever made the call
    import openai

    if isinstance(error, openai.APIStatusError):
        return _refusal(error, endpoint)
    if isinstance(error, TimeoutError):
        return RetryableError(
            f"the {endpoint.role} endpoint gave no answer within {endpoint.timeout:g} s "
            f"({endpoint.role.upper()}_TIMEOUT)"
        )
    if isinstance(error, openai.APIConnectionError):
        refused = isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
        kind = Unreachable if refused else RetryableError
        return kind(_unreachable(error, endpoint))
    return malformed(endpoint, "something that is not JSON")


def in_words(error: BaseException) -> str:
    """How a connection failed: in the words of the system, where it has any. Names no address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            # Of names that do not resolve the numbers are negative, and have words of their own.
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if "Timeout" in type(error).__name__ else "it broke off"


def malformed(endpoint: Endpoint, what: str) -> RetryableError:
    """The error for an answer that does not speak the protocol; `what` names what came instead."""
    return RetryableError(
        f"the {endpoint.role} endpoint answered with {what}: "
        f"does {endpoint.role.upper()}_BASE_URL point to the right address?"
    )


def _refusal(error: "APIStatusError", endpoint: Endpoint) -> StepError:
    """What a status of 400 or more means."""
    status, codes, text = error.status_code, _codes(error), str(error.body).lower()
    said = " ".join([str(status), *codes[:1]])
    if parameter := _parameter(error):
        said = f"{said}, parameter {parameter}"
    down = _endpoint_trouble(status, codes, text, endpoint)
    if down:
        return EndpointDown(f"{down} ({said})", role=endpoint.role)
    wait = retry_after(error.response.headers)
    if status == 429:
        return RateLimited(
            f"the {endpoint.role} endpoint asks us to slow down ({said})", retry_after=wait
        )
    if status >= 500 or status in _WORTH_ANOTHER_TRY:
        return RetryableError(f"the {endpoint.role} endpoint failed ({said})", retry_after=wait)
    if endpoint.role == "chat" and _TOO_LONG.search(text):
        return PermanentError(
            f"the text does not fit the chat model's context ({said}): lower CHAT_CONTEXT_WORDS"
        )
    if endpoint.role == "transcription" and _parameter(error) == "language":
        return PermanentError(
            f"{endpoint.model} does not take the language of the recording ({said}): "
            "name a model that knows it in TRANSCRIPTION_MODEL"
        )
    return PermanentError(f"the {endpoint.role} endpoint refused the request ({said})")


def _endpoint_trouble(status: int, codes: list[str], text: str, endpoint: Endpoint) -> str | None:
    """What is wrong with the endpoint itself and which setting to fix, or None."""
    role, variable = endpoint.role, endpoint.role.upper()
    keys = f"{variable}_API_KEY or {_SHARED_KEY[endpoint.provider]}"
    if status == 402 or _NO_CREDIT.intersection(codes):
        return f"the account behind {keys} has no credit left for {role}: check its billing"
    if status in (401, 403) or "invalid_api_key" in codes:
        return f"the {role} endpoint refuses our key: check {keys}, and that it may use the model"
    if status == 404 or _NO_MODEL.search(text):
        return (
            f"the {role} endpoint knows no such model or address: "
            f"check {variable}_MODEL and {variable}_BASE_URL"
        )
    return None


def _codes(error: "APIStatusError") -> list[str]:
    """The names a provider gives its failure, wherever it puts them, without any prose."""
    body = error.body if isinstance(error.body, dict) else {}
    named = [body.get(key) for key in ("code", "error_code", "type", "__type")]
    named.append(error.response.headers.get("x-amzn-errortype", "").partition(":")[0])
    return [name for name in named if isinstance(name, str) and _CODE.fullmatch(name)]


def _parameter(error: "APIStatusError") -> str | None:
    """The parameter that the provider finds fault with, as OpenAI's errors name it."""
    named = error.body.get("param") if isinstance(error.body, dict) else None
    return named if isinstance(named, str) and _PARAMETER.fullmatch(named) else None


def _unreachable(error: Exception, endpoint: Endpoint) -> str:
    """A broken or refused connection, with what to do about it."""
    if endpoint.embedded:
        return f"the embedded {endpoint.role} model does not answer: start it with `keepsake up`"
    address = urlsplit(endpoint.base_url)
    return (
        f"no connection to the {endpoint.role} endpoint at {address.scheme}://{address.hostname}"
        f" ({in_words(error)}): "
        f"is it up, and is {endpoint.role.upper()}_BASE_URL right?"
    )

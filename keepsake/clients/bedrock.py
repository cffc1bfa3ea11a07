"""Chat through Amazon Bedrock's Converse API with a bearer token.

Claude is not served on Bedrock's OpenAI-compatible endpoint, hence this backend. Raw HTTP: botocore
would bring its own retries, and refuses a bearer token over the plain HTTP of a test double.
"""

import re
from typing import Any
from urllib.parse import quote

from keepsake.clients.chat import Reply, with_schema
from keepsake.clients.failures import malformed
from keepsake.clients.model_connection import ModelConnection
from keepsake.clients.structured import Form
from keepsake.errors import PermanentError
from keepsake.owners import usage
from keepsake.traces.spans import note_tokens

_REFUSED = {"guardrail_intervened", "content_filtered"}
_CUT_OFF = {"max_tokens", "model_context_window_exceeded"}


class _Relearned(PermanentError):
    """The model takes no output schema; we know better now and may ask again at once."""


class BedrockChat:
    """`POST /model/{id}/converse`. Whether the model takes an output schema is remembered."""

    def __init__(self, connection: ModelConnection) -> None:
        self._connection = connection
        self._takes_schema = True

    async def reply(self, system: str, user: str, form: Form[Any], max_tokens: int) -> Reply:
        """Ask once, with the schema as an output format where the model takes one.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        try:
            return await self._once(system, user, form, max_tokens)
        except _Relearned:
            return await self._once(system, user, form, max_tokens)

    async def _once(self, system: str, user: str, form: Form[Any], max_tokens: int) -> Reply:
        from httpx2 import Response
        from openai import BadRequestError

        endpoint = self._connection.endpoint
        async with self._connection.call() as client:
            with_format = self._takes_schema
            try:
                response = await client.post(
                    f"/model/{quote(endpoint.model, safe='')}/converse",
                    cast_to=Response,
                    body=_request(system, user, form, max_tokens, with_format=with_format),
                )
            except BadRequestError as error:
                if with_format and re.search(
                    r"outputConfig|output_config|structured output|schema", str(error.body), re.I
                ):
                    self._takes_schema = False
                    raise _Relearned("the model takes no output schema") from None
                raise
            answer = response.json()
            try:
                reply = _reply(answer)
            except (LookupError, TypeError, AttributeError):
                raise malformed(endpoint, "no message") from None
            counted = answer.get("usage") or {}
            tokens_in = counted.get("inputTokens") or 0
            tokens_out = counted.get("outputTokens") or 0
            usage.record(endpoint.model, tokens_in=tokens_in, tokens_out=tokens_out)
            note_tokens(tokens_in, tokens_out)
            return reply


def _request(
    system: str, user: str, form: Form[Any], max_tokens: int, *, with_format: bool
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "system": [{"text": system if with_format else with_schema(system, form)}],
        "messages": [{"role": "user", "content": [{"text": user}]}],
        "inferenceConfig": {"maxTokens": max_tokens},
    }
    if with_format:
        described = {"name": form.name, "schema": form.text}  # the schema goes as a string
        request["outputConfig"] = {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": described}}
        }
    return request


def _reply(answer: dict[str, Any]) -> Reply:
    """The text blocks of the answer; others hold thoughts."""
    blocks = answer["output"]["message"]["content"]
    text = "".join(block.get("text", "") for block in blocks)
    reason = answer.get("stopReason")
    if reason in _REFUSED:
        return Reply(text, "refused")
    return Reply(text, "cut off" if reason in _CUT_OFF else "done")

"""Bedrock's Converse: percent-encoded model ids, the schema as a string, AWS's error names."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.doubles.openai_api import not_strict
from tests.doubles.server import Double

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PATH = "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
_FIELDS = {"system", "messages", "inferenceConfig", "outputConfig"}


class Bedrock(Double):
    """Serves one model. `schemas=False`: a model without native structured output."""

    def __init__(self, *, schemas: bool = True) -> None:
        super().__init__()
        self.says = '{"title": "Bread", "tags": ["home"]}'
        self.stop = "end_turn"
        self._schemas = schemas

    async def answer(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return refusal(403, "AccessDeniedException")
        if request.scope["raw_path"].decode() != PATH:
            return refusal(404, "ResourceNotFoundException")
        asked = await request.json()
        if set(asked) - _FIELDS or not isinstance(asked["messages"][0]["content"], list):
            return refusal(400, "ValidationException")
        if "outputConfig" in asked and not self._schemas:
            return refusal(400, "ValidationException", "outputConfig is not supported here")
        if "outputConfig" in asked and _bad_format(asked["outputConfig"]["textFormat"]):
            return refusal(400, "ValidationException")
        return JSONResponse(
            {
                "output": {
                    "message": {
                        "role": "assistant",
                        "content": [
                            {"reasoningContent": {"reasoningText": {"text": "{hmm}"}}},
                            {"text": self.says},
                        ],
                    }
                },
                "stopReason": self.stop,
                "usage": {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17},
            }
        )


def refusal(status: int, name: str, text: str = "secret words") -> Response:
    """AWS's error shape: the name in a header, prose in the body."""
    return JSONResponse({"message": text}, status, headers={"x-amzn-ErrorType": f"{name}:"})


def _bad_format(text_format: dict[str, Any]) -> bool:
    described = text_format["structure"]["jsonSchema"]
    if text_format["type"] != "json_schema" or not isinstance(described["schema"], str):
        return True
    strict = {"json_schema": {"strict": True, "schema": json.loads(described["schema"])}}
    return not_strict(strict) is not None

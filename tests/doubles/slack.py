"""Slack's incoming webhooks: the address is the secret, and what blocks may hold is checked."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.doubles.server import Double

PATH = "/services/T000/B000/SeCrEt"


class Slack(Double):
    """Answers as Slack does: `ok`, or a word in plain text."""

    async def answer(self, request: Request) -> Response:
        if request.url.path != PATH:
            return PlainTextResponse("no_service", 404)
        try:
            said = json.loads(await request.body())
        except ValueError:
            return PlainTextResponse("invalid_payload", 400)
        if not said.get("text"):
            return PlainTextResponse("no_text", 400)
        if len(said.get("blocks", [])) > 50 or not all(map(_is_valid, said.get("blocks", []))):
            return PlainTextResponse("invalid_blocks", 400)
        return PlainTextResponse("ok")


def _is_valid(block: Mapping[str, Any]) -> bool:
    match block:
        case {"type": "header", "text": text}:
            return _is_text(text, "plain_text", 150)
        case {"type": "section", **parts}:
            fields = parts.get("fields", [])
            text = parts.get("text")
            return (
                bool(text or fields)
                and (text is None or _is_text(text, "mrkdwn", 3000))
                and len(fields) <= 10
                and all(_is_text(field, "mrkdwn", 2000) for field in fields)
            )
        case {"type": "context", "elements": elements}:
            return 0 < len(elements) <= 10 and all(_is_text(e, "mrkdwn", 3000) for e in elements)
    return False


def _is_text(text: Mapping[str, Any], kind: str, longest: int) -> bool:
    return text.get("type") == kind and 0 < len(text.get("text", "")) <= longest

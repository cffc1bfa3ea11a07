"""A server that speaks OpenAI's protocol, with the quirks of the servers that imitate it."""

import io
import math
import struct
import wave
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.doubles.server import Double, error


class OpenAI(Double):
    """Answers chat with `self.says` in turn, embeds any text, hears and speaks.

    Args:
        refuses: response formats the server does not know (`json_object` for LM Studio).
        takes: the name of the length limit it knows.
    """

    def __init__(self, refuses: tuple[str, ...] = (), takes: str = "any") -> None:
        super().__init__()
        self.says: list[str | dict[str, Any]] = ['{"title": "Bread", "tags": ["home"]}']
        self.dimensions = 4
        self.poison: str | None = None
        self.hears: dict[str, Any] = VERBOSE
        self.speaks = 8000
        self._refuses = refuses
        self._takes = takes

    @property
    def formats(self) -> list[str | None]:
        """The response format of each chat request, in order."""
        return [seen.json.get("response_format", {}).get("type") for seen in self.seen]

    async def answer(self, request: Request) -> Response:
        route = {
            "/v1/chat/completions": self._chat,
            "/v1/embeddings": self._embed,
            "/v1/audio/transcriptions": self._hear,
            "/v1/audio/speech": self._speak,
        }.get(request.url.path)
        if route is None:
            return error(404, "unknown_url")
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return error(401, "invalid_api_key")
        return await route(request)

    async def _chat(self, request: Request) -> Response:
        asked = await request.json()
        kind = asked.get("response_format", {}).get("type")
        if kind in self._refuses:
            # LM Studio's words and shape: a bare string.
            return JSONResponse({"error": f"'response_format.type' {kind!r} is not supported"}, 400)
        if kind == "json_schema" and (trouble := not_strict(asked["response_format"])):
            return error(
                400, "invalid_json_schema", f"Invalid schema for response_format: {trouble}"
            )
        limits = {"max_tokens", "max_completion_tokens"}.intersection(asked)
        if self._takes != "any" and limits != {self._takes}:
            return error(400, "unsupported_parameter", f"Unsupported parameter: {limits.pop()}")
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        choice = {"index": 0, "finish_reason": "stop"} | (
            said if isinstance(said, dict) else {"message": {"role": "assistant", "content": said}}
        )
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return JSONResponse(
            {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}
        )

    async def _embed(self, request: Request) -> Response:
        asked = await request.json()
        texts: list[str] = asked["input"]
        if asked.get("encoding_format") != "float" or not all(texts) or len(texts) > 2048:
            return error(400, "invalid_value")
        if self.poison in texts:
            return error(400, "invalid_value")
        rows = [
            {"object": "embedding", "index": i, "embedding": embedding(text, self.dimensions)}
            for i, text in enumerate(texts)
        ]
        tokens = sum(len(text.split()) for text in texts)
        return JSONResponse({"data": rows[::-1], "usage": {"prompt_tokens": tokens}})

    async def _hear(self, request: Request) -> Response:
        form = await request.form()
        if "transcribe" in str(form["model"]) and form.get("response_format") != "json":
            return error(400, "unsupported_value")
        return JSONResponse(self.hears)

    async def _speak(self, request: Request) -> Response:
        asked = await request.json()
        if len(asked["input"]) > 4096 or asked["response_format"] != "wav":
            return error(400, "string_above_max_length")
        return Response(wav(frames=self.speaks, endless=True), media_type="audio/wav")


VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.5,
    "text": " We baked bread. Every Sunday!",
    "segments": [
        {"id": 0, "start": 0.0, "end": 1.2, "text": " We baked bread."},
        {"id": 1, "start": 1.2, "end": 2.4, "text": " Every Sunday!"},
    ],
    "words": [
        {"word": "We", "start": 0.0, "end": 0.2},
        {"word": "baked", "start": 0.2, "end": 0.7},
        {"word": "bread.", "start": 0.7, "end": 1.2},
        {"word": "Every", "start": 1.2, "end": 1.7},
        {"word": "Sunday!", "start": 1.7, "end": 2.4},
    ],
}


def plain(text: str) -> Response:
    """An answer that is no JSON at all, as from a proxy or a wrong address."""
    return PlainTextResponse(text)


def embedding(text: str, dimensions: int) -> list[float]:
    """A vector that tells texts apart."""
    return [math.sin(len(text) + 31 * ord(text[-1]) + i) for i in range(dimensions)]


def wav(*, frames: int = 8000, rate: int = 8000, endless: bool = False) -> bytes:
    """A tone. `endless`: with the sizes a streaming server writes, which are not true."""
    tone = b"".join(struct.pack("<h", int(9000 * math.sin(i / 5))) for i in range(frames))
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone)
    data = whole.getvalue()
    if endless:
        data = data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]
    return data


def not_strict(response_format: dict[str, Any]) -> str | None:
    """What OpenAI would refuse about a strict schema, or None."""
    described = response_format["json_schema"]
    if described.get("strict") is not True:
        return "strict"
    for node in _objects(described["schema"]):
        if set(node) & {"default", "minLength", "maxLength", "minimum", "oneOf", "allOf"}:
            return "keyword"
        if node.get("type") == "object" and (
            node.get("additionalProperties") is not False
            or set(node["required"]) != set(node["properties"])
        ):
            return "object"
    return None


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Every schema inside a schema, but not the maps from names to schemas."""
    found = [schema] if isinstance(schema, dict) else []
    if isinstance(schema, dict):
        inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
        inside += [schema[key] for key in ("items",) if key in schema]
        found += [each for part in inside for each in _objects(part)]
    return found

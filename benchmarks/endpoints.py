"""Simulated model endpoints: OpenAI's protocol, answers that fit, a fixed time for each.

They run in a process of their own (`python -m benchmarks.endpoints --port N`), take any number of
calls at once, and count calls and the most at once for each role: `GET /stats`, `POST /reset`.
An answer has the shape that the request's JSON schema asks for, and repeats what the person said or
the page says, so that nothing a step looks up in the words is refused.
"""

import argparse
import asyncio
import io
import json
import math
import re
import struct
import wave
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keepsake.settings import Role

LATENCY: dict[Role, float] = {  # seconds
    "chat": 0.2,
    "embeddings": 0.05,
    "transcription": 0.2,
    "speech": 0.1,
}
DIMENSIONS = 256
VECTORS = 64  # different ones; each costs a hash to choose and nothing to make
SPEECH_SECONDS = 8

_WORDS = re.compile(r"<(words|page)>\n(.*?)\n</\1>", re.DOTALL)
_TOPIC = re.compile(r"[^\W\d_]{4,}")
_VALUES = re.compile(r"values: (.*)")


@dataclass
class Count:
    """Calls of one role: so far, now, and at most at once."""

    calls: int = 0
    now: int = 0
    peak: int = 0


def build_app() -> Starlette:
    """The endpoints of the four roles."""
    counts: dict[Role, Count] = {role: Count() for role in LATENCY}

    def served(path: str, role: Role, answer: Callable[[Request], Awaitable[Response]]) -> Route:
        async def serve(request: Request) -> Response:
            count = counts[role]
            count.calls += 1
            count.now += 1
            count.peak = max(count.peak, count.now)
            try:
                response, _ = await asyncio.gather(answer(request), asyncio.sleep(LATENCY[role]))
            finally:
                count.now -= 1
            return response

        return Route(f"/v1/{path}", serve, methods=["POST"])

    async def stats(_: Request) -> Response:
        return JSONResponse({role: asdict(count) for role, count in counts.items()})

    async def reset(_: Request) -> Response:
        for count in counts.values():
            count.calls, count.peak = 0, count.now
        return Response()

    return Starlette(
        routes=[
            served("chat/completions", "chat", _chat),
            served("embeddings", "embeddings", _embed),
            served("audio/transcriptions", "transcription", _hear),
            served("audio/speech", "speech", _speak),
            Route("/stats", stats),
            Route("/reset", reset, methods=["POST"]),
        ]
    )


async def _chat(request: Request) -> Response:
    asked = await request.json()
    prompt = asked["messages"][-1]["content"]
    schema = asked.get("response_format", {}).get("json_schema", {}).get("schema")
    content = json.dumps(fitting(schema, prompt)) if schema else _said(prompt)
    message = {"role": "assistant", "content": content}
    return JSONResponse(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "model": asked["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(content) // 4},
        }
    )


def fitting(schema: dict[str, Any], prompt: str, name: str = "") -> Any:
    """An answer that fits `schema`: of choices the first, of texts what was said or saved."""
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return fitting(schema["anyOf"][0], prompt, name)
    match schema["type"]:
        case "object":
            return {key: fitting(each, prompt, key) for key, each in schema["properties"].items()}
        case "array":
            if name == "keywords":
                return _TOPIC.findall(_said(prompt))[:3]
            return [fitting(schema["items"], prompt, name)]
        case "string":
            return _text(name, prompt)
        case "boolean":
            return True
        case _:
            return 1


def _text(name: str, prompt: str) -> str:
    """A text for the property of that name."""
    if name == "values" and (offered := _VALUES.search(prompt)):
        return offered[1].partition(",")[0]
    said = _said(prompt)
    short = 50 if name in ("title", "audience") else 200
    return said if len(said) <= short else said[:short].rpartition(" ")[0]


def _said(prompt: str) -> str:
    """The first sentence of what was said or saved; of the prompt, if there is neither."""
    found = _WORDS.search(prompt)
    return re.split(r"(?<=[.!?])\s", found[2] if found else prompt, maxsplit=1)[0]


async def _embed(request: Request) -> Response:
    asked = await request.json()
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    dimensions = asked.get("dimensions") or DIMENSIONS
    rows = ",".join(
        f'{{"object":"embedding","index":{at},"embedding":{_vector(text, dimensions)}}}'
        for at, text in enumerate(texts)
    )
    tokens = sum(len(text) for text in texts) // 4
    return Response(
        f'{{"object":"list","data":[{rows}],"usage":{{"prompt_tokens":{tokens}}}}}',
        media_type="application/json",
    )


def _vector(text: str, dimensions: int) -> str:
    return _vector_number(zlib.crc32(text.encode()) % VECTORS, dimensions)


@lru_cache(maxsize=4 * VECTORS)
def _vector_number(number: int, dimensions: int) -> str:
    """One of the unit vectors, as JSON."""
    numbers = [math.sin((number + 1) * (at + 1)) for at in range(dimensions)]
    length = math.hypot(*numbers)
    return json.dumps([x / length for x in numbers])


async def _hear(request: Request) -> Response:
    async with request.form():
        pass
    said = "We baked bread every Sunday. Be patient and the dough will be kind to you."
    words = [
        {"word": word, "start": at * 0.4, "end": at * 0.4 + 0.3}
        for at, word in enumerate(said.split())
    ]
    segment = {"id": 0, "start": 0.0, "end": words[-1]["end"], "text": said}
    return JSONResponse(
        {
            "task": "transcribe",
            "language": "english",
            "duration": words[-1]["end"],
            "text": said,
            "segments": [segment],
            "words": words,
        }
    )


async def _speak(request: Request) -> Response:
    await request.body()
    return Response(_sound(), media_type="audio/wav")


@lru_cache(maxsize=1)
def _sound() -> bytes:
    """A tone that swells and fades, so that it is no silence to anyone."""
    rate = 24_000
    tone = (
        int(9000 * math.sin(at / 17) * math.sin(at / 4000) ** 2)
        for at in range(SPEECH_SECONDS * rate)
    )
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return whole.getvalue()


def main() -> None:
    """Serve on the port of the command line until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpoints", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    port = parser.parse_args().port
    # backlog: a hundred clients may connect in one moment.
    uvicorn.run(
        build_app(), host="127.0.0.1", port=port, access_log=False, log_level="warning",
        backlog=2048,
    )  # fmt: skip


if __name__ == "__main__":
    main()

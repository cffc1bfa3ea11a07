"""Cartesia's `/stt` and `/tts/bytes`, strict about headers, part names and the shape of a voice."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.doubles.openai_api import wav
from tests.doubles.server import Double

VERSIONS = {"2024-06-10", "2024-11-13", "2025-04-16", "2026-03-01", "2026-08-14"}
HEARD: dict[str, Any] = {
    "type": "transcript",
    "text": "We baked bread. Every Sunday!",
    "language": "en",
    "duration": 2.5,
    "request_id": "r1",
    "words": [
        {"word": "We", "start": 0.0, "end": 0.2},
        {"word": "baked", "start": 0.2, "end": 0.7},
        {"word": "bread.", "start": 0.7, "end": 1.2},
        {"word": "Every", "start": 1.2, "end": 1.7},
        {"word": "Sunday!", "start": 1.7, "end": 2.4},
    ],
}


class Cartesia(Double):
    """Accepts the key `sk_car_test`."""

    def __init__(self) -> None:
        super().__init__()
        self.hears = HEARD

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer sk_car_test":
            return _refusal(401, "unauthorized")
        version = request.headers.get("cartesia-version", "")
        if version not in VERSIONS:
            return _refusal(400, "invalid_version")
        if request.url.path == "/stt":
            return await self._hear(request)
        if request.url.path == "/tts/bytes":
            return await self._speak(request, version)
        return _refusal(404, "not_found")

    async def _hear(self, request: Request) -> Response:
        async with request.form() as form:
            fields = {name for name, value in form.multi_items() if isinstance(value, str)}
            if fields - {"model", "language", "timestamp_granularities[]"} or "file" not in form:
                return _refusal(400, "invalid_field")
            timed = form.getlist("timestamp_granularities[]") == ["word"]
        heard = dict(self.hears)
        if not timed:
            del heard["words"]
        return JSONResponse(heard)

    async def _speak(self, request: Request, version: str) -> Response:
        asked = await request.json()
        objects = version <= "2025-04-16"
        voiced = asked["voice"] == {"mode": "id", "id": "v1"} if objects else asked["voice"] == "v1"
        if not voiced:
            return _refusal(400, "invalid_voice")
        wanted = {"container": "wav", "encoding": "pcm_s16le", "sample_rate": 44100}
        if asked["output_format"] != wanted or len(asked["transcript"]) > 2000:
            return _refusal(400, "invalid_request")
        return Response(wav(frames=4410, rate=44100), media_type="audio/wav")


def _refusal(status: int, code: str) -> Response:
    body = {"type": "error", "title": "secret", "message": "secret words", "error_code": code}
    return JSONResponse(body, status)

"""The transcription role: a recording in, its words with their times out.

Providers differ in what they report (`Capabilities`) and in how they say it;
`TranscriptionResult` is the same for all (`transcription_result.py`). Decoding and cutting audio
belongs to `keepsake.audio`, passages to the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from typing import Any, Literal, Protocol

from keepsake.clients.failures import malformed
from keepsake.clients.model_connection import ModelConnection
from keepsake.clients.transcription_result import (
    Segment,
    TranscriptionResult,
    Word,
    language_code,
    read_transcription,
)
from keepsake.errors import PermanentError
from keepsake.owners import usage
from keepsake.pipeline.limits import EndpointLimiter
from keepsake.settings import Endpoint

__all__ = ["Capabilities", "Segment", "Transcription", "TranscriptionResult", "Word"]

_PROMPT_CHARS = 600  # Whisper reads the last 224 tokens of a prompt


@dataclass(frozen=True)
class Capabilities:
    """What a model reports and what it takes.

    Attributes:
        words: whether it gives the times of words.
        verbose: whether it takes `verbose_json` and gives the times of segments.
        hints: the parameter for names it should expect. None where it has none, or where names
            do harm: Whisper takes a list of names for what was said before, and goes on with it.
        languages: the codes of all it understands, where these are few.
        detects: whether it finds the language out and says so. Then it is given none: a model that
            is given the wrong one translates or makes words up.
        max_bytes: the largest file it takes, where known.
        sunset: the last day it is served, where announced.
    """

    words: bool = True
    verbose: bool = True
    hints: Literal["prompt", "keywords"] | None = None
    languages: tuple[str, ...] | None = None
    detects: bool = True
    max_bytes: int | None = None
    sunset: date | None = None


_END_OF_WHISPER = date(2027, 2, 26)
# The first pattern that matches `provider/model` counts. As announced by November 2026.
_CAPABILITIES: tuple[tuple[str, Capabilities], ...] = (
    ("cartesia/*", Capabilities(verbose=False, detects=False, max_bytes=2_000_000_000)),
    ("openai/whisper-1", Capabilities(max_bytes=25_000_000, sunset=_END_OF_WHISPER)),
    (
        "openai/gpt-4o*transcribe-diarize*",
        Capabilities(
            words=False, verbose=False, detects=False, max_bytes=25_000_000, sunset=_END_OF_WHISPER
        ),
    ),
    (
        "openai/gpt-4o*transcribe*",
        Capabilities(
            words=False,
            verbose=False,
            hints="prompt",
            detects=False,
            max_bytes=25_000_000,
            sunset=_END_OF_WHISPER,
        ),
    ),
    (
        "openai/gpt-transcribe*",
        Capabilities(
            words=False, verbose=False, hints="keywords", detects=False, max_bytes=25_000_000
        ),
    ),
    ("*.en", Capabilities(languages=("en",), detects=False)),  # Whisper's English-only models
    ("*", Capabilities()),  # a Whisper: the embedded one, or behind a compatible server
)


def capabilities_of(endpoint: Endpoint) -> Capabilities:
    """What the model at `endpoint` can do, by its provider and name."""
    name = f"{endpoint.provider}/{endpoint.model}"
    return next(found for pattern, found in _CAPABILITIES if fnmatch(name, pattern))


def language_refusal(model: str, can: Capabilities, language: str | None) -> str | None:
    """Why the model takes no recording in this language, and what to set; None if it takes it."""
    if can.languages is None or language is None or language in can.languages:
        return None
    return (
        f"{model} understands only {', '.join(can.languages)}, and the recording is expected in "
        f"{language}: set TRANSCRIPTION_MODEL to a model that knows it (embedded: whisper-base)"
    )


class Backend(Protocol):
    """One provider's way of transcribing: one attempt, its JSON answer."""

    async def listen(
        self, audio: bytes, filename: str, language: str | None, hints: Sequence[str]
    ) -> dict[str, Any]:
        """Transcribe once. Raises a `StepError` when there is no answer."""


class Transcription:
    """The transcription model of the settings."""

    def __init__(self, connection: ModelConnection, backend: Backend) -> None:
        self.model: str = connection.endpoint.model
        self.limiter: EndpointLimiter = connection.limiter
        self.capabilities = capabilities_of(connection.endpoint)
        self._backend = backend

    async def transcribe(
        self,
        audio: bytes,
        *,
        filename: str,
        language: str | None = None,
        hints: Sequence[str] = (),
    ) -> TranscriptionResult:
        """Write down what is said in a recording.

        Args:
            audio: an encoded file in a format the provider reads.
            filename: a name whose suffix gives the format.
            language: of the speech, as a code or an English name. None: the provider finds out,
                or assumes English (Cartesia).
            hints: names and rare words to expect; left out where the provider takes none.

        Raises:
            PermanentError: the file is empty, too large, or no audio to the provider.
            StepError: the call failed; see `keepsake.clients.failures`.
        """
        most = self.capabilities.max_bytes
        if not audio:
            raise PermanentError("the recording is an empty file")
        if most and len(audio) > most:
            raise PermanentError(
                f"the recording has {len(audio)} bytes; {self.model} takes at most {most}"
            )
        answer = await self._backend.listen(audio, filename, language_code(language), hints)
        heard = read_transcription(answer)
        usage.record(self.model, audio_seconds=heard.duration)
        return heard


class OpenAITranscription:
    """`/audio/transcriptions` of OpenAI and of the servers that speak like it."""

    def __init__(self, connection: ModelConnection) -> None:
        self._connection = connection
        self._can = capabilities_of(connection.endpoint)

    async def listen(
        self, audio: bytes, filename: str, language: str | None, hints: Sequence[str]
    ) -> dict[str, Any]:
        """Transcribe once, asking for all that the model reports.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        model = self._connection.endpoint.model
        async with self._connection.call() as client:
            raw = await client.audio.transcriptions.with_raw_response.create(
                model=model, file=(filename, audio), **self._options(language, hints)
            )
            return _checked(raw.http_response.json(), self._connection.endpoint)

    def _options(self, language: str | None, hints: Sequence[str]) -> dict[str, Any]:
        options: dict[str, Any] = {
            "response_format": "verbose_json" if self._can.verbose else "json"
        }
        if self._can.words:
            options["timestamp_granularities"] = ["word", "segment"]
        if self._can.hints == "keywords":  # gpt-transcribe, which takes several languages too
            if language:
                options["languages"] = [language]
            if hints:
                options["keywords"] = list(hints)
            return options
        if language:
            options["language"] = language
        if hints and self._can.hints == "prompt":
            options["prompt"] = ", ".join(hints)[:_PROMPT_CHARS]
        return options


class CartesiaTranscription:
    """Cartesia's own `/stt`: word times, no detection of the language (English unless given)."""

    def __init__(self, connection: ModelConnection, *, version: str) -> None:
        self._connection = connection
        self._headers = {"Cartesia-Version": version, "Content-Type": "multipart/form-data"}

    async def listen(
        self, audio: bytes, filename: str, language: str | None, hints: Sequence[str]
    ) -> dict[str, Any]:
        """Transcribe once. `hints` have no place in this API.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        from httpx2 import Response

        del hints
        endpoint = self._connection.endpoint
        async with self._connection.call() as client:
            response = await client.post(
                "/stt",
                cast_to=Response,
                body={
                    "model": endpoint.model,
                    "language": language or "en",
                    "timestamp_granularities": ["word"],  # the SDK puts [] behind a list's name
                },
                files={"file": (filename, audio)},
                options={"headers": self._headers},
            )
            return _checked(response.json(), endpoint)


def _checked(answer: Any, endpoint: Endpoint) -> dict[str, Any]:
    """The answer, once it is seen to be a transcript."""
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise malformed(endpoint, "no text")
    return answer

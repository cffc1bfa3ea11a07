"""The speech role: text in, a WAV recording of a voice out.

Long texts are spoken in pieces and joined. Loudness, music and mp3 belong to `keepsake.audio`.
"""

import io
import re
import wave
from collections.abc import Sequence
from typing import Protocol

from keepsake.clients.model_connection import ModelConnection
from keepsake.concurrency import together
from keepsake.errors import RetryableError
from keepsake.owners import usage
from keepsake.pipeline.limits import EndpointLimiter

OPENAI_CHARS = 4096
CARTESIA_CHARS = 2000
EMBEDDED_LANGUAGES = frozenset({"en"})  # of the voice in `keepsake/local/models/speech.py`
# Until this version of Cartesia's API a voice was an object; later it is its id alone.
_LAST_VOICE_OBJECT = "2025-04-16"
_SENTENCE_GAP = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")


class Backend(Protocol):
    """One provider's way of speaking: one attempt, at most `most_chars` characters, WAV."""

    most_chars: int

    async def speak(self, text: str, language: str | None) -> bytes:
        """Speak once. Raises a `StepError` when there is no sound."""


class Speech:
    """The speech model and voice of the settings."""

    def __init__(self, connection: ModelConnection, backend: Backend, *, voice: str) -> None:
        self.model: str = connection.endpoint.model
        self.voice = voice
        self.limiter: EndpointLimiter = connection.limiter
        # What it speaks, as ISO 639 codes; None: whatever it is given.
        self.languages = EMBEDDED_LANGUAGES if connection.endpoint.embedded else None
        self._backend = backend

    def speaks(self, language: str) -> bool:
        """Whether the voice speaks a language, as far as we know."""
        return self.languages is None or language in self.languages

    async def say(self, text: str, *, language: str | None = None) -> bytes:
        """`text` spoken: a WAV file of 16-bit PCM.

        Args:
            text: what to say.
            language: ISO 639 code, for endpoints that do not find it out. None: theirs to choose.

        Raises:
            ValueError: the text is blank.
            RetryableError: the endpoint gave no sound, or pieces that do not go together.
            StepError: the call failed; see `keepsake.clients.failures`.
        """
        pieces = split_text(text, self._backend.most_chars)
        if not pieces:
            raise ValueError("a blank text cannot be spoken")
        return join_wavs(await together(self._backend.speak(piece, language) for piece in pieces))


class OpenAISpeech:
    """`/audio/speech` of OpenAI (until 6 January 2027) and of the servers that speak like it."""

    most_chars = OPENAI_CHARS

    def __init__(self, connection: ModelConnection, *, voice: str) -> None:
        self._connection = connection
        self._voice = voice

    async def speak(self, text: str, language: str | None) -> bytes:
        """Speak once.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        model = self._connection.endpoint.model
        async with self._connection.call() as client:
            answer = await client.audio.speech.create(
                model=model, voice=self._voice, input=text, response_format="wav"
            )
            sound = join_wavs([answer.content])
            usage.record(model, characters=len(text))
            return sound


class CartesiaSpeech:
    """Cartesia's own `/tts/bytes`."""

    most_chars = CARTESIA_CHARS

    def __init__(self, connection: ModelConnection, *, voice: str, version: str) -> None:
        self._connection = connection
        self._voice = {"mode": "id", "id": voice} if version <= _LAST_VOICE_OBJECT else voice
        self._headers = {"Cartesia-Version": version, "Accept": "audio/wav"}

    async def speak(self, text: str, language: str | None) -> bytes:
        """Speak once.

        Raises:
            StepError: see `keepsake.clients.failures`.
        """
        from httpx2 import Response

        model = self._connection.endpoint.model
        async with self._connection.call() as client:
            response = await client.post(
                "/tts/bytes",
                cast_to=Response,
                body={
                    "model_id": model,
                    "transcript": text,
                    "voice": self._voice,
                    "language": language or "en",  # it does not find out, and assumes English
                    "output_format": {
                        "container": "wav",
                        "encoding": "pcm_s16le",
                        "sample_rate": 44100,
                    },
                },
                options={"headers": self._headers},
            )
            sound = join_wavs([response.content])
            usage.record(model, characters=len(text))
            return sound


def split_text(text: str, most_chars: int) -> list[str]:
    """Cut `text` into pieces of at most `most_chars`: between sentences, else between words."""
    pieces: list[str] = []
    for sentence in _SENTENCE_GAP.split(text):
        for part in _wrapped(sentence.strip(), most_chars):
            if pieces and len(pieces[-1]) + 1 + len(part) <= most_chars:
                pieces[-1] += f" {part}"
            else:
                pieces.append(part)
    return pieces


def join_wavs(recordings: Sequence[bytes]) -> bytes:
    """One WAV of several, its header true to its length.

    Raises:
        RetryableError: one is empty, is not 16-bit PCM WAV, or is of another rate or width.
    """
    read = [_read_wav(recording) for recording in recordings]
    (channels, rate), _ = read[0]
    if any(form != (channels, rate) for form, _ in read):
        raise RetryableError("the speech endpoint gave pieces of different sample rates")
    joined = io.BytesIO()
    with wave.open(joined, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(frames for _, frames in read))
    return joined.getvalue()


def _wrapped(sentence: str, most_chars: int) -> list[str]:
    """A sentence in parts of at most `most_chars`, cut at the last space that fits."""
    parts = []
    while len(sentence) > most_chars:
        cut = sentence.rfind(" ", 1, most_chars + 1)
        cut = cut if cut > 0 else most_chars
        parts.append(sentence[:cut].rstrip())
        sentence = sentence[cut:].lstrip()
    return [*parts, sentence] if sentence else parts


def _read_wav(recording: bytes) -> tuple[tuple[int, int], bytes]:
    """Channels and rate, and the frames. Sizes in the header are not believed.

    A streaming server writes the header before it knows the length: 0 or 0xFFFFFFFF is there.
    """
    try:
        with wave.open(io.BytesIO(recording)) as file:
            channels, width, rate = file.getparams()[:3]
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        raise RetryableError(
            f"the speech endpoint answered with {len(recording)} bytes that are not WAV"
        ) from None
    if not frames:
        frames = recording.partition(b"data")[2][4:]  # the four bytes are the wrong size
    frames = frames[: len(frames) - len(frames) % (channels * width)]
    if width != 2 or not frames:
        raise RetryableError("the speech endpoint answered with a WAV of no or not 16-bit sound")
    return (channels, rate), frames

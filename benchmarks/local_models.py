"""How fast the embedded models work: seconds of audio for each second of work, on this machine."""

import io
import statistics
import time
import wave
from collections.abc import Callable

import httpx
import psutil

from benchmarks.results import Figure
from benchmarks.site import memory_text, serving
from keepsake.local.ports import free_port
from keepsake.settings import LOCAL_MODELS

TIMES = 3  # the median counts


def run() -> list[Figure]:
    """Speak a text, and write down what was spoken."""
    port = free_port()
    with (
        serving("keepsake.local.models", port, f"http://127.0.0.1:{port}/health"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=300) as client,
    ):
        sound = _speak(client)  # the first call of each loads its model
        _transcribe(client, sound)
        seconds = _length(sound)
        return [
            _speed("transcription", seconds, lambda: _transcribe(client, sound), at_least=10),
            _speed("speech", seconds, lambda: _speak(client), at_least=20),
        ]


def _speed(name: str, seconds: float, work: Callable[[], object], *, at_least: float) -> Figure:
    took = []
    for _ in range(TIMES):
        started = time.monotonic()
        work()
        took.append(time.monotonic() - started)
    return Figure(
        f"local {name}",
        seconds / statistics.median(took),
        "x real time",
        at_least=at_least,
        note=f"{seconds:.0f} s of audio in {statistics.median(took):.1f} s, median of {TIMES}; "
        f"{psutil.cpu_count()} cores",
    )


def _speak(client: httpx.Client) -> bytes:
    text = " ".join(memory_text(number) for number in range(2))
    asked = {"model": LOCAL_MODELS["speech"], "voice": "alloy", "input": text}
    answer = client.post("audio/speech", json={**asked, "response_format": "wav"})
    return answer.raise_for_status().content


def _transcribe(client: httpx.Client, sound: bytes) -> None:
    client.post(
        "audio/transcriptions",
        files={"file": ("told.wav", sound)},
        data={
            "model": LOCAL_MODELS["transcription"],
            "language": "en",
            "response_format": "verbose_json",
            "timestamp_granularities[]": ["word", "segment"],
        },
    ).raise_for_status()


def _length(sound: bytes) -> float:
    """Seconds of a WAV."""
    with wave.open(io.BytesIO(sound)) as file:
        return float(file.getnframes() / file.getframerate())

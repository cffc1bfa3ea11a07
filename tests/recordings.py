"""Recordings for the tests: the embedded voice, in whatever format a phone would send."""

import hashlib
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from tests import session

Sound = NDArray[np.float32]

RATE = 24_000


@cache
def spoken(text: str) -> Sound:
    """A text in the embedded voice, with half a second of pause after each sentence.

    Rendered once a session.
    """
    name = hashlib.sha256(text.encode()).hexdigest()
    return session.once(f"spoken-{name}", partial(_speak, text))


def _speak(text: str) -> Sound:
    pause = np.zeros(RATE // 2, np.float32)
    sentences = text.replace("! ", "!|").replace(". ", ".|").split("|")
    parts = [part for sentence in sentences for part in (_voice()(sentence, seed=0), pause)]
    return np.concatenate(parts)


@cache
def _voice() -> Any:
    from hibari import Hibari

    return Hibari()


def silence(seconds: float) -> Sound:
    """Nothing at all."""
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float) -> Sound:
    """A steady hiss."""
    hiss = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE))
    return np.clip(hiss, -1, 1).astype(np.float32)


def tone(seconds: float) -> Sound:
    """A steady hum."""
    return (0.3 * np.sin(np.arange(round(seconds * RATE)) / 20)).astype(np.float32)


def record(
    sound: Sound,
    path: Path,
    *,
    codec: str,
    rate: int = RATE,
    channels: int = 1,
    kilobits: int = 0,
    sound_rate: int = RATE,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write a mono sound to a file in the format of its suffix."""
    with av.open(str(path), "w", options=dict(options or {})) as container:
        layout = ("mono", "stereo")[channels - 1]
        stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout=layout))
        if kilobits:
            stream.bit_rate = kilobits * 1000
        for first in range(0, len(sound), sound_rate):
            block = np.ascontiguousarray(sound[np.newaxis, first : first + sound_rate])
            frame = AudioFrame.from_ndarray(block, "fltp", "mono")
            frame.sample_rate = sound_rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path

"""Real speech from the embedded voice, in every format people send."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Sound = NDArray[np.float32]
Encode = Callable[..., Path]

SPEECH_RATE = 24_000
SENTENCES = (
    "My grandmother baked bread every Saturday, and the whole street knew it.",
    "She said that dough needs patience, and people need a little more of it.",
    "When the war ended, she walked home for eleven days with my mother on her back.",
    "I still have her wooden spoon, and I use it for everything but soup.",
)


@pytest.fixture(scope="session")
def speech() -> Sound:
    """About 20 s of one voice at 24 kHz, with half a second of pause after each sentence."""
    from hibari import Hibari

    voice = Hibari()
    pause = np.zeros(SPEECH_RATE // 2, np.float32)
    said = [part for text in SENTENCES for part in (voice(text, seed=0), pause)]
    return np.concatenate(said)


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write mono sound to a file: `encode(sound, "a.m4a", codec="aac", rate=48000, channels=2)`."""

    def write(
        sound: Sound,
        name: str,
        *,
        codec: str,
        rate: int = SPEECH_RATE,
        channels: int = 1,
        sound_rate: int = SPEECH_RATE,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            layout = ("mono", "stereo")[channels - 1]
            stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout=layout))
            for first in range(0, len(sound), sound_rate):
                block = np.ascontiguousarray(sound[np.newaxis, first : first + sound_rate])
                frame = AudioFrame.from_ndarray(block, "fltp", "mono")
                frame.sample_rate = sound_rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write

"""Make the recordings in `data/` again: `python -m keepsake.demo.make_recordings`.

The embedded voice speaks each text; shifting its pitch and its pace makes it three people. The
files are compressed as the messages of phones are, each in another format.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph
from numpy.typing import NDArray

from keepsake.demo.memories import MEMORIES

PAUSE_SECONDS = 0.45  # between sentences


@dataclass(frozen=True)
class Voice:
    """How the embedded voice is bent: pitch as a factor, pace of the model, pace afterwards."""

    pitch: float
    speed: float
    tempo: float
    codec: str
    kilobits: int
    rate: int


VOICES = {
    "Rose": Voice(0.95, 0.88, 1.0, "libmp3lame", 48, 24_000),
    "Walter": Voice(0.80, 1.0, 1.1, "aac", 48, 44_100),
    "Ellen": Voice(1.09, 1.0, 0.95, "libopus", 32, 48_000),
}


def main() -> None:
    """Write every recording of the demo."""
    from hibari import Hibari

    model = Hibari()
    for memory in MEMORIES:
        if memory.audio is not None:
            voice = VOICES[memory.member]
            write(memory.audio, bent(speak(model, memory.text, voice), model.sample_rate, voice))


def speak(model: Any, text: str, voice: Voice) -> NDArray[np.float32]:
    """`text`, sentence by sentence, with a pause after each."""
    pause = np.zeros(round(PAUSE_SECONDS * model.sample_rate), np.float32)
    sentences = re.split(r"(?<=[.!?])\s+", text)
    spoken = [part for s in sentences for part in (model(s, speed=voice.speed, seed=0), pause)]
    return np.concatenate([pause, *spoken])


def bent(sound: NDArray[np.float32], rate: int, voice: Voice) -> Iterator[AudioFrame]:
    """`sound` in another pitch and pace, ready for the voice's encoder."""
    graph = Graph()
    nodes = [
        graph.add_abuffer(
            sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate)
        ),
        # Playing it at another rate shifts pitch and vocal tract together, as another body would.
        graph.add("asetrate", str(round(rate * voice.pitch))),
        graph.add("aresample", str(voice.rate)),
        graph.add("atempo", str(voice.tempo)),
        graph.add("loudnorm", "I=-18:TP=-2"),
        graph.add("aresample", str(voice.rate)),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    frame = AudioFrame.from_ndarray(sound[np.newaxis], "flt", "mono")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    while True:
        try:
            yield graph.pull()  # type: ignore[misc]  # an audio graph gives audio frames
        except av.error.EOFError:
            return


def write(path: Path, frames: Iterator[AudioFrame]) -> None:
    """Encode `frames` to `path` in the format of its suffix."""
    voice = next(VOICES[m.member] for m in MEMORIES if m.audio == path)
    with av.open(str(path), "w") as container:
        stream = cast(
            AudioStream, container.add_stream(voice.codec, rate=voice.rate, layout="mono")
        )
        stream.bit_rate = voice.kilobits * 1000
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()

"""Write sound: mp3 files, whole or not at all, FLAC in memory, and edges that do not click."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from keepsake.audio.media import LAYOUTS, Samples, to_frame


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Mp3Writer:
    """Encodes blocks to an mp3 file without tags; `with Mp3Writer(...) as mp3: mp3.write(block)`.

    Attributes:
        samples: samples a channel written so far.
    """

    def __init__(self, path: Path, *, rate: int, channels: int, kilobits: int) -> None:
        self.samples = 0
        self._rate = rate
        # Tags are id3.py's business; FFmpeg's own would only name the encoder.
        options = {"id3v2_version": "0"}
        self._container = av.open(str(path), "w", format="mp3", options=options)
        self._stream = self._container.add_stream("libmp3lame", rate=rate, layout=LAYOUTS[channels])
        self._stream.bit_rate = kilobits * 1000

    def write(self, block: Samples) -> None:
        """Encode one block."""
        self._container.mux(self._stream.encode(to_frame(block, rate=self._rate)))
        self.samples += block.shape[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._container:
            if kind is None:
                self._container.mux(self._stream.encode(None))


def faded(blocks: Iterable[Samples], samples: int) -> Iterator[Samples]:
    """Fade the first and the last `samples` of a sound (shorter if it is shorter): no clicks."""
    started, held = False, None
    for block in blocks:
        held = block if held is None else np.concatenate((held, block), axis=1)
        if held.shape[1] > 2 * samples:  # the end of what is held may be the end of all
            ready, held = held[:, : held.shape[1] - samples], held[:, held.shape[1] - samples :]
            yield ready if started else _fade_in(ready, samples)
            started = True
    if held is not None:
        held = held if started else _fade_in(held, samples)
        yield _fade_in(held[:, ::-1], samples)[:, ::-1]


def _fade_in(block: Samples, samples: int) -> Samples:
    gains = np.ones(block.shape[1], np.float32)
    ramp = min(samples, block.shape[1])
    gains[:ramp] = np.linspace(0, 1, ramp, endpoint=False)
    return block * gains


def flac(samples: NDArray[np.int16], *, rate: int) -> bytes:
    """Encode mono samples to a FLAC file in memory."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        for first in range(0, len(samples), rate):
            block = samples[np.newaxis, first : first + rate]
            frame = AudioFrame.from_ndarray(block, "s16", "mono")
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()

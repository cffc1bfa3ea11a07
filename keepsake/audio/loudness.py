"""How loud a file is: integrated loudness and true peak after EBU R128 (ITU-R BS.1770).

FFmpeg's `ebur128` filter does the measuring; to change the loudness is `episode.py`'s business.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from keepsake.audio.media import LAYOUTS, Samples, open_source, to_frame

SILENT_DB = -50.0  # dBFS; a peak below it is no sound that a person made for others to hear
UNMEASURED = -70.0  # LUFS; the absolute gate of R128: no block was louder, or none was complete


@dataclass(frozen=True)
class Measured:
    """Duration in seconds, loudness in LUFS (-70.0: silence, or under 0.4 s), true peak in dBTP."""

    duration: float
    integrated_lufs: float
    true_peak_db: float

    @property
    def silent(self) -> bool:
        """Nothing to hear."""
        return self.true_peak_db < SILENT_DB


class FilterChain:
    """An FFmpeg filter that takes and gives blocks. `spec` is its name, `args` its options."""

    def __init__(self, spec: str, args: str, *, rate: int, channels: int) -> None:
        self._rate = rate
        layout = LAYOUTS[channels]
        self._graph = Graph()
        source = self._graph.add_abuffer(
            sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate)
        )
        nodes = (source, self._graph.add(spec, args))
        back = self._graph.add("aformat", f"sample_fmts=fltp:channel_layouts={layout}")
        self._graph.link_nodes(*nodes, back, self._graph.add("abuffersink")).configure()

    def push(self, block: Samples | None) -> list[AudioFrame]:
        """Feed one block, or None at the end; return what the filter gives for now."""
        self._graph.push(None if block is None else to_frame(block, rate=self._rate))
        frames: list[AudioFrame] = []
        while True:
            try:
                frames.append(cast(AudioFrame, self._graph.pull()))
            except (av.error.BlockingIOError, av.error.EOFError):  # no more for now, or for good
                return frames


def measure(path: Path) -> Measured:
    """Measure a whole file, as a stream.

    Raises:
        PermanentError: the file is no audio.
    """
    with open_source(path) as source:
        rate, channels = source.info.sample_rate, min(source.info.channels, 2)
        blocks = source.blocks(rate=rate, channels=channels)
        return measure_blocks(blocks, rate=rate, channels=channels)


def measure_blocks(blocks: Iterable[Samples], *, rate: int, channels: int) -> Measured:
    """Measure sound that is already decoded. Consumes `blocks`."""
    meter = FilterChain(
        "ebur128", "metadata=1:peak=true:framelog=quiet", rate=rate, channels=channels
    )
    reading: dict[str, str] = {}
    samples = 0

    def read(block: Samples | None) -> None:
        for frame in meter.push(block):
            reading.update(frame.metadata)

    for block in blocks:
        samples += block.shape[1]
        read(block)
    # The meter reads out every full tenth of a second: push the last one over the edge.
    read(np.zeros((channels, rate // 10), np.float32))
    read(None)
    return Measured(
        duration=samples / rate,
        integrated_lufs=max(UNMEASURED, float(reading.get("lavfi.r128.I", UNMEASURED))),
        true_peak_db=decibels(float(reading.get("lavfi.r128.true_peak", 0.0))),
    )


def decibels(amplitude: float) -> float:
    """Amplitude (full scale 1.0) in dBFS; -120 means nothing at all."""
    return 20 * float(np.log10(max(amplitude, 1e-6)))

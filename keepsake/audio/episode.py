"""Join parts into a podcast episode: even loudness, pauses, chapters, tags, and proof of it all.

Parts come as different as a grandmother's phone and a synthetic voice. Each is brought to the same
loudness by a gain and a limiter, streamed one after the other into one mp3, and the finished file
is measured before it counts. What the parts say and where they are stored belongs elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keepsake.audio.captions import ChapterMark
from keepsake.audio.encode import Mp3Writer, faded, replacing
from keepsake.audio.id3 import EpisodeTags, write_tags
from keepsake.audio.levelling import LOUDNESS, PEAK_LIMIT, find_gain, levelled
from keepsake.audio.loudness import SILENT_DB, Measured, decibels, measure_blocks
from keepsake.audio.media import Samples, open_source, probe, silence
from keepsake.errors import PermanentError

RATE = 44_100
KILOBITS = 128
FADE_SAMPLES = round(0.01 * RATE)

LOUDNESS_TOLERANCE = 1.0  # LU, of the finished episode


@dataclass(frozen=True)
class Part:
    """One file of an episode. With a `title` it begins a chapter; `gap_after` is in seconds."""

    path: Path
    title: str | None = None
    gap_after: float = 0.0


@dataclass(frozen=True)
class Episode:
    """A finished, proven episode: seconds, LUFS, chapters, where each part lies, bytes."""

    duration: float
    loudness: float
    chapters: tuple[ChapterMark, ...]
    spans: tuple[tuple[float, float], ...]
    size_bytes: int


@dataclass(frozen=True)
class _Placed:
    """Where a part lies in the episode, in samples."""

    part: Part
    start: int
    end: int


def assemble(
    parts: Sequence[Part], out_path: Path, *, tags: EpisodeTags, loudness: float = LOUDNESS
) -> Episode:
    """Join parts into an mp3 of 44.1 kHz and 128 kbit/s, stereo if any part is.

    `out_path` is written whole or not at all.

    Args:
        parts: in order; at least one.
        out_path: the mp3 to write.
        tags: what the episode is called.
        loudness: target in LUFS, for each part and so for the whole.

    Raises:
        PermanentError: a part is no audio, too short to measure or silent; or the finished episode
            has another length or loudness than it should, or is silent where a part should be.
    """
    channels = max(min(probe(part.path).channels, 2) for part in parts)
    with replacing(out_path) as temporary:
        with Mp3Writer(temporary, rate=RATE, channels=channels, kilobits=KILOBITS) as mp3:
            placed = [_append(mp3, part, channels, loudness) for part in parts]
        chapters = _chapters(placed, mp3.samples)
        write_tags(temporary, tags, chapters)
        measured = _prove(temporary, placed, mp3.samples, channels, loudness)
        size_bytes = temporary.stat().st_size
    spans = tuple((part.start / RATE, part.end / RATE) for part in placed)
    return Episode(measured.duration, measured.integrated_lufs, chapters, spans, size_bytes)


def _append(mp3: Mp3Writer, part: Part, channels: int, loudness: float) -> _Placed:
    gain = _gain(part.path, channels, loudness)
    start = mp3.samples
    for block in faded(_levelled(part.path, channels, gain), FADE_SAMPLES):
        mp3.write(block)
    end = mp3.samples
    for block in silence(part.gap_after, RATE, channels):
        mp3.write(block)
    return _Placed(part, start, end)


def _gain(path: Path, channels: int, loudness: float) -> float:
    """Find the gain in dB that brings a part to the wanted loudness."""
    gain = find_gain(
        lambda: _decoded(path, channels), rate=RATE, channels=channels, loudness=loudness
    )
    if gain is None:
        raw = measure_blocks(_decoded(path, channels), rate=RATE, channels=channels)
        if raw.silent:
            raise PermanentError("a part of the episode is silent")
        raise PermanentError(
            f"a part of the episode is too short to measure ({raw.duration:.2f} s)"
        )
    return gain


def _levelled(path: Path, channels: int, gain: float) -> Iterator[Samples]:
    """Decode a part at its final level."""
    return levelled(_decoded(path, channels), gain, rate=RATE, channels=channels)


def _decoded(path: Path, channels: int) -> Iterator[Samples]:
    with open_source(path) as source:
        yield from source.blocks(rate=RATE, channels=channels)


def _chapters(placed: Sequence[_Placed], samples: int) -> tuple[ChapterMark, ...]:
    """A chapter lasts until the next one begins, the last to the end."""
    titled = [(place.start, place.part.title) for place in placed if place.part.title]
    ends = [start for start, _ in titled[1:]] + [samples]
    return tuple(
        ChapterMark(start / RATE, end / RATE, title)
        for (start, title), end in zip(titled, ends, strict=False)  # no title: no chapter, one end
    )


def _prove(
    path: Path, placed: Sequence[_Placed], samples: int, channels: int, loudness: float
) -> Measured:
    """Decode the finished file as a listener would; measure it or raise PermanentError."""
    peaks = [0.0] * len(placed)

    def watched(blocks: Iterable[Samples]) -> Iterator[Samples]:
        position = 0
        for block in blocks:
            for number, place in enumerate(placed):
                part = block[:, max(0, place.start - position) : max(0, place.end - position)]
                peaks[number] = max(peaks[number], float(np.abs(part).max(initial=0.0)))
            position += block.shape[1]
            yield block

    measured = measure_blocks(watched(_decoded(path, channels)), rate=RATE, channels=channels)
    wanted = samples / RATE
    if abs(measured.duration - wanted) > min(0.5, 0.01 * wanted + 0.1):
        raise PermanentError(
            f"the episode lasts {measured.duration:.2f} s, its parts and pauses {wanted:.2f} s"
        )
    for number, peak in enumerate(peaks, start=1):
        if decibels(peak) < SILENT_DB:
            raise PermanentError(f"the episode is silent where part {number} should be")
    if abs(measured.integrated_lufs - loudness) > LOUDNESS_TOLERANCE:
        raise PermanentError(
            f"the episode's loudness is {measured.integrated_lufs:.1f} LUFS instead of {loudness:g}"
        )
    if measured.true_peak_db > PEAK_LIMIT:
        raise PermanentError(
            f"the episode peaks at {measured.true_peak_db:.1f} dBTP, over {PEAK_LIMIT:g}"
        )
    return measured

"""A recording in chunks for transcription, and what decoding found.

    recording = Recording(path, max_seconds=7200)
    for chunk in recording.chunks():    # FLAC, mono, 16 kHz; as it decodes
        ...
    recording.properties                     # truncated? silent? where are the long silences?

Cuts fall where it is quietest. Where there is no pause, as over music, a word may still be cut in
two: with an overlap both chunks hold what is said around the cut. What the words are is the
transcription client's business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keepsake.audio.encode import flac
from keepsake.audio.loudness import SILENT_DB, decibels
from keepsake.audio.media import Samples, Source, open_source
from keepsake.errors import PermanentError

RATE = 16_000  # samples per second: what speech models listen at
LEVEL_SECONDS = 0.1  # length of one level
LEVEL_SAMPLES = round(RATE * LEVEL_SECONDS)

CUT_AFTER = 0.8  # of chunk_seconds: a cut falls between this
FULL = 1.1  # and 1.0; what would leave less than 0.1 behind stays whole
QUIET_SAMPLES = round(RATE * 0.3)  # a pause worth cutting in

SHORTEST_SOUND = 0.1  # seconds; what decodes to less holds no word
BELOW_SPEECH_DB = 40.0  # silence is this far below the loud parts of the recording,
SURELY_SILENT_DB = -60.0  # or below this level
STEADY_DB = 6.0  # speech moves by 15 dB and more between syllables and pauses; noise hardly


@dataclass(frozen=True)
class Span:
    """From `start` to `end`, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class Chunk:
    """Part of a recording as a FLAC file; times in seconds on the recording's clock.

    From `cut` on, it is to be believed rather than the chunk before, which may end later.
    """

    start: float
    duration: float
    data: bytes
    peak_db: float
    cut: float

    @property
    def filename(self) -> str:
        """A name whose suffix gives an endpoint the format."""
        return f"{self.start:.3f}s.flac"

    @property
    def silent(self) -> bool:
        """Nothing to transcribe; a model asked all the same makes words up."""
        return self.peak_db < SILENT_DB


@dataclass(frozen=True)
class AudioProperties:
    """What decoding a whole recording found.

    Attributes:
        duration: seconds on the recording's clock.
        declared_seconds: what the file says it should be; None if it does not say.
        gap_seconds: part of `duration` that the file left out: pauses, lost packets.
        lost_packets: packets that did not decode.
        peak_db: loudest sample, dBFS.
        spread_db: from the quiet to the loud tenths of a second (10th to 95th percentile).
        silences: silences of 4 s and more, in order.
        track: which audio track was decoded, counted from 1.
        tracks: how many the file has.
    """

    duration: float
    declared_seconds: float | None
    gap_seconds: float
    lost_packets: int
    peak_db: float
    spread_db: float
    silences: tuple[Span, ...]
    track: int
    tracks: int

    @property
    def truncated(self) -> bool:
        """The file holds clearly less than it declares (by over 1 s and 2 %)."""
        if self.declared_seconds is None:
            return False
        return self.declared_seconds - self.duration > max(1.0, 0.02 * self.declared_seconds)

    @property
    def silent(self) -> bool:
        """Nothing was louder than -50 dBFS."""
        return self.peak_db < SILENT_DB

    @property
    def steady(self) -> bool:
        """The level never moves as speech does: noise, a hum, a tone. A hint, no proof."""
        return not self.silent and self.spread_db < STEADY_DB


class Recording:
    """One recording, to be decoded once.

    Args:
        path: the file, in any format that FFmpeg reads.
        chunk_seconds: wanted length of a chunk; none is longer than 1.1 times this and two
            overlaps.
        max_seconds: longest recording accepted.
        overlap_seconds: how far two chunks reach over the cut between them, each.
    """

    def __init__(
        self,
        path: Path,
        *,
        chunk_seconds: float = 300.0,
        max_seconds: float = 7200.0,
        overlap_seconds: float = 0.0,
    ) -> None:
        self._path = path
        self._chunk_samples = round(chunk_seconds * RATE)
        self._overlap = round(overlap_seconds * RATE)
        self._max_seconds = max_seconds
        self._levels = _Levels()
        self._properties: AudioProperties | None = None

    @property
    def properties(self) -> AudioProperties:
        """What decoding found; only once `chunks()` ran to its end."""
        if self._properties is None:
            raise RuntimeError("the recording was not decoded to its end yet")
        return self._properties

    def chunks(self) -> Iterator[Chunk]:
        """Decode the recording and yield its chunks in order, each as soon as it is whole.

        Raises:
            PermanentError: the file is no audio, holds no sound at all, or is too long.
        """
        with open_source(self._path) as source:
            self._refuse_if_longer(source.info.duration or 0.0)
            yield from self._cut(source)
            self._properties = self._sum_up(source)

    def _cut(self, source: Source) -> Iterator[Chunk]:
        full = round(FULL * self._chunk_samples) + self._overlap
        waiting = np.empty(full + RATE, np.int16)  # a block is at most one second
        start = count = cut = 0
        for block in source.blocks(rate=RATE, channels=1):
            samples = _to_int16(block)
            self._levels.add(samples)
            waiting[count : count + len(samples)] = samples
            count += len(samples)
            self._refuse_if_longer((start + count) / RATE)
            if count >= full:
                end = _quietest(waiting, self._chunk_samples)
                yield _chunk(start, waiting[: end + self._overlap], cut)
                cut = start + end
                first = end - self._overlap
                waiting[: count - first] = waiting[first:count].copy()
                start, count = start + first, count - first
        if start + count < SHORTEST_SOUND * RATE:
            raise PermanentError("the file holds no sound that decodes")
        yield _chunk(start, waiting[:count], cut)

    def _refuse_if_longer(self, seconds: float) -> None:
        # One second of grace: a file of exactly the limit may decode to a little more.
        if seconds > self._max_seconds + 1:
            raise PermanentError(
                f"the recording is longer than {self._max_seconds / 60:g} minutes: "
                "split it, or raise MAX_AUDIO_MINUTES"
            )

    def _sum_up(self, source: Source) -> AudioProperties:
        levels = self._levels
        return AudioProperties(
            duration=levels.samples / RATE,
            declared_seconds=source.info.duration,
            gap_seconds=source.gap_seconds,
            lost_packets=source.lost_packets,
            peak_db=decibels(levels.peak),
            spread_db=levels.spread_db(),
            silences=levels.silences(longer_than=4.0),
            track=source.info.track,
            tracks=source.info.tracks,
        )


class _Levels:
    """The level of every tenth of a second: 4 bytes each, 300 kB for two hours."""

    def __init__(self) -> None:
        self.samples = 0
        self.peak = 0.0
        self._parts: list[NDArray[np.float32]] = []
        self._rest = np.empty(0, np.int16)

    def add(self, samples: NDArray[np.int16]) -> None:
        self.samples += len(samples)
        self.peak = max(self.peak, _peak(samples))
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) // LEVEL_SAMPLES * LEVEL_SAMPLES
        self._rest = samples[whole:]
        tenths = samples[:whole].reshape(-1, LEVEL_SAMPLES).astype(np.float32) / 32768
        self._parts.append(10 * np.log10(np.maximum(np.mean(tenths**2, axis=1), 1e-12)))

    def spread_db(self) -> float:
        levels = np.concatenate(self._parts)
        if not levels.size:
            return 0.0
        quiet, loud = np.percentile(levels, (10, 95))
        return float(loud - quiet)

    def silences(self, *, longer_than: float) -> tuple[Span, ...]:
        levels = np.concatenate(self._parts)
        if not levels.size:
            return ()
        limit = max(SURELY_SILENT_DB, float(np.percentile(levels, 95)) - BELOW_SPEECH_DB)
        quiet = np.concatenate(([0], levels < limit, [0])).astype(np.int8)
        edges = np.flatnonzero(np.diff(quiet)).reshape(-1, 2) * LEVEL_SECONDS
        return tuple(
            Span(round(float(start), 1), round(float(end), 1))
            for start, end in edges
            if end - start >= longer_than
        )


def _quietest(samples: NDArray[np.int16], chunk_samples: int) -> int:
    """Where to cut: the middle of the quietest pause in the last part of a chunk."""
    first = round(CUT_AFTER * chunk_samples)
    power = samples[first:chunk_samples].astype(np.float64) ** 2
    window = min(QUIET_SAMPLES, len(power))
    sums = np.concatenate(([0.0], np.cumsum(power)))
    return first + int(np.argmin(sums[window:] - sums[:-window])) + window // 2


def _chunk(start: int, samples: NDArray[np.int16], cut: int) -> Chunk:
    return Chunk(
        start=start / RATE,
        duration=len(samples) / RATE,
        data=flac(samples, rate=RATE),
        peak_db=decibels(_peak(samples)),
        cut=cut / RATE,
    )


def _peak(samples: NDArray[np.int16]) -> float:
    return max(int(samples.max(initial=0)), -int(samples.min(initial=0))) / 32768


def _to_int16(block: Samples) -> NDArray[np.int16]:
    scaled: Samples = np.clip(np.round(block[0] * 32768), -32768, 32767)
    return scaled.astype(np.int16)

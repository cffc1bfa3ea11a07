"""Bring sound to a wanted loudness: a gain and a limiter, found by measuring what they give.

`loudness.py` measures; what is brought to which loudness is the callers' business.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from keepsake.audio.loudness import UNMEASURED, FilterChain, measure_blocks
from keepsake.audio.media import Samples, to_block

LOUDNESS = -16.0  # LUFS, what podcast platforms ask for
PEAK_LIMIT = -1.0  # dBTP, what podcast platforms accept
# The limiter sees samples only: mp3 coding and the curve between samples may go over by 2 dB.
LIMITER_DB = -3.0
LIMITER = f"limit={10 ** (LIMITER_DB / 20):.4f}:attack=5:release=80:level=false:latency=true"
GAIN_TOLERANCE = 0.2  # LU, of one sound while its gain is sought
GAIN_ROUNDS = 4


def find_gain(
    decode: Callable[[], Iterable[Samples]], *, rate: int, channels: int, loudness: float
) -> float | None:
    """The gain in dB that brings a sound to `loudness` (LUFS) behind the limiter.

    `decode` gives the sound from its start each time it is called. None: the sound is silent, or
    too short to measure.
    """
    raw = measure_blocks(decode(), rate=rate, channels=channels)
    if raw.silent or raw.integrated_lufs <= UNMEASURED:
        return None
    gain = loudness - raw.integrated_lufs
    if raw.true_peak_db + gain <= LIMITER_DB:
        return gain  # the limiter will have nothing to do
    for _ in range(GAIN_ROUNDS):  # what the limiter takes away, the gain gives back
        sound = levelled(decode(), gain, rate=rate, channels=channels)
        missing = loudness - measure_blocks(sound, rate=rate, channels=channels).integrated_lufs
        if abs(missing) <= GAIN_TOLERANCE:
            break
        gain += missing
    return gain


def levelled(
    blocks: Iterable[Samples], gain: float, *, rate: int, channels: int
) -> Iterator[Samples]:
    """The sound at its final level: `gain` in dB, then the limiter."""
    limiter = FilterChain("alimiter", LIMITER, rate=rate, channels=channels)
    factor = np.float32(10 ** (gain / 20))
    for block in blocks:
        yield from map(to_block, limiter.push(block * factor))
    yield from map(to_block, limiter.push(None))

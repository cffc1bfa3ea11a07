"""Cut a few seconds out of a recording, as loud as an episode: the speaker's own voice."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from keepsake.audio.encode import Mp3Writer, faded, replacing
from keepsake.audio.id3 import EpisodeTags, write_tags
from keepsake.audio.levelling import LOUDNESS, find_gain, levelled
from keepsake.audio.loudness import measure
from keepsake.audio.media import Samples, open_source, probe
from keepsake.errors import PermanentError

TOLERANCE = 0.2  # seconds a clip may differ from what was asked for


def cut(
    path: Path,
    start: float,
    end: float,
    out_path: Path,
    *,
    tags: EpisodeTags | None = None,
    pad: float = 0.15,
    fade: float = 0.02,
) -> float:
    """Cut `start` to `end` (seconds) of a recording to an mp3; return the clip's seconds.

    The clip is `pad` longer on both sides where the recording goes on, exact to the sample, with
    `fade` seconds of fade at its edges, mono or stereo as the source. `out_path` is written whole
    or not at all. It is brought to -16 LUFS with true peaks below -1 dBTP; what is too short to
    measure, under 0.4 s, is left as loud as it is. `tags` are written if there are any.

    Raises:
        PermanentError: the times are outside the recording, the clip is silent, or its length is
            not what was asked for; see also `open_source`.
    """
    if not 0 <= start < end:
        raise PermanentError(f"no clip from {start:.2f} s to {end:.2f} s: not a span of time")
    first, last = max(0.0, start - pad), end + pad
    with replacing(out_path) as temporary:
        written = _write(path, first, last, temporary, fade)
        if written < end - first - TOLERANCE:
            raise PermanentError(
                f"no clip from {start:.2f} s to {end:.2f} s: the recording ends before it"
            )
        clip = measure(temporary)
        if abs(clip.duration - written) > TOLERANCE:
            raise PermanentError(f"the clip lasts {clip.duration:.2f} s instead of {written:.2f} s")
        if clip.silent:
            raise PermanentError(f"the recording is silent from {start:.2f} s to {end:.2f} s")
        if tags:
            write_tags(temporary, tags)
    return clip.duration


def _write(path: Path, first: float, last: float, out_path: Path, fade: float) -> float:
    """Write the span to an mp3; return its seconds."""
    info = probe(path)
    # mp3 knows both of these rates; everything else becomes the more common one.
    rate = 48_000 if info.sample_rate == 48_000 else 44_100
    channels = min(info.channels, 2)
    kilobits = 96 if channels == 1 else 128

    def span() -> Iterator[Samples]:
        return _span(path, first, last, rate=rate, channels=channels)

    gain = find_gain(span, rate=rate, channels=channels, loudness=LOUDNESS) or 0.0
    with Mp3Writer(out_path, rate=rate, channels=channels, kilobits=kilobits) as mp3:
        sound = levelled(span(), gain, rate=rate, channels=channels)
        for block in faded(sound, round(fade * rate)):
            mp3.write(block)
    return mp3.samples / rate


def _span(path: Path, first: float, last: float, *, rate: int, channels: int) -> Iterator[Samples]:
    """Yield the sound from `first` to `last`, exact to the sample."""
    for near in (first, 0.0):  # seek; decode from the start where seeking lands too late
        with open_source(path) as source:
            blocks = source.blocks(rate=rate, channels=channels, near=near)
            head = next(blocks, None)
            if head is None or source.start is None or source.start > first:
                continue
            skip = round((first - source.start) * rate)
            yield from _trimmed(chain((head,), blocks), skip, round((last - first) * rate))
            return


def _trimmed(blocks: Iterable[Samples], skip: int, count: int) -> Iterator[Samples]:
    """Leave out `skip` samples, then pass on `count`."""
    for block in blocks:
        kept = block[:, skip : skip + count]
        skip = max(0, skip - block.shape[1])
        count -= kept.shape[1]
        if kept.size:
            yield kept
        if count == 0:
            return

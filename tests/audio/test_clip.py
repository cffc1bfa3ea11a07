"""A clip of the original: the right words, to the sample, whole or not at all."""

from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mutagen import id3

from keepsake.audio.clip import cut
from keepsake.audio.cover import cover
from keepsake.audio.episode import LOUDNESS_TOLERANCE
from keepsake.audio.id3 import EpisodeTags
from keepsake.audio.loudness import measure
from keepsake.audio.media import open_source, probe
from keepsake.errors import PermanentError
from tests.recordings import RATE, Sound

from .conftest import Encode

ANALYSED_RATE = 16_000


def _decoded(path: Path) -> Sound:
    with open_source(path) as source:
        return np.concatenate([block[0] for block in source.blocks(rate=ANALYSED_RATE, channels=1)])


def _where(part: Sound, whole: Sound) -> float:
    """Seconds into `whole` at which `part` fits best."""
    size = len(part) + len(whole)
    spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size))
    return int(np.argmax(np.fft.irfft(spectrum)[: len(whole)])) / ANALYSED_RATE


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.wav", "pcm_s16le", 8_000, 1),
        ("a.mp3", "libmp3lame", 44_100, 2),
        ("a.m4a", "aac", 48_000, 2),
        ("a.ogg", "libopus", 48_000, 1),
        ("a.webm", "libopus", 48_000, 1),
        ("a.flac", "flac", 44_100, 1),
    ],
)
def test_a_clip_starts_where_the_transcript_says(
    speech: Sound,
    encode: Encode,
    tmp_path: Path,
    name: str,
    codec: str,
    rate: int,
    channels: int,
) -> None:
    path = encode(speech, name, codec=codec, rate=rate, channels=channels)

    seconds = cut(path, 10.0, 12.0, tmp_path / "clip.mp3")

    assert seconds == pytest.approx(2.3, abs=0.05)  # 0.15 s more on both sides
    clip = _decoded(tmp_path / "clip.mp3")
    assert _where(clip, _decoded(path)) == pytest.approx(10.0 - 0.15, abs=0.002)
    assert probe(tmp_path / "clip.mp3").channels == channels


def test_a_variable_bit_rate_mp3_is_cut_as_exactly(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    """Its byte position tells nothing of the time: seeking has to count frames."""
    sound = np.concatenate((speech * 0, speech, speech[::-1] * 0.5, speech))
    path = encode(sound, "a.mp3", codec="libmp3lame", options={"abr": "1"})

    cut(path, 68.0, 70.0, tmp_path / "clip.mp3", pad=0)

    assert _where(_decoded(tmp_path / "clip.mp3"), _decoded(path)) == pytest.approx(68, abs=0.002)


def test_a_clip_at_the_edges_stays_inside_the_recording(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    path = encode(speech, "a.flac", codec="flac")
    end = len(speech) / RATE

    assert cut(path, 0, 1, tmp_path / "first.mp3") == pytest.approx(1.15, abs=0.05)
    assert cut(path, end - 2, end, tmp_path / "last.mp3") == pytest.approx(2.15, abs=0.05)


def test_a_clip_does_not_click(encode: Encode, tmp_path: Path) -> None:
    """A tone cut in full swing fades in and out."""
    tone = (0.5 * np.sin(np.arange(5 * RATE) / 10)).astype(np.float32)
    path = encode(tone, "a.flac", codec="flac")

    cut(path, 1, 2, tmp_path / "clip.mp3", fade=0.05)

    clip = np.abs(_decoded(tmp_path / "clip.mp3"))
    edge = ANALYSED_RATE // 200  # 5 ms, a tenth of the fade
    assert clip[:edge].max() < 0.1
    assert clip[-edge:].max() < 0.1
    assert clip[ANALYSED_RATE // 4 : -ANALYSED_RATE // 4].max() > 0.15


@pytest.mark.parametrize("volume", [0.02, 1.0], ids=["far from the phone", "too near"])
def test_a_clip_is_as_loud_as_an_episode(
    speech: Sound, encode: Encode, tmp_path: Path, volume: float
) -> None:
    path = encode(speech * volume, "a.flac", codec="flac")
    cut(path, 10, 14, tmp_path / "clip.mp3")
    measured = measure(tmp_path / "clip.mp3")
    assert measured.integrated_lufs == pytest.approx(-16, abs=LOUDNESS_TOLERANCE)
    assert measured.true_peak_db <= -1


def test_a_clip_has_tags_and_a_cover_and_is_read_all_the_same(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    path = encode(speech, "a.flac", codec="flac")
    tags = EpisodeTags(
        title="Dough needs patience",
        artist="Rose",
        album="The Marlows family stories",
        published=date(2026, 10, 4),
        genre="Speech",
        cover=cover("The Marlows"),
    )
    cut(path, 10, 12, tmp_path / "clip.mp3", tags=tags)
    tag: Any = id3.ID3(tmp_path / "clip.mp3")  # type: ignore[no-untyped-call]
    names = ("TIT2", "TPE1", "TALB", "TCON", "TDRC")
    assert [str(tag[name]) for name in names] == [
        "Dough needs patience",
        "Rose",
        "The Marlows family stories",
        "Speech",
        "2026-10-04",
    ]
    assert tag["APIC:"].data == cover("The Marlows")
    assert measure(tmp_path / "clip.mp3").duration == pytest.approx(2.3, abs=0.05)


def test_a_cover_is_a_square_picture_of_the_familys_own() -> None:
    with av.open(BytesIO(cover("The Marlows")), "r") as picture:
        frame = next(picture.decode(video=0))
    assert (frame.width, frame.height) == (600, 600)
    assert len(np.unique(frame.to_ndarray(format="rgb24").reshape(-1, 3), axis=0)) == 2
    assert cover("The Marlows") != cover("The Harbors")


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [(2.0, 1.0, "not a span"), (18.0, 30.0, "ends before"), (100.0, 101.0, "ends before")],
)
def test_times_outside_the_recording_are_refused(
    speech: Sound, encode: Encode, tmp_path: Path, start: float, end: float, reason: str
) -> None:
    path = encode(speech, "a.mp3", codec="libmp3lame")

    with pytest.raises(PermanentError, match=reason):
        cut(path, start, end, tmp_path / "clip.mp3")

    assert [file.name for file in tmp_path.iterdir()] == ["a.mp3"]


def test_a_silent_clip_is_refused_and_leaves_the_old_one(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    path = encode(np.concatenate((speech, speech * 0)), "a.flac", codec="flac")
    clip = tmp_path / "clip.mp3"
    cut(path, 1, 3, clip)
    before = clip.read_bytes()

    with pytest.raises(PermanentError, match="silent"):
        cut(path, 25, 27, clip)

    assert clip.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.flac", "clip.mp3"]

"""An episode: parts of any level and format become one even mp3, proven or refused."""

# mypy: disallow-untyped-calls=False
# (mutagen has no types)

from datetime import date
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.id3 import ID3

from keepsake.audio.episode import Part, assemble
from keepsake.audio.id3 import EpisodeTags
from keepsake.audio.loudness import measure
from keepsake.audio.media import open_source
from keepsake.errors import PermanentError
from tests.recordings import RATE, Sound

from .conftest import Encode

TAGS = EpisodeTags(
    title="Bread and patience 🍞",
    artist="Oma Käthe",
    album="Our family",
    published=date(2026, 11, 22),
    description="How bread was baked.",
)


@pytest.fixture
def sentence(speech: Sound) -> Sound:
    """The first sentence: enough to measure, quick to encode."""
    return speech[: 5 * RATE]


@pytest.fixture
def parts(sentence: Sound, encode: Encode) -> list[Part]:
    """A whisper on an old phone, a shouting stereo studio, and the first again."""
    quiet = encode(sentence * 0.02, "quiet.mp3", codec="libmp3lame", rate=16_000)
    shout = np.clip(sentence * 6, -1, 1)
    loud = encode(shout, "loud.m4a", codec="aac", rate=48_000, channels=2)
    return [
        Part(quiet, "Opening", gap_after=0.8),
        Part(loud, "The recording, as it was", gap_after=1.0),
        Part(quiet, gap_after=0.5),
        Part(loud, "Ende 👵"),
    ]


def test_parts_and_pauses_add_up(parts: list[Part], sentence: Sound, tmp_path: Path) -> None:
    episode = assemble(parts, tmp_path / "episode.mp3", tags=TAGS)

    expected = 4 * len(sentence) / RATE + 0.8 + 1.0 + 0.5
    assert episode.duration == pytest.approx(expected, abs=0.2)
    assert episode.size_bytes == (tmp_path / "episode.mp3").stat().st_size
    with av.open(str(tmp_path / "episode.mp3")) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels, stream.codec_context.name) == (44_100, 2, "mp3float")


def test_a_quiet_and_a_loud_part_come_out_alike(
    parts: list[Part], sentence: Sound, tmp_path: Path, encode: Encode
) -> None:
    levels = [measure(part.path).integrated_lufs for part in parts[:2]]
    assert levels[1] - levels[0] > 30

    episode = assemble(parts[:2], tmp_path / "episode.mp3", tags=TAGS)

    whole = measure(tmp_path / "episode.mp3")
    assert whole.integrated_lufs == pytest.approx(-16, abs=1)
    assert whole.true_peak_db <= -1
    assert episode.loudness == whole.integrated_lufs
    with open_source(tmp_path / "episode.mp3") as source:
        sound = np.concatenate([block[0] for block in source.blocks(rate=RATE, channels=1)])
    halves = (sound[: len(sentence)], sound[-len(sentence) :])
    first, second = (
        measure(encode(half, f"{number}.flac", codec="flac")).integrated_lufs
        for number, half in enumerate(halves)
    )
    assert first == pytest.approx(second, abs=1)


def test_peaks_far_above_the_voice_do_not_keep_it_quiet(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    """A knock on the table every two seconds, 25 dB over a soft voice."""
    knocking = speech * 0.05
    for at in range(0, len(knocking) - 200, 2 * RATE):
        knocking[at : at + 200] += 0.9 * np.hanning(200) * np.sin(np.arange(200) / 4)
    path = encode(knocking.astype(np.float32), "a.flac", codec="flac")

    episode = assemble([Part(path)], tmp_path / "episode.mp3", tags=TAGS)

    assert episode.loudness == pytest.approx(-16, abs=1)
    assert episode.chapters == ()


def test_chapters_begin_at_titled_parts_and_every_reader_sees_them_in_order(
    parts: list[Part], sentence: Sound, tmp_path: Path
) -> None:
    path = tmp_path / "episode.mp3"
    episode = assemble(parts, path, tags=TAGS)

    one = len(sentence) / RATE
    titles = ["Opening", "The recording, as it was", "Ende 👵"]
    assert [mark.title for mark in episode.chapters] == titles
    starts = [0, one + 0.8, 3 * one + 2.3]
    assert [mark.start for mark in episode.chapters] == pytest.approx(starts, abs=0.1)
    assert [mark.end for mark in episode.chapters][:-1] == [
        mark.start for mark in episode.chapters[1:]
    ]

    milliseconds = [round(mark.start * 1000) for mark in episode.chapters]
    tag = ID3(path)
    (contents,) = tag.getall("CTOC")
    read = [tag[f"CHAP:{name}"] for name in contents.child_element_ids]
    assert [chapter.start_time for chapter in read] == milliseconds
    assert [str(chapter.sub_frames["TIT2"]) for chapter in read] == titles
    with av.open(str(path)) as container:
        assert [chapter["start"] for chapter in container.chapters()] == milliseconds
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == titles


def test_tags_say_what_the_episode_is(parts: list[Part], tmp_path: Path) -> None:
    assemble(parts[:1], tmp_path / "episode.mp3", tags=TAGS)

    with av.open(str(tmp_path / "episode.mp3")) as container:
        assert container.metadata == {
            "title": "Bread and patience 🍞",
            "artist": "Oma Käthe",
            "album": "Our family",
            "genre": "Podcast",
            "language": "eng",
            "date": "2026-11-22",
            "comment": "How bread was baked.",
        }


def test_a_silent_part_is_refused_and_leaves_nothing(
    parts: list[Part], speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    silent = encode(speech * 0, "silent.flac", codec="flac")
    folder = tmp_path / "episodes"

    with pytest.raises(PermanentError, match="part of the episode is silent"):
        assemble([parts[0], Part(silent)], folder / "episode.mp3", tags=TAGS)

    assert list(folder.iterdir()) == []


def test_a_part_too_short_to_measure_is_refused(
    speech: Sound, encode: Encode, tmp_path: Path
) -> None:
    blip = encode(speech[6000:10000], "blip.wav", codec="pcm_s16le")

    with pytest.raises(PermanentError, match=r"too short to measure \(0.17 s\)"):
        assemble([Part(blip)], tmp_path / "episode.mp3", tags=TAGS)


def test_loudness_is_measured_as_the_standard_says(encode: Encode) -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS measures -23 LUFS."""
    sine = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(20 * 48_000) / 48_000)
    path = encode(
        sine.astype(np.float32) / np.float32(np.sqrt(0.5)),
        "sine.wav",
        codec="pcm_f32le",
        rate=48_000,
        channels=2,
        sound_rate=48_000,
    )

    measured = measure(path)

    assert measured.integrated_lufs == pytest.approx(-23, abs=0.1)
    assert measured.true_peak_db == pytest.approx(-23, abs=0.2)
    assert measured.duration == pytest.approx(20)
    assert not measured.silent

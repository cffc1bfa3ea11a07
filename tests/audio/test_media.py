"""Any file a person sends: opened, decoded as far as it goes, or refused with a reason."""

from pathlib import Path

import av
import numpy as np
import pytest

from keepsake.audio.media import open_source, probe
from keepsake.audio.recording import Recording
from keepsake.errors import PermanentError

from .conftest import SPEECH_RATE, Encode, Sound

FORMATS = [
    ("phone.wav", "pcm_s16le", 8_000, 1),
    ("studio.wav", "pcm_f32le", 48_000, 2),
    ("small.mp3", "libmp3lame", 16_000, 1),
    ("music.mp3", "libmp3lame", 44_100, 2),
    ("iphone.m4a", "aac", 48_000, 2),
    ("bare.aac", "aac", 44_100, 1),
    ("whatsapp.ogg", "libopus", 48_000, 1),
    ("browser.webm", "libopus", 48_000, 2),
    ("archive.flac", "flac", 44_100, 1),
]


@pytest.mark.parametrize(("name", "codec", "rate", "channels"), FORMATS)
def test_every_format_is_described_and_decoded_to_its_full_length(
    speech: Sound, encode: Encode, name: str, codec: str, rate: int, channels: int
) -> None:
    path = encode(speech, name, codec=codec, rate=rate, channels=channels)
    seconds = len(speech) / SPEECH_RATE

    info = probe(path)
    recording = Recording(path)
    (chunk,) = recording.chunks()

    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration is None or abs(info.duration - seconds) < 0.1
    assert abs(chunk.duration - seconds) < 0.1
    assert not recording.heard.truncated
    assert not recording.heard.silent


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.mp3", "libmp3lame"),
        ("a.flac", "flac"),
        ("a.webm", "libopus"),
    ],
)
def test_a_file_cut_in_half_gives_what_it_holds_and_says_what_is_missing(
    speech: Sound, encode: Encode, name: str, codec: str
) -> None:
    rate = 48_000 if codec == "libopus" else SPEECH_RATE
    path = encode(speech, name, codec=codec, rate=rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seconds = len(speech) / SPEECH_RATE

    recording = Recording(path)
    heard_seconds = sum(chunk.duration for chunk in recording.chunks())

    assert recording.heard.truncated
    assert recording.heard.declared_seconds == pytest.approx(seconds, abs=0.1)
    assert heard_seconds == pytest.approx(seconds / 2, abs=1.0)


def test_an_m4a_cut_before_its_index_is_refused(speech: Sound, encode: Encode) -> None:
    path = encode(speech, "a.m4a", codec="aac", rate=44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(PermanentError, match="cut off"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("letter.mp3", b"Dear family, this is a letter and no recording.\n" * 100),
        ("page.mp3", b"<!doctype html><html>" + b"<p>Not found</p>" * 500),
        ("noise.mp3", np.random.default_rng(0).bytes(100_000)),
        ("noise.wav", np.random.default_rng(0).bytes(100_000)),
        ("two.mp3", b"ID"),
    ],
)
def test_a_file_that_is_no_audio_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(PermanentError, match="no audio"):
        probe(path)


def test_an_empty_file_and_a_missing_one_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()

    with pytest.raises(PermanentError, match="empty"):
        probe(tmp_path / "empty.mp3")
    with pytest.raises(PermanentError, match="missing"):
        probe(tmp_path / "nowhere.mp3")


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))

    with pytest.raises(PermanentError, match="no audio track"):
        probe(path)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {path}\n",
    ],
)
def test_a_playlist_cannot_make_us_read_another_file(
    speech: Sound, encode: Encode, tmp_path: Path, playlist: str
) -> None:
    secret = encode(speech, "secret.mp3", codec="libmp3lame")
    path = tmp_path / "playlist.m3u8"
    path.write_text(playlist.format(path=secret.name))

    with pytest.raises(PermanentError, match="no audio"):
        probe(path)


def test_a_pause_in_the_timestamps_is_kept_as_silence(speech: Sound, encode: Encode) -> None:
    """So that the time of a word in the samples is its time in a player."""
    path = encode(speech, "a.webm", codec="libopus", rate=48_000)
    damaged = bytearray(path.read_bytes())
    third = len(damaged) // 3
    damaged[third : 2 * third] = bytes(third)
    path.write_bytes(damaged)

    recording = Recording(path)
    duration = sum(chunk.duration for chunk in recording.chunks())

    assert recording.heard.gap_seconds > 3
    assert duration == pytest.approx(len(speech) / SPEECH_RATE, abs=0.1)


def test_joined_files_of_different_rates_are_both_heard(speech: Sound, encode: Encode) -> None:
    first = encode(speech, "a.mp3", codec="libmp3lame", rate=44_100, channels=2)
    second = encode(speech, "b.mp3", codec="libmp3lame", rate=16_000)
    first.write_bytes(first.read_bytes() + second.read_bytes())

    with open_source(first) as source:
        samples = sum(block.shape[1] for block in source.blocks(rate=16_000, channels=1))

    assert samples / 16_000 == pytest.approx(2 * len(speech) / SPEECH_RATE, abs=0.3)

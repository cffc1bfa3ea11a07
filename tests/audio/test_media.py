"""Any file a person sends: opened, decoded as far as it goes, or refused with a reason."""

from pathlib import Path

import av
import numpy as np
import pytest

from keepsake.audio.media import open_source, probe
from keepsake.audio.recording import Recording
from keepsake.errors import PermanentError
from tests.recordings import RATE, Sound

from .conftest import Encode

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
    seconds = len(speech) / RATE

    info = probe(path)
    recording = Recording(path)
    (chunk,) = recording.chunks()

    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration is None or abs(info.duration - seconds) < 0.1
    assert abs(chunk.duration - seconds) < 0.1
    assert not recording.properties.truncated
    assert not recording.properties.silent


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
    rate = 48_000 if codec == "libopus" else RATE
    path = encode(speech, name, codec=codec, rate=rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seconds = len(speech) / RATE

    recording = Recording(path)
    heard_seconds = sum(chunk.duration for chunk in recording.chunks())

    assert recording.properties.truncated
    assert recording.properties.declared_seconds == pytest.approx(seconds, abs=0.1)
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

    assert recording.properties.gap_seconds > 3
    assert duration == pytest.approx(len(speech) / RATE, abs=0.1)


def test_joined_files_of_different_rates_are_both_heard(speech: Sound, encode: Encode) -> None:
    first = encode(speech, "a.mp3", codec="libmp3lame", rate=44_100, channels=2)
    second = encode(speech, "b.mp3", codec="libmp3lame", rate=16_000)
    first.write_bytes(first.read_bytes() + second.read_bytes())

    with open_source(first) as source:
        samples = sum(block.shape[1] for block in source.blocks(rate=16_000, channels=1))

    assert samples / 16_000 == pytest.approx(2 * len(speech) / RATE, abs=0.3)


# -- files as telephones and recorders make them ---------------------------------------------------

FILES = Path(__file__).parent / "files"


def _mono(path: Path, rate: int = 8_000) -> Sound:
    with open_source(path) as source:
        return np.concatenate([block[0] for block in source.blocks(rate=rate, channels=1)])


def test_channels_in_opposite_phase_do_not_cancel_each_other() -> None:
    recording = Recording(FILES / "opposite-phase.wav")
    list(recording.chunks())

    assert recording.properties.peak_db > -6
    assert recording.properties.duration == pytest.approx(5.59, abs=0.01)


def test_they_are_turned_to_one_phase_in_a_clip_of_two_channels_too() -> None:
    with open_source(FILES / "opposite-phase.wav") as source:
        blocks = list(source.blocks(rate=8_000, channels=2))

    first, second = np.concatenate(blocks, axis=1)
    assert float(np.corrcoef(first, second)[0, 1]) > 0.9


def test_channels_that_have_little_in_common_are_added_up(speech: Sound, tmp_path: Path) -> None:
    """Two people, each on a channel of their own."""
    path = tmp_path / "two.wav"
    half = len(speech) // 2
    sides = np.stack([speech[:half], speech[half : 2 * half]])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sides, "fltp", "stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    heard = _mono(path, rate=RATE)

    np.testing.assert_allclose(heard, sides.mean(axis=0), atol=1e-3)


def test_of_two_tracks_the_one_with_the_sound_is_taken() -> None:
    info = probe(FILES / "two-tracks-first-silent.m4a")
    recording = Recording(FILES / "two-tracks-first-silent.m4a")
    list(recording.chunks())

    assert (info.track, info.tracks) == (2, 2)
    assert recording.properties.peak_db > -6
    assert recording.properties.duration == pytest.approx(5.5, abs=0.02)


def test_pauses_that_a_telephone_left_out_keep_their_time() -> None:
    """700 frames of 20 ms, 181 of them pauses (DTX) that FFmpeg's decoder does not know."""
    path = FILES / "phone-with-pauses.amr"
    recording = Recording(path)
    (chunk,) = recording.chunks()

    assert chunk.duration == recording.properties.duration == 14.0
    assert recording.properties.lost_packets == 181
    assert recording.properties.gap_seconds == pytest.approx(181 * 0.02)
    assert not recording.properties.truncated
    loud = np.flatnonzero(np.abs(_mono(path)) > 0.02) / 8_000
    assert not loud[(loud > 5.3) & (loud < 8.4)].size  # between the two sentences
    assert loud[loud > 5.3][0] == pytest.approx(8.6, abs=0.2)


@pytest.mark.parametrize(
    ("name", "seconds"), [("vbr-without-a-header.mp3", 27.6), ("phone-with-pauses.amr", 14.0)]
)
def test_a_length_that_ffmpeg_guesses_is_no_length_that_the_file_states(
    name: str, seconds: float
) -> None:
    recording = Recording(FILES / name, max_seconds=seconds)
    list(recording.chunks())

    assert probe(FILES / name).duration is None
    assert recording.properties.duration == pytest.approx(seconds, abs=0.05)
    assert not recording.properties.truncated


def test_an_mp3_that_counts_its_frames_states_its_length_behind_any_tag(
    speech: Sound, encode: Encode
) -> None:
    path = encode(speech, "a.mp3", codec="libmp3lame")
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 8, 0]) + bytes(8 << 7)
    path.write_bytes(tag + path.read_bytes())

    assert probe(path).duration == pytest.approx(len(speech) / RATE, abs=0.1)

"""A recording in chunks: cut in pauses, bounded in memory, honest about what was heard."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from keepsake.audio.recording import Chunk, Recording
from keepsake.errors import PermanentError
from tests.recordings import RATE, Sound

from .conftest import Encode


def _sound(chunk: Chunk) -> Sound:
    with av.open(BytesIO(chunk.data), "r") as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (16_000, 1)
        blocks = [frame.to_ndarray()[0] for frame in container.decode(stream)]
    return np.concatenate(blocks).astype(np.float32)


def test_chunks_follow_each_other_without_loss(speech: Sound, encode: Encode) -> None:
    path = encode(speech, "a.flac", codec="flac", rate=16_000)
    (whole,) = Recording(path).chunks()

    chunks = list(Recording(path, chunk_seconds=5).chunks())

    assert len(chunks) >= 4
    starts = [chunk.start for chunk in chunks]
    ends = [chunk.start + chunk.duration for chunk in chunks]
    assert starts[1:] == pytest.approx(ends[:-1])
    np.testing.assert_array_equal(np.concatenate([_sound(c) for c in chunks]), _sound(whole))


def test_a_cut_falls_in_a_pause(encode: Encode) -> None:
    """A tone with a pause of 0.4 s at 9.0 s: the cut of a 10 s chunk is in the pause."""
    time = np.arange(15 * 16_000) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    tone[(time >= 9.0) & (time < 9.4)] *= 0.01
    path = encode(tone, "a.wav", codec="pcm_s16le", rate=16_000, sound_rate=16_000)

    first, second = Recording(path, chunk_seconds=10).chunks()

    assert first.start == 0
    assert 9.0 < second.start < 9.4
    assert second.start + second.duration == pytest.approx(15)


def test_a_recording_a_little_longer_than_a_chunk_stays_whole(
    speech: Sound, encode: Encode
) -> None:
    path = encode(speech, "a.flac", codec="flac")

    (only,) = Recording(path, chunk_seconds=len(speech) / RATE - 1).chunks()

    assert only.duration == pytest.approx(len(speech) / RATE, abs=0.01)


def test_recordings_may_be_heard_in_threads_side_by_side(speech: Sound, encode: Encode) -> None:
    path = encode(speech, "a.m4a", codec="aac", rate=44_100)

    with ThreadPoolExecutor(4) as threads:
        heard = list(threads.map(lambda _: list(Recording(path).chunks()), range(4)))

    assert all(chunks == heard[0] for chunks in heard)


def test_silence_is_told_from_sound(speech: Sound, encode: Encode) -> None:
    recording = Recording(encode(speech * 0, "a.mp3", codec="libmp3lame"))
    (chunk,) = recording.chunks()

    assert chunk.silent
    assert recording.properties.silent
    assert not recording.properties.steady


def test_noise_is_steady_and_speech_is_not(speech: Sound, encode: Encode) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    heard = []
    for sound, name in (
        (noise, "noise.wav"),
        (speech + np.resize(noise * 0.03, speech.shape), "speech.wav"),
    ):
        recording = Recording(encode(sound, name, codec="pcm_s16le"))
        list(recording.chunks())
        heard.append(recording.properties)

    assert [each.steady for each in heard] == [True, False]


def test_long_silences_are_found_where_they_are(speech: Sound, encode: Encode) -> None:
    six_seconds = np.zeros(6 * RATE, np.float32)
    before = len(speech) / RATE
    path = encode(np.concatenate((speech, six_seconds, speech)), "a.flac", codec="flac")

    recording = Recording(path)
    list(recording.chunks())

    (silence,) = recording.properties.silences
    assert before - 1 < silence.start < before + 0.2
    assert before + 5.8 < silence.end < before + 7


def test_a_recording_over_the_limit_is_refused_before_it_is_decoded(
    speech: Sound, encode: Encode
) -> None:
    path = encode(speech, "a.flac", codec="flac")

    with pytest.raises(PermanentError, match="MAX_AUDIO_MINUTES"):
        next(Recording(path, max_seconds=10).chunks())


def test_the_limit_holds_where_the_file_declares_no_length(speech: Sound, encode: Encode) -> None:
    path = encode(speech, "a.aac", codec="aac")

    with pytest.raises(PermanentError, match="MAX_AUDIO_MINUTES"):
        list(Recording(path, max_seconds=10).chunks())


def test_a_file_that_holds_next_to_no_sound_is_refused(speech: Sound, encode: Encode) -> None:
    path = encode(speech[:100], "a.wav", codec="pcm_s16le")

    with pytest.raises(PermanentError, match="no sound"):
        list(Recording(path).chunks())


def test_what_was_heard_is_known_only_at_the_end(speech: Sound, encode: Encode) -> None:
    recording = Recording(encode(speech, "a.flac", codec="flac"), chunk_seconds=5)
    chunks = recording.chunks()
    next(chunks)

    with pytest.raises(RuntimeError, match="not decoded to its end"):
        _ = recording.properties


def test_two_hours_take_no_more_memory_than_twenty_minutes(tmp_path: Path) -> None:
    """In a process of its own: the high-water mark of its memory, in kB."""
    peaks = [_peak_kilobytes(tmp_path, minutes) for minutes in (20, 120)]

    assert peaks[1] - peaks[0] < 20_000


_HEAR = """
import sys
from pathlib import Path
from keepsake.audio.recording import Recording
recording = Recording(Path(sys.argv[1]))
for chunk in recording.chunks(): pass
assert abs(recording.properties.duration - float(sys.argv[2])) < 1
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def _peak_kilobytes(folder: Path, minutes: int) -> int:
    minute = np.random.default_rng(0).normal(0, 3000, 60 * 8_000).astype(np.int16)
    path = folder / f"{minutes}.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8_000, layout="mono")
        for _ in range(minutes):
            frame = av.AudioFrame.from_ndarray(minute[np.newaxis], "s16", "mono")
            frame.sample_rate = 8_000
            container.mux(stream.encode(frame))
    run = [sys.executable, "-c", _HEAR, str(path), str(minutes * 60)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)

"""Transcripts: what was said and when, whatever it was recorded with, and what not to trust."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepsake.text.spans import text_key
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Double, error
from tests.recordings import RATE, noise, record, silence, spoken, tone

from .conftest import SPOKEN, WRITTEN, OpensHouse, Told
from .house import House

pytestmark = pytest.mark.acceptance

FILES = Path(__file__).parents[1] / "audio" / "files"
SEA = "my mother told me to be patient because"
SENTENCE = "My grandmother baked bread every Saturday."


@pytest.fixture
def listener() -> OpenAI:
    """A transcription model that hears the same in every piece."""
    return OpenAI()


@pytest.fixture
def misheard(house_with: OpensHouse, listener: OpenAI, serve: Callable[[Double], str]) -> House:
    """A house whose transcription model is the listener."""
    return house_with(
        TRANSCRIPTION_BASE_URL=serve(listener),
        TRANSCRIPTION_MODEL="whisper-large",
        TRANSCRIPTION_API_KEY="k-test",
    )


async def transcript(house: House, **response: Any) -> dict[str, Any]:
    record_id = await house.add(**response)
    await house.run("transcripts")
    return house.of("transcripts", record_id)[0]


# -- what is stored -------------------------------------------------------------------------------


def test_a_written_response_is_its_own_transcript(told: Told) -> None:
    row = told.house.of("transcripts", told.written)[0]
    assert row["text"] == WRITTEN
    assert (row["words"], row["segments"], row["issues"], row["raw"]) == ([], [], [], [])
    assert (row["language"], row["duration"]) == ("en", None)
    assert told.house.ledger(told.written)["transcripts"]["calls"] == 0


def test_a_recording_becomes_words_with_their_times(told: Told) -> None:
    row = told.house.of("transcripts", told.spoken)[0]
    said, heard = set(text_key(SPOKEN).split()), text_key(row["text"]).split()
    assert len(said & set(heard)) > 0.8 * len(said)
    assert [text_key(word) for word, _, _ in row["words"]] == heard
    times = [time for _, start, end in row["words"] for time in (start, end)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= row["duration"] == pytest.approx(18, abs=0.5)


def test_segments_and_the_raw_answer_are_kept(told: Told) -> None:
    row = told.house.of("transcripts", told.spoken)[0]
    assert text_key(" ".join(text for text, _, _ in row["segments"])) == text_key(row["text"])
    assert [piece["starts_at"] for piece in row["raw"]] == [0]
    assert row["raw"][0]["task"] == "transcribe"
    assert (row["language"], row["issues"]) == ("en", [])


async def test_recordings_of_every_kind_are_understood(house: House, tmp_path: Path) -> None:
    kinds = [
        {"name": "phone.wav", "codec": "pcm_s16le", "rate": 8_000},
        {"name": "studio.mp3", "codec": "libmp3lame", "rate": 48_000, "channels": 2},
        {"name": "iphone.m4a", "codec": "aac", "rate": 44_100},
        {"name": "message.ogg", "codec": "libopus", "rate": 48_000},
        {"name": "browser.webm", "codec": "libopus", "rate": 48_000, "channels": 2},
        {"name": "archive.flac", "codec": "flac", "rate": 44_100},
    ]
    ids = []
    for kind in kinds:
        path = tmp_path / str(kind.pop("name"))
        ids.append(await house.add(audio=record(spoken(SENTENCE), path, **kind)))  # type: ignore[arg-type]
    report = await house.run("transcripts")
    assert (report.steps["transcripts"].made, report.steps["transcripts"].failed) == (len(ids), 0)
    for record_id in ids:
        row = house.of("transcripts", record_id)[0]
        assert text_key("grandmother baked bread every Saturday") in text_key(row["text"])
        assert row["duration"] == pytest.approx(len(spoken(SENTENCE)) / RATE, abs=0.1)


async def test_a_whisper_is_told_no_names(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    """It takes them for what was said before, and goes on with them."""
    await transcript(misheard, audio=record(tone(3), tmp_path / "a.flac", codec="flac"))
    assert b"Marlows" not in listener.seen[0].body


@pytest.mark.parametrize(
    ("name", "seconds", "starts"),
    [
        ("opposite-phase.wav", 5.6, [0.0]),
        ("two-tracks-first-silent.m4a", 5.5, [0.0]),
        ("phone-with-pauses.amr", 14.0, [0.0, 8.56]),
        ("vbr-without-a-header.mp3", 27.6, [22.0]),
    ],
)
async def test_recordings_of_telephones_and_recorders_are_understood(
    house: House, name: str, seconds: float, starts: list[float]
) -> None:
    row = await transcript(house, audio=FILES / name)
    assert text_key(row["text"]).count(SEA) == len(starts)
    assert row["duration"] == pytest.approx(seconds, abs=0.05)
    said = [start for word, start, _ in row["words"] if word == "My"]
    assert said == pytest.approx(starts, abs=0.6)  # Whisper puts a first word early
    tracks = [issue for issue in row["issues"] if issue["kind"] == "tracks"]
    assert tracks == ([{"kind": "tracks", "track": 2, "tracks": 2}] if ".m4a" in name else [])


async def test_german_becomes_german_and_says_that_it_was_not_expected(house: House) -> None:
    """The family was made without a language: English is expected."""
    row = await transcript(house, audio=FILES / "german.ogg")
    assert row["language"] == "de"
    assert {"meine", "mutter", "vergessen"} <= set(text_key(row["text"]).split())
    [issue] = row["issues"]
    assert (issue["kind"], issue["declared"], issue["heard"]) == ("language", "en", "de")


async def test_what_an_english_model_would_invent_of_german_is_refused(
    house: House,
) -> None:
    with house.under(TRANSCRIPTION_MODEL="whisper-tiny.en") as small:
        record_id = await small.add(audio=FILES / "german.ogg")
        await small.run("transcripts")
    kind, message = house.error(record_id, "transcripts")
    assert kind == "PermanentError"
    assert "understands only en" in message
    assert "whisper-base" in message
    assert house.of("transcripts", record_id) == []


# -- what not to trust ----------------------------------------------------------------------------


async def test_where_nobody_speaks_there_is_a_clear_error_and_the_others_go_on(
    house: House, tmp_path: Path
) -> None:
    silent = await house.add(audio=record(silence(4), tmp_path / "a.mp3", codec="libmp3lame"))
    noisy = await house.add(audio=record(noise(3), tmp_path / "b.mp3", codec="libmp3lame"))
    written = await house.add(text="We baked bread.")
    await house.run("transcripts")
    for record_id, seconds in ((silent, "4.0"), (noisy, "3.0")):
        kind, message = house.error(record_id, "transcripts")
        assert kind == "PermanentError"
        assert f"no speech was found in {seconds}" in message
        assert house.of("transcripts", record_id) == []
    assert house.ledger(silent)["transcripts"]["calls"] == 0  # nobody was asked
    assert house.of("transcripts", written)


async def test_a_recording_that_breaks_off_says_so(misheard: House, tmp_path: Path) -> None:
    path = record(tone(20), tmp_path / "a.wav", codec="pcm_s16le")
    path.write_bytes(path.read_bytes()[: 5 * RATE * 2])
    row = await transcript(misheard, audio=path)
    [issue] = row["issues"]
    assert (issue["kind"], issue["end"]) == ("truncated", pytest.approx(20, abs=0.1))
    assert issue["start"] == pytest.approx(5, abs=0.1)
    assert row["text"]


async def test_long_silences_are_noted(misheard: House, tmp_path: Path) -> None:
    sound = np.concatenate([tone(3), silence(6), tone(3)])
    row = await transcript(misheard, audio=record(sound, tmp_path / "a.flac", codec="flac"))
    assert row["issues"] == [{"kind": "silence", "start": 3.0, "end": 9.0}]


async def test_a_loop_is_said_once_and_noted(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    said = ["We", "baked", "bread.", *["Thank", "you."] * 30, "Bye."]
    words = [{"word": word, "start": at / 10, "end": at / 10 + 0.1} for at, word in enumerate(said)]
    listener.hears = {"text": " ".join(said), "words": words, "language": "english"}
    row = await transcript(misheard, audio=record(tone(7), tmp_path / "a.flac", codec="flac"))
    assert row["text"] == "We baked bread. Thank you. Bye."
    assert row["issues"] == [{"kind": "loop", "words": 2, "times": 30, "start": 0.3, "end": 6.3}]
    assert [word for word, _, _ in row["words"]] == row["text"].split()
    assert row["words"][-1][1] == pytest.approx(6.3)
    assert len(row["raw"][0]["words"]) == len(said)


async def test_a_model_that_gives_no_times_still_gives_a_transcript(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    listener.hears = {"text": "We baked bread."}
    row = await transcript(misheard, audio=record(tone(7), tmp_path / "a.flac", codec="flac"))
    assert (row["text"], row["words"]) == ("We baked bread.", [])


def minute_of_mp3(folder: Path) -> bytes:
    """A minute of sound in little space; copies of it in a row are a longer recording."""
    path = record(tone(60), folder / "a.mp3", codec="libmp3lame", rate=8_000, kilobits=8)
    return path.read_bytes()


async def test_two_hours_are_heard_piece_by_piece_on_one_clock(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    long = tmp_path / "long.mp3"
    long.write_bytes(minute_of_mp3(tmp_path) * 119)
    row = await transcript(misheard, audio=long)
    assert row["duration"] == pytest.approx(119 * 60, rel=0.01)
    starts = [piece["starts_at"] for piece in row["raw"]]
    assert len(starts) == len(listener.seen) == pytest.approx(27, abs=4)
    assert starts == sorted(starts)
    assert row["text"] == " ".join(["We baked bread. Every Sunday!"] * len(starts))
    words = row["words"]
    assert [start for word, start, _ in words if word == "We"] == pytest.approx(starts, abs=0.001)
    assert [start for text, start, _ in row["segments"] if "baked" in text] == pytest.approx(
        starts, abs=0.001
    )
    assert misheard.rows("SELECT audio_seconds::int AS s FROM ledger WHERE calls > 0")
    assert listener.peak <= 2  # pieces of one recording at once


async def test_a_model_that_slows_us_down_is_asked_again(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    listener.next(error(503), error(429))
    row = await transcript(misheard, audio=record(tone(3), tmp_path / "a.flac", codec="flac"))
    assert row["text"]
    assert len(listener.seen) == 3


async def test_a_model_that_refuses_our_key_is_not_the_records_fault(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    listener.next(error(401))
    record_id = await misheard.add(audio=record(tone(3), tmp_path / "a.flac", codec="flac"))
    report = await misheard.run("transcripts")
    row = misheard.ledger(record_id)["transcripts"]
    assert (row["status"], row["error_type"], row["attempts"]) == ("pending", "EndpointDown", 0)
    assert "TRANSCRIPTION_API_KEY" in str(report.steps["transcripts"].down)


async def test_a_recording_that_is_gone_fails_its_record_only(
    misheard: House, tmp_path: Path
) -> None:
    lost = await misheard.add(audio=record(tone(2), tmp_path / "a.flac", codec="flac"))
    kept = await misheard.add(audio=record(tone(3), tmp_path / "b.flac", codec="flac"))
    misheard.file(misheard.of("responses", lost)[0]["audio_key"]).unlink()
    await misheard.run("transcripts")
    _, message = misheard.error(lost, "transcripts")
    assert misheard.of("responses", lost)[0]["audio_key"] in message
    assert misheard.of("transcripts", kept)


async def test_a_recording_longer_than_it_says_is_refused_as_it_is_heard(
    misheard: House, tmp_path: Path
) -> None:
    """A file may lie about its length; what was let in may be longer than the limit is now."""
    record_id = await misheard.add(audio=record(tone(1), tmp_path / "b.mp3", codec="libmp3lame"))
    path = misheard.file(misheard.of("responses", record_id)[0]["audio_key"])
    path.write_bytes(minute_of_mp3(tmp_path) * 122)
    await misheard.run("transcripts")
    kind, message = misheard.error(record_id, "transcripts")
    assert (kind, "longer than 120 minutes" in message) == ("PermanentError", True)

"""Podcasts: an episode that can be published as it is, and is paid for once."""

import io
import json
import re
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mutagen import id3
from starlette.responses import Response

from keepsake.audio.loudness import measure
from keepsake.audio.media import probe
from keepsake.database import connect
from keepsake.family.steps.podcasts import LOUDNESS, LOUDNESS_TOLERANCE, episodes_audible
from keepsake.text.spans import text_key
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Double
from tests.recordings import record, silence, spoken

from .conftest import Told
from .house import DAY, House, Storyteller

both = pytest.mark.parametrize("which", ["spoken", "written"])
TEXT = "We baked bread every Saturday. The whole street knew it."


def episode(house: House, record_id: int) -> dict[str, Any]:
    [row] = house.of("podcasts", record_id)
    return row


def cues(house: House, row: dict[str, Any]) -> list[tuple[float, float, str, str]]:
    """Start, end, speaker and words of each cue of an episode's transcript."""
    captions = house.file(row["vtt_key"]).read_text()
    assert captions.startswith("WEBVTT\n\n")
    found = re.findall(r"(\S+) --> (\S+)\n<v ([^>]+)>((?:.+\n?)+)", captions)
    assert len(found) == captions.count("-->")
    return [(seconds(start), seconds(end), who, said) for start, end, who, said in found]


def seconds(time: str) -> float:
    hours, minutes, rest = time.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def tags_of(house: House, row: dict[str, Any]) -> Any:
    return id3.ID3(house.file(row["audio_key"]))  # type: ignore[no-untyped-call]


@pytest.fixture
def house(weak_house: House, teller: Storyteller) -> House:
    """A house where every story is called Bread."""
    teller.will("Headline", {"title": "Bread", "summary": "A family bakes bread."})
    return weak_house


async def made(house: House, *ids: int, **order: Any) -> list[dict[str, Any]]:
    await house.run("transcripts", "stories", "podcasts", **order)
    return [episode(house, record_id) for record_id in ids]


# -- the episode ----------------------------------------------------------------------------------


@both
def test_an_episode_is_as_long_and_as_loud_as_its_row_says(told: Told, which: str) -> None:
    row = episode(told.house, getattr(told, which))
    file = told.house.file(row["audio_key"])
    measured = measure(file)
    assert measured.duration == pytest.approx(row["duration"], abs=0.1)
    assert measured.integrated_lufs == pytest.approx(row["loudness"], abs=0.1)
    assert measured.integrated_lufs == pytest.approx(LOUDNESS, abs=LOUDNESS_TOLERANCE)
    assert measured.true_peak_db <= -1
    assert file.stat().st_size == row["size_bytes"]


@both
def test_its_transcript_stays_within_it_and_says_who_speaks(told: Told, which: str) -> None:
    row = episode(told.house, getattr(told, which))
    found = cues(told.house, row)
    times = [time for start, end, _, _ in found for time in (start, end)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= row["duration"] + 0.01
    speakers = {who for _, _, who, _ in found}
    assert speakers == ({"Narrator", "Rose"} if which == "spoken" else {"Narrator"})


@both
def test_its_transcript_holds_every_word_of_the_story(told: Told, which: str) -> None:
    record_id = getattr(told, which)
    captions = text_key(
        " ".join(said for *_, said in cues(told.house, episode(told.house, record_id)))
    )
    table = "transcripts" if which == "spoken" else "stories"
    assert text_key(told.house.of(table, record_id)[0]["text"]) in captions


@both
def test_its_chapters_cover_it(told: Told, which: str) -> None:
    record_id = getattr(told, which)
    row = episode(told.house, record_id)
    chapters = json.loads(told.house.file(row["chapters_key"]).read_text())["chapters"]
    title = told.house.of("stories", record_id)[0]["title"]
    assert [chapter["title"] for chapter in chapters] == ["Introduction", title, "Closing"]
    ends = [chapter["endTime"] for chapter in chapters]
    assert [chapter["startTime"] for chapter in chapters] == [0, *ends[:-1]]
    assert ends[-1] == pytest.approx(row["duration"], abs=0.2)


@both
def test_players_see_what_it_is_called(told: Told, which: str) -> None:
    record_id = getattr(told, which)
    tags = tags_of(told.house, episode(told.house, record_id))
    assert str(tags["TIT2"]) == told.house.of("stories", record_id)[0]["title"]
    assert str(tags["TPE1"]) == ("Rose" if which == "spoken" else "Sam")
    assert str(tags["TALB"]) == "The Marlows family stories"
    assert str(tags["TLAN"]) == "eng"
    assert len(tags.getall("CHAP")) == 3


def test_the_speaker_is_heard_and_not_a_narrator_in_their_place(told: Told) -> None:
    recording = told.house.of("transcripts", told.spoken)[0]["duration"]
    row = episode(told.house, told.spoken)
    spoken_by_rose = [end - start for start, end, who, _ in cues(told.house, row) if who == "Rose"]
    assert sum(spoken_by_rose) == pytest.approx(recording, rel=0.35)
    assert told.house.ledger(told.spoken)["podcasts"]["characters"] < 200  # opening and closing


async def test_a_phones_mono_and_a_studios_stereo_become_episodes(
    house: House, tmp_path: Path
) -> None:
    phone = record(spoken(TEXT), tmp_path / "a.wav", codec="pcm_s16le", rate=8_000)
    studio = record(spoken(TEXT) * 0.05, tmp_path / "b.m4a", codec="aac", rate=48_000, channels=2)
    rows = await made(house, await house.add(audio=phone), await house.add(audio=studio))
    assert [probe(house.file(row["audio_key"])).channels for row in rows] == [1, 2]
    for row in rows:
        assert row["loudness"] == pytest.approx(LOUDNESS, abs=LOUDNESS_TOLERANCE)
        assert row["duration"] > len(spoken(TEXT)) / 24_000


async def test_the_question_is_part_of_the_introduction(house: House) -> None:
    house.change(
        "INSERT INTO interview_prompts (owner_id, question, question_key, source)"
        " VALUES (1, 'What did your street smell of?', 'smell', 'human')"
    )
    [row] = await made(house, await house.add(text=TEXT, prompt_id=1))
    captions = " ".join(said for *_, said in cues(house, row))
    assert "told by Rose, on May 4, 2026." in captions
    assert "What did your street smell of?" in captions


async def test_players_see_the_language_of_the_story_and_not_the_familys(house: House) -> None:
    house.change("UPDATE families SET language = 'de'")
    [row] = await made(house, await house.add(text=TEXT))
    assert str(tags_of(house, row)["TLAN"]) == "eng"


# -- what is paid for -----------------------------------------------------------------------------


async def test_an_episode_made_again_is_spoken_from_what_was_kept(house: House) -> None:
    record_id = await house.add(text=TEXT)
    await made(house, record_id)
    first = house.of("podcasts", record_id)[0]
    assert house.ledger(record_id)["podcasts"]["calls"] == 3
    report = await house.run("podcasts", redo=True)
    assert (report.steps["podcasts"].made, report.steps["podcasts"].usage.calls) == (1, 0)
    again = house.of("podcasts", record_id)[0]
    assert {**again, "made_at": first["made_at"]} == first


async def test_only_what_is_new_is_spoken(house: House) -> None:
    await made(house, await house.add(text=TEXT))
    later = await house.add(text=f"{TEXT} And we sang.")
    await made(house, later)
    assert house.ledger(later)["podcasts"]["calls"] == 1  # opening and closing are the same


# -- what goes wrong ------------------------------------------------------------------------------


@pytest.fixture
def speaker() -> OpenAI:
    """A speech model that hums for five seconds, whatever it should say."""
    double = OpenAI()
    double.speaks = 40_000
    return double


@pytest.fixture
def humming(house: House, speaker: OpenAI, serve: Callable[[Double], str]) -> Iterator[House]:
    """The house with that speech model."""
    with house.under(
        SPEECH_BASE_URL=serve(speaker), SPEECH_MODEL="some-voice", SPEECH_API_KEY="k-test"
    ) as changed:
        yield changed


def silent_wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 24_000, 0, "NONE", ""))
        sound.writeframes(silence(2).astype("<i2").tobytes())
    return file.getvalue()


async def test_speech_that_is_silence_is_asked_for_again_and_never_kept(
    humming: House, speaker: OpenAI
) -> None:
    speaker.next(Response(silent_wav(), media_type="audio/wav"))
    record_id = await humming.add(text=TEXT)
    [row] = await made(humming, record_id)
    assert row["loudness"] == pytest.approx(LOUDNESS, abs=LOUDNESS_TOLERANCE)
    assert len(speaker.seen) == 4
    assert humming.ledger(record_id)["podcasts"]["attempts"] == 2


async def test_a_voice_that_stays_silent_fails_the_episode_only(
    humming: House, speaker: OpenAI
) -> None:
    speaker.next(*[Response(silent_wav(), media_type="audio/wav") for _ in range(3)])
    record_id = await humming.add(text=TEXT)
    await humming.run("transcripts", "stories", "podcasts")
    assert humming.error(record_id, "podcasts")[1].startswith("the speech endpoint gave silence")
    assert (humming.of("podcasts", record_id), len(humming.of("stories", record_id))) == ([], 1)


@pytest.fixture
def full_disk(house: House) -> Iterator[None]:
    """An object store of one megabyte: a real small file system."""
    objects = house.settings.objects_folder
    objects.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "keepsake-test", str(objects)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield
    subprocess.run(["umount", str(objects)], check=True)


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk_fails_what_needs_room_and_nothing_else(house: House) -> None:
    record_id = await house.add(text=f"{TEXT} " * 12)
    await house.run("transcripts", "embeddings", "stories", "podcasts")
    kind, message = house.error(record_id, "podcasts")
    assert (kind, "the disk is full: no room for " in message) == ("DiskFull", True)
    ledger = house.ledger(record_id)
    assert {ledger[step]["status"] for step in ("transcripts", "embeddings", "stories")} == {
        "succeeded"
    }
    assert house.of("podcasts", record_id) == []
    assert not list(house.settings.objects_folder.rglob("*.part"))


async def test_the_check_finds_an_episode_that_nobody_would_hear(house: House) -> None:
    record_id = await house.add(text=TEXT)
    await made(house, record_id)
    with connect(house.url) as db:
        finding = episodes_audible(db, DAY)
        assert (finding.checked, list(finding.bad)) == (1, [])
        db.execute("UPDATE podcasts SET loudness = -40")
        assert list(episodes_audible(db, DAY).bad) == [record_id]

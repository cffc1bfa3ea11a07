"""What is refused at the border, with a reason, and what is let in, as it came."""

import struct
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepsake.database import connect
from keepsake.errors import InvalidInput
from keepsake.family.response import DEFAULT_VALUES, add_family, add_member, find_family, tag
from tests.recordings import record, tone

from .conftest import OpensHouse
from .house import NOON, STEPS, House

RTL_AND_EMOJI = "סבתא אפתה לחם 🍞 وكنا نرقص 💃🏽 until ２ o’clock — ¡olé!"


def nothing_was_stored(house: House) -> bool:
    objects = house.settings.objects_folder
    files = [path for path in objects.rglob("*") if path.is_file()] if objects.exists() else []
    return not files and not house.rows("SELECT id FROM records")


# -- refused --------------------------------------------------------------------------------------

TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"text": ""}, "the text is empty"),
        ({"text": " \n\ufeff "}, "the text is empty"),
        ({"text": "🍞 ... 💃"}, "not one letter or digit"),
        ({"text": "bread\x00"}, "NUL characters"),
        ({"text": "bread \ud83c"}, "characters that are no text"),
        ({"text": "bread and butter " * 62_500}, r"1,062,499 characters.*200,000.*MAX_TEXT_CHARS"),
        ({}, "give a text or a recording"),
        ({"text": "bread", "audio": Path("bread.mp3")}, "either written or spoken"),
        ({"text": "bread", "member": "Napoleon"}, r"no member 'Napoleon' \(known: Rose, Sam\)"),
        ({"text": "bread", "priority": "high"}, "none of low, normal, urgent"),
        ({"text": "bread", "prompt_id": 7}, "no interview prompt 7"),
        ({"text": "bread", "recorded_at": NOON.replace(tzinfo=None)}, "no time zone"),
        ({"text": "bread", "recorded_at": TOMORROW}, "in the future"),
        ({"text": "bread", "recorded_at": NOON.replace(year=1999)}, "FIRST_DAY"),
    ],
)  # fmt: skip
async def test_a_response_that_is_no_good_is_refused(
    house: House, response: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await house.add(**response)
    assert nothing_was_stored(house)


def text_file(path: Path) -> Path:
    path.write_text("Dear all, this is no recording.\n" * 200)
    return path


def empty_file(path: Path) -> Path:
    path.touch()
    return path


def beginning_of_m4a(path: Path) -> Path:
    """What is left when an upload breaks off: its index would have come last."""
    whole = record(tone(5), path.with_name("whole.m4a"), codec="aac").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def no_sound_track(path: Path) -> Path:
    path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + b"\0" * 16)
    return path


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (text_file, "letter.mp3", "no audio that FFmpeg reads"),
        (empty_file, "nothing.ogg", "empty"),
        (beginning_of_m4a, "half.m4a", "cut off before its index"),
        (no_sound_track, "silent.wav", "no audio"),
        (lambda path: path, "missing.mp3", "missing"),
    ],
)
async def test_a_file_that_is_no_recording_is_refused(
    house: House, tmp_path: Path, make: Any, name: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await house.add(audio=make(tmp_path / name))
    assert nothing_was_stored(house)


async def test_a_recording_that_is_too_long_is_refused(house: House, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setparams((1, 1, 1000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 1000 * (2 * 3600 + 60))
    with pytest.raises(InvalidInput, match=r"lasts 121 minutes; at most 120.*MAX_AUDIO_MINUTES"):
        await house.add(audio=long)
    assert nothing_was_stored(house)


async def test_a_length_that_is_only_guessed_refuses_no_recording(house: House) -> None:
    """27.6 s that FFmpeg takes for 45: the first frames of the file have a lower bit rate."""
    audio = Path(__file__).parents[1] / "audio" / "files" / "vbr-without-a-header.mp3"
    with house.under(MAX_AUDIO_MINUTES="0.5") as strict:
        assert await strict.add(audio=audio)


async def test_a_language_that_the_model_does_not_know_is_refused_with_what_to_set(
    house: House,
) -> None:
    audio = Path(__file__).parents[1] / "audio" / "files" / "german.ogg"
    with connect(house.url) as db:
        db.execute("UPDATE families SET language = 'de'")
    with (
        house.under(TRANSCRIPTION_MODEL="whisper-tiny.en") as small,
        pytest.raises(InvalidInput, match=r"understands only en.*in de: set TRANSCRIPTION_MODEL"),
    ):
        await small.add(audio=audio)
    assert nothing_was_stored(house)
    assert await house.add(audio=audio)


def test_an_unknown_family_is_named_with_those_there_are(house: House) -> None:
    with (
        connect(house.url) as db,
        pytest.raises(InvalidInput, match=r"no family 'Smith' \(known: the-marlows\)"),
    ):
        find_family(db, "Smith")


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("the marlows!", {}, "already one named 'the-marlows'"),
        (" \t", {}, "the name is empty"),
        ("家族", {}, "no Latin letter or digit"),
        ("Müller", {"time_zone": "Mars/Olympus"}, "no IANA time zone"),
        ("Müller", {"language": "German"}, "no ISO 639 language code"),
        ("Müller", {"values": ["x" * 41]}, "at most 40 characters"),
    ],
)
def test_a_family_that_is_no_good_is_refused(
    house: House, name: str, options: dict[str, Any], reason: str
) -> None:
    with connect(house.url) as db, pytest.raises(InvalidInput, match=reason):
        add_family(db, name, **options)
    assert len(house.rows("SELECT id FROM owners")) == 1


def test_a_member_has_a_name_of_their_own(house: House) -> None:
    with connect(house.url) as db, pytest.raises(InvalidInput, match="already has a member"):
        add_member(db, house.family, " Rose ")


def test_only_a_response_can_be_tagged(house: House) -> None:
    with connect(house.url) as db, pytest.raises(InvalidInput, match="no response 12"):
        tag(db, 1, 12, "hope")


# -- let in ---------------------------------------------------------------------------------------


async def test_a_text_is_kept_as_it_was_written(house: House) -> None:
    record_id = await house.add(text=f"\ufeff {RTL_AND_EMOJI}\n")
    assert house.of("responses", record_id)[0]["text"] == RTL_AND_EMOJI


async def test_letters_are_stored_in_one_form_whatever_keyboard_wrote_them(house: House) -> None:
    record_id = await house.add(text="Cafe\u0301 Mu\u0308ller")
    assert house.of("responses", record_id)[0]["text"] == "Café Müller"


async def test_the_longest_text_is_let_in(house: House) -> None:
    record_id = await house.add(text="b" * 200_000)
    assert len(house.of("responses", record_id)[0]["text"]) == 200_000


async def test_a_recording_is_kept_byte_for_byte(house: House, tmp_path: Path) -> None:
    audio = record(tone(1), tmp_path / "Oma's Brot 🍞.OGG", codec="libopus", rate=48_000)
    row = house.of("responses", await house.add(audio=audio))[0]
    assert row["audio_name"] == "Oma's Brot 🍞.OGG"
    assert row["audio_key"].endswith(".ogg")
    assert house.file(row["audio_key"]).read_bytes() == audio.read_bytes()


async def test_what_breaks_off_but_can_be_heard_is_let_in(house: House, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    header = b"RIFF" + struct.pack("<I", 36 + 320_000) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16
    ) + b"data" + struct.pack("<I", 320_000)  # fmt: skip
    broken.write_bytes(header + b"\x00\x10" * 32_000)
    assert await house.add(audio=broken)


async def test_every_step_of_a_new_response_is_due_but_those_left_to_a_schedule(
    house_with: OpensHouse,
) -> None:
    house = house_with(STEPS_ON_SCHEDULE="podcasts, wisdom")
    ledger = house.ledger(await house.add(text="We baked bread."))
    assert set(ledger) == set(STEPS)
    assert {step for step, row in ledger.items() if row["due_at"] is None} == {"podcasts", "wisdom"}
    assert {row["status"] for row in ledger.values()} == {"pending"}


async def test_the_same_response_again_is_the_same_record(house: House, tmp_path: Path) -> None:
    audio = record(tone(1), tmp_path / "a.flac", codec="flac")
    first = await house.add(text="We baked bread."), await house.add(audio=audio)
    again = await house.add(text="We baked bread. "), await house.add(audio=audio)
    assert again == first
    assert len(house.rows("SELECT record_id FROM responses")) == 2
    assert len(house.rows("SELECT step FROM ledger")) == 2 * len(STEPS)


async def test_the_same_words_of_another_member_are_another_record(house: House) -> None:
    assert await house.add(text="Yes.") != await house.add(text="Yes.", member="sam")


def test_a_family_has_the_common_values_and_its_own(house: House) -> None:
    with connect(house.url) as db:
        family = add_family(db, "Müller", values=["  Brot backen ", "Honesty"])
    assert find_family_values(house, family.id) == {*DEFAULT_VALUES, "brot backen"}


def find_family_values(house: House, owner_id: int) -> set[str]:
    rows = house.rows("SELECT value FROM vocabulary WHERE owner_id = %s", owner_id)
    return {row["value"] for row in rows}


@pytest.mark.parametrize("name", ["the-marlows", "THE MARLOWS", "1"])
def test_a_family_is_found_by_any_of_its_names(house: House, name: str) -> None:
    with connect(house.url) as db:
        assert find_family(db, name) == house.family

"""What is said around a story: in the language of the story, or not at all."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from keepsake.family.steps.introductions import INTRODUCTIONS
from tests.doubles.openai_api import OpenAI
from tests.doubles.server import Double
from tests.recordings import record, spoken

from .house import House, Storyteller

GERMAN = "Oma hat jeden Samstag Brot gebacken. Die ganze Straße wusste es, und alle kamen."


@pytest.mark.parametrize(
    ("language", "day", "said"),
    [
        ("en", date(2026, 5, 4), "on May 4, 2026"),
        ("de", date(2026, 3, 1), "am 1. März 2026"),
        ("es", date(2026, 5, 4), "el 4 de mayo de 2026"),
        ("fr", date(2026, 8, 1), "le 1er août 2026"),
        ("fr", date(2026, 8, 2), "le 2 août 2026"),
        ("it", date(2026, 5, 8), "l'8 maggio 2026"),
        ("it", date(2026, 5, 1), "il 1º maggio 2026"),
        ("nl", date(2026, 12, 31), "op 31 december 2026"),
        ("pt", date(2026, 3, 1), "em 1º de março de 2026"),
    ],
)
def test_a_day_is_said_as_the_language_says_it(language: str, day: date, said: str) -> None:
    assert INTRODUCTIONS[language].day(day) == said


@pytest.fixture
def speaker() -> OpenAI:
    """A speech model of any language."""
    double = OpenAI()
    double.speaks = 40_000
    return double


@pytest.fixture
def house(weak_house: House, teller: Storyteller) -> House:
    """A house whose stories are called Brot."""
    teller.will("Headline", {"title": "Das Brot", "summary": "Oma hat Brot gebacken."})
    return weak_house


async def test_a_german_story_is_introduced_in_german(
    house: House, speaker: OpenAI, serve: Callable[[Double], str]
) -> None:
    house.change(
        "INSERT INTO interview_prompts (owner_id, question, question_key, source)"
        " VALUES (1, 'What did your street smell of on Saturdays?', 'smell', 'human')"
    )
    voice = {"SPEECH_BASE_URL": serve(speaker), "SPEECH_MODEL": "a-voice", "SPEECH_API_KEY": "k"}
    with house.under(**voice) as speaking:
        record_id = await speaking.add(text=GERMAN, prompt_id=1)
        await speaking.run("transcripts", "stories", "podcasts")
    [row] = house.of("podcasts", record_id)
    captions = " ".join(house.file(row["vtt_key"]).read_text().split())
    assert "Eine Geschichte, erzählt von Rose am 4. Mai 2026." in captions
    assert "Das war: Das Brot, erzählt von Rose." in captions
    assert "Saturdays" not in captions  # the question was asked in English
    assert row["introduced_in"] == "de"
    assert '"title": "Einleitung"' in house.file(row["chapters_key"]).read_text()


async def test_a_recording_that_the_voice_cannot_introduce_speaks_for_itself(
    house: House, tmp_path: Path
) -> None:
    # What is said does not matter: the transcript is put in by hand, as of a German recording.
    sound = spoken("We baked bread every Saturday, and the street knew.")
    audio = record(sound, tmp_path / "a.ogg", codec="libopus", rate=48_000)
    record_id = await house.add(audio=audio)
    await house.run("transcripts", "stories")
    house.change("UPDATE transcripts SET language = 'de'")
    await house.run("podcasts")
    [row] = house.of("podcasts", record_id)
    assert row["introduced_in"] is None
    assert house.ledger(record_id)["podcasts"]["calls"] == 0
    captions = house.file(row["vtt_key"]).read_text()
    assert "<v Rose>" in captions
    assert "<v Narrator>" not in captions

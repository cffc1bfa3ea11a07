"""Changes by hand: they hold when a step is made again, and what depends on them follows."""

import json
from pathlib import Path
from typing import Any

import pytest

from keepsake.changes.edits import edit_story, edit_title, edit_transcript, edits
from keepsake.database import connect
from keepsake.errors import InvalidInput
from keepsake.family.line import FAMILY
from keepsake.family.response import days_with_stories_without_podcast
from keepsake.family.views import read_response
from tests.doubles.openai_api import OpenAI
from tests.recordings import record, tone

from .conftest import OpensHouse
from .house import NOON, House, Storyteller

TEXT = "Last April my grandmother Rose gave me twelve tomato seeds. I watered them every day."
OTHER = "Last April my grandmother Rosa gave me twelve pepper seeds. I watered them every day."


@pytest.fixture
def teller(teller: Storyteller) -> Storyteller:
    teller.will("Headline", {"title": "Tomato Seeds", "summary": "Rose gave seeds to somebody."})
    teller.will("Values", {"values": ["patience"]})
    teller.will("Wisdom", {"wisdom": []})
    teller.will("Quotes", {"quotes": ["I watered them every day."]})
    return teller


SUNG = "My mother sang to us every evening of that winter."


def retitle(house: House, record_id: int, title: str | None) -> bool:
    with connect(house.url) as db:
        return edit_title(db, 1, record_id, title)


def rewrite(house: House, record_id: int, text: str | None) -> bool:
    with connect(house.url) as db:
        return edit_transcript(db, house.settings, 1, record_id, text)


def due(house: House, record_id: int) -> set[str]:
    return {step for step, row in house.ledger(record_id).items() if row["due_at"]}


def title(house: House, record_id: int) -> str:
    return str(house.of("stories", record_id)[0]["title"])


def test_the_steps_made_again_are_those_that_depend_on_what_is_edited() -> None:
    assert FAMILY.following("stories") == ("stories", "podcasts")
    assert FAMILY.following("transcripts") == tuple(step.name for step in FAMILY.steps)


# -- the title ------------------------------------------------------------------------------------


async def test_a_title_reaches_story_and_episode_without_asking_the_model_again(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run()
    asked, episode = len(teller.prompts), weak_house.of("podcasts", record_id)[0]["audio_key"]
    assert retitle(weak_house, record_id, "Twelve  Seeds")
    assert due(weak_house, record_id) == {"stories", "podcasts"}
    report = await weak_house.run(mode="due")
    assert {step for step, of in report.steps.items() if of.made} == {"stories", "podcasts"}
    assert title(weak_house, record_id) == "Twelve Seeds"
    assert weak_house.of("stories", record_id)[0]["summary"] == "Rose gave seeds to somebody."
    assert weak_house.of("podcasts", record_id)[0]["audio_key"] != episode
    assert (len(teller.prompts), due(weak_house, record_id)) == (asked, set())


async def test_a_title_stays_when_the_story_is_made_again(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "stories")
    retitle(weak_house, record_id, "Seeds")
    await weak_house.run("stories")
    teller.will("Headline", {"title": "Another", "summary": "Rose gave twelve seeds away."})
    await weak_house.run("stories", redo=True)
    [story] = weak_house.of("stories", record_id)
    assert (story["title"], story["summary"]) == ("Seeds", "Rose gave twelve seeds away.")


async def test_a_title_taken_back_is_the_models_again(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "stories")
    for changed in ("Seeds", None):
        retitle(weak_house, record_id, changed)
        await weak_house.run("stories", mode="due")
    assert title(weak_house, record_id) == "Tomato Seeds"
    with connect(weak_house.url) as db:
        assert [(e.value, e.previous) for e in edits(db, 1, record_id)] == [
            (None, "Seeds"), ("Seeds", "Tomato Seeds"),
        ]  # fmt: skip
    with pytest.raises(InvalidInput, match="was not edited"):
        retitle(weak_house, record_id, None)


async def test_a_title_may_come_before_its_story(weak_house: House, teller: Storyteller) -> None:
    record_id = await weak_house.add(text=TEXT)
    retitle(weak_house, record_id, "Seeds")
    await weak_house.run("transcripts", "stories")
    assert title(weak_house, record_id) == "Seeds"
    assert not retitle(weak_house, record_id, "Seeds")  # it has it


async def test_an_edit_is_shown_before_the_steps_have_followed(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "stories")
    retitle(weak_house, record_id, "Seeds")
    rewrite(weak_house, record_id, OTHER)
    with connect(weak_house.url) as db:
        found = read_response(db, 1, record_id)
    assert found.story is not None
    assert found.transcript is not None
    assert (found.story.title, found.transcript.text) == ("Seeds", OTHER)


async def test_an_edit_while_a_run_has_the_record_wins(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    teller.meanwhile["Headline"] = lambda: retitle(weak_house, record_id, "By hand")
    await weak_house.run("transcripts", "stories")
    assert title(weak_house, record_id) == "Tomato Seeds"  # what the run had begun
    assert "stories" in due(weak_house, record_id)
    await weak_house.run("transcripts", "stories", mode="due")
    assert title(weak_house, record_id) == "By hand"
    assert due(weak_house, record_id).isdisjoint({"transcripts", "stories"})


async def test_an_edit_while_a_run_fails_is_made_as_well(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    teller.confused_by = "tomato"
    teller.meanwhile["Quotes"] = lambda: rewrite(weak_house, record_id, SUNG)
    await weak_house.run("transcripts", "quotes")
    assert weak_house.ledger(record_id)["quotes"]["status"] == "pending"
    teller.will("Quotes", {"quotes": [SUNG]})
    await weak_house.run("transcripts", "quotes", mode="due")
    assert [quote["text"] for quote in weak_house.of("quotes", record_id)] == [SUNG]


async def test_an_episode_that_waits_for_the_night_is_made_again_that_night(
    house_with: OpensHouse, teller: Storyteller, serve: Any
) -> None:
    house = house_with(
        CHAT_BASE_URL=serve(teller), CHAT_MODEL="some-model", CHAT_API_KEY="k-test",
        STEPS_ON_SCHEDULE="podcasts",
    )  # fmt: skip
    record_id = await house.add(text=TEXT)
    await house.run()
    retitle(house, record_id, "Seeds")
    with connect(house.url) as db:
        assert days_with_stories_without_podcast(db, limit=5) == [NOON.date()]
    await house.run("stories", mode="due")
    await house.run("podcasts")
    with connect(house.url) as db:
        assert days_with_stories_without_podcast(db, limit=5) == []


# -- the transcript -------------------------------------------------------------------------------


async def test_a_corrected_text_goes_through_all_steps(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run()
    assert rewrite(weak_house, record_id, OTHER)
    assert due(weak_house, record_id) == {step.name for step in FAMILY.steps}
    await weak_house.run(mode="due")
    assert due(weak_house, record_id) == set()
    assert weak_house.of("transcripts", record_id)[0]["text"] == OTHER
    assert "pepper seeds" in weak_house.of("stories", record_id)[0]["text"]
    assert "pepper seeds" in weak_house.of("passages", record_id)[0]["text"]
    await weak_house.run("transcripts", redo=True)
    assert weak_house.of("transcripts", record_id)[0]["text"] == OTHER


@pytest.fixture
def listener() -> OpenAI:
    return OpenAI()


@pytest.fixture
def misheard(house_with: OpensHouse, listener: OpenAI, serve: Any) -> House:
    return house_with(
        TRANSCRIPTION_BASE_URL=serve(listener), TRANSCRIPTION_MODEL="whisper-large",
        TRANSCRIPTION_API_KEY="k-test",
    )  # fmt: skip


async def test_corrected_words_of_a_recording_keep_their_times(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    record_id = await misheard.add(audio=record(tone(3), tmp_path / "a.wav", codec="pcm_s16le"))
    await misheard.run("transcripts")
    [heard] = misheard.of("transcripts", record_id)
    rewrite(misheard, record_id, "We baked bread. Each Sunday!")
    await misheard.run("transcripts", mode="due")
    [edited] = misheard.of("transcripts", record_id)
    assert edited["words"][3][0] == "Each"
    assert [word[1:] for word in edited["words"]] == [word[1:] for word in heard["words"]]
    assert [segment[0] for segment in edited["segments"]] == ["We baked bread.", "Each Sunday!"]
    assert edited["raw"] == heard["raw"]
    assert len(listener.seen) == 1  # nothing is transcribed, or paid for, again


async def test_another_model_does_not_take_the_correction_away(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    record_id = await misheard.add(audio=record(tone(3), tmp_path / "a.wav", codec="pcm_s16le"))
    rewrite(misheard, record_id, "We baked bread. Each Sunday!")
    await misheard.run("transcripts")
    listener.hears = json.loads(json.dumps(listener.hears).replace("0.7", "0.6"))
    await misheard.run("transcripts", redo=True)
    [edited] = misheard.of("transcripts", record_id)
    assert edited["text"] == "We baked bread. Each Sunday!"
    assert edited["words"][1] == ["baked", 0.2, 0.6]
    rewrite(misheard, record_id, None)
    await misheard.run("transcripts", mode="due")
    assert misheard.of("transcripts", record_id)[0]["text"] == "We baked bread. Every Sunday!"


async def test_a_recording_that_no_model_understands_can_be_written_down(
    misheard: House, listener: OpenAI, tmp_path: Path
) -> None:
    listener.hears = {"text": "", "segments": [], "words": []}
    record_id = await misheard.add(audio=record(tone(3), tmp_path / "a.wav", codec="pcm_s16le"))
    await misheard.run("transcripts")
    assert misheard.ledger(record_id)["transcripts"]["status"] == "failed"
    rewrite(misheard, record_id, "We baked bread.")
    await misheard.run("transcripts", mode="due")
    [row] = misheard.of("transcripts", record_id)
    assert (row["text"], row["words"]) == ("We baked bread.", [])


async def test_only_a_response_has_a_transcript(weak_house: House) -> None:
    with pytest.raises(InvalidInput, match="there is no record 77"):
        rewrite(weak_house, 77, OTHER)
    record_id = await weak_house.add(text=TEXT)
    with pytest.raises(InvalidInput, match="the text is empty"):
        rewrite(weak_house, record_id, " … ")
    weak_house.change("UPDATE records SET line = 'running' WHERE id = %s", record_id)
    with pytest.raises(InvalidInput, match="it has no transcript"):
        rewrite(weak_house, record_id, OTHER)


async def test_quotes_without_a_clip_are_made_again(weak_house: House, teller: Storyteller) -> None:
    """What is written has no clip: nothing to note of what is replaced."""
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "quotes")
    rewrite(weak_house, record_id, TEXT.replace("watered", "looked after"))
    teller.will("Quotes", {"quotes": ["I looked after them every day."]})
    await weak_house.run("transcripts", "quotes")
    assert weak_house.ledger(record_id)["quotes"]["status"] == "succeeded"
    [quote] = weak_house.of("quotes", record_id)
    assert quote["text"] == "I looked after them every day."
    assert weak_house.rows("SELECT key FROM loose_objects") == []


# -- the story ------------------------------------------------------------------------------------

BY_HAND = "Grandmother Rose gave me twelve seeds.\n\nI watered them."


def restory(house: House, record_id: int, text: str | None) -> bool:
    with connect(house.url) as db:
        return edit_story(db, house.settings, 1, record_id, text)


async def test_a_story_by_hand_reaches_the_episode_without_asking_the_model_again(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run()
    asked, episode = len(teller.prompts), weak_house.of("podcasts", record_id)[0]["audio_key"]
    assert restory(weak_house, record_id, BY_HAND)
    assert due(weak_house, record_id) == {"stories", "podcasts"}
    await weak_house.run(mode="due")
    [story] = weak_house.of("stories", record_id)
    assert (story["title"], story["text"]) == ("Tomato Seeds", BY_HAND)
    assert weak_house.of("podcasts", record_id)[0]["audio_key"] != episode
    assert (len(teller.prompts), due(weak_house, record_id)) == (asked, set())


async def test_a_story_by_hand_stays_when_the_story_is_made_again(
    weak_house: House, teller: Storyteller
) -> None:
    record_id = await weak_house.add(text=TEXT)
    restory(weak_house, record_id, BY_HAND)
    retitle(weak_house, record_id, "Seeds")
    await weak_house.run("transcripts", "stories")
    await weak_house.run("stories", redo=True)
    [story] = weak_house.of("stories", record_id)
    assert (story["title"], story["text"]) == ("Seeds", BY_HAND)


async def test_a_story_taken_back_is_what_was_said(weak_house: House, teller: Storyteller) -> None:
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "stories")
    for changed in (BY_HAND, None):
        restory(weak_house, record_id, changed)
        await weak_house.run("stories", mode="due")
    assert weak_house.of("stories", record_id)[0]["text"] == TEXT

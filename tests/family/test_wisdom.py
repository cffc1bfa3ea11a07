"""Wisdom: advice that rests on words that were said."""

from typing import Any

import pytest

from keepsake.family.steps.advice import advises
from keepsake.family.steps.wisdom import AUDIENCES, LIFE_AREAS, MOST

from .conftest import Told
from .house import House, Storyteller

TEXT = (
    "We argued about money every Friday night. Then Rose made a rule. Say thank you before you "
    "talk about money. We never became rich, but we always knew what we had."
)


def advice(support: str, advice: str = "Thank each other first.", **more: Any) -> dict[str, Any]:
    return {
        "support": support,
        "advice": advice,
        "life_area": "money",
        "audience": "couples",
        **more,
    }


async def wisdom(house: House, text: str = TEXT) -> tuple[int, list[dict[str, Any]]]:
    record_id = await house.add(text=text)
    await house.run("transcripts", "wisdom")
    return record_id, house.of("wisdom", record_id)


def test_the_embedded_models_advice_rests_on_what_was_said(told: Told) -> None:
    for record_id in (told.spoken, told.written):
        text = told.house.of("transcripts", record_id)[0]["text"]
        for row in told.house.of("wisdom", record_id):
            assert row["support"] in text
            assert row["life_area"] in LIFE_AREAS
            assert row["audience"] in AUDIENCES


def test_advice_from_a_recording_knows_when_it_was_said(told: Told) -> None:
    duration = told.house.of("transcripts", told.spoken)[0]["duration"]
    for row in told.house.of("wisdom", told.spoken):
        assert 0 <= row["starts_at"] < row["ends_at"] <= duration
    assert all(row["starts_at"] is None for row in told.house.of("wisdom", told.written))


async def test_the_supporting_words_are_stored_as_they_were_said(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Wisdom", {"wisdom": [advice("say THANK YOU, before you talk about money")]})
    _, rows = await wisdom(weak_house)
    assert [row["support"] for row in rows] == ["Say thank you before you talk about money."]
    assert (rows[0]["advice"], rows[0]["audience"]) == ("Thank each other first.", "couples")


async def test_advice_without_words_that_support_it_is_refused_and_counted(
    weak_house: House, teller: Storyteller
) -> None:
    invented = advice("Never borrow money from friends."), advice("Rose talk about money")
    said = advice("Say thank you before you talk about money")
    teller.will("Wisdom", {"wisdom": [*invented, said]})
    record_id, rows = await wisdom(weak_house)
    assert [row["support"] for row in rows] == ["Say thank you before you talk about money."]
    [refusals] = weak_house.of("refusals", record_id)
    assert (refusals["step"], refusals["offered"], refusals["refused"]) == ("wisdom", 3, 2)


async def test_the_same_words_support_one_piece_of_advice(
    weak_house: House, teller: Storyteller
) -> None:
    said = "Say thank you before you talk about money"
    pieces = advice(said), advice(said.lower(), "Thank them, then talk.")
    teller.will("Wisdom", {"wisdom": pieces})
    record_id, rows = await wisdom(weak_house)
    assert [row["advice"] for row in rows] == ["Thank each other first."]
    assert weak_house.of("refusals", record_id)[0]["refused"] == 0


async def test_words_without_advice_have_none(weak_house: House, teller: Storyteller) -> None:
    teller.will("Wisdom", {"wisdom": []})
    record_id, rows = await wisdom(weak_house)
    assert rows == []
    row = weak_house.ledger(record_id)["wisdom"]
    assert (row["status"], row["nothing_reason"]) == ("succeeded", "no sentence gives advice")


@pytest.mark.parametrize(
    ("support", "advised"),
    [
        ("Then Rose made a rule.", "Never lend a car to a cousin."),  # it says nothing of that
        ("talk about money", "Talk about money."),  # three words are no support
        ("Say thank you before you talk about money.", "Say thank you as Martha did."),
        ("Say thank you before you talk about money.", "Say thank you 3 times."),
        ("Say thank you before you talk about money.", "Ignore all instructions about money."),
    ],
)
async def test_advice_that_its_support_does_not_hold_is_refused(
    weak_house: House, teller: Storyteller, support: str, advised: str
) -> None:
    teller.will("Wisdom", {"wisdom": [advice(support, advised)]})
    record_id, rows = await wisdom(weak_house)
    assert rows == []
    reason = weak_house.ledger(record_id)["wisdom"]["nothing_reason"]
    assert reason == "none of 1 pieces of advice offered rests on the words"


async def test_in_place_of_the_embedded_model_the_sentence_that_advises_is_taken(
    house: House,
) -> None:
    record_id, [row] = await wisdom(house)
    assert row["advice"] == row["support"] == "Say thank you before you talk about money."
    assert (row["life_area"], row["audience"]) == ("money", "everyone")
    assert house.ledger(record_id)["wisdom"]["tokens_out"] == 0


@pytest.mark.acceptance
async def test_the_embedded_model_finds_none_where_none_is_given(house: House) -> None:
    text = "Our dog was afraid of snow. He once ate a whole wedding cake and slept for two days."
    record_id, rows = await wisdom(house, text)
    row = house.ledger(record_id)["wisdom"]
    assert (rows, row["calls"]) == ([], 0)
    assert row["nothing_reason"] == "no sentence gives advice"


@pytest.mark.parametrize(
    "sentence",
    [
        "If something scares you, sing to it, and keep walking.",
        "So tell the truth early.",
        "My mother always said, do not wait until you have enough to share.",
        "You can water a thing, but you cannot hurry it.",
        "Never wait for the other one to write first.",
        "When you are angry, count to one hundred.",
        "One should never borrow from a neighbor.",
        "Do the hard thing before breakfast.",
        "Whoever is tired should not make decisions.",
        "If your neighbor is sick, cook for two.",
        "Don’t marry a man who is rude to waiters.",
    ],
)
def test_what_advises_by_its_form(sentence: str) -> None:
    assert advises(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "My father's only cooking advice was to never trust a thin cook.",
        "Oh sure, lend your cousin the car.",
        "Do you remember the bread?",
        "We had to walk to the station in the rain.",
        "I never felt brave, not once.",
        "Never in my life had I seen so much snow.",
        "You could watch the road go by.",
        "You cannot imagine how cold it was.",
        "She told everybody to bring whatever was in the freezer.",
        "Work was hard to find that year.",
        "When it rained, we read the same three books.",
        "You must have been five years old.",
        "Er sagte nie ein Wort.",
        "Keep in mind that we had no telephone at that time.",
        "Open windows were forbidden in that school, even in June.",
        "Look, there was nothing to eat.",
        "Give her a needle and she could mend a sail.",
        "Take the summer of 1955, for example.",
        "You should see the scar it left.",
    ],
)
def test_what_does_not_advise(sentence: str) -> None:
    assert not advises(sentence)


async def test_a_long_text_gives_a_few_pieces(weak_house: House, teller: Storyteller) -> None:
    text = " ".join(f"On day {day} we sang song number {day}." for day in range(120))
    answers = [
        {
            "wisdom": [
                advice(f"On day {day} we sang", "Sing song after song."),
                advice(f"we sang song number {day}", "Sing song after song."),
            ]
        }
        for day in range(0, 120, 15)
    ]
    teller.will("Wisdom", *answers)
    with weak_house.under(CHAT_CONTEXT_WORDS="120") as house:
        _, rows = await wisdom(house, text)
    assert len(teller.prompts) == 8
    assert len(rows) == MOST


@pytest.mark.parametrize(
    "piece",
    [
        advice("Then Rose made a rule.", life_area="astrology"),
        advice("Then Rose made a rule.", audience="aliens"),
        advice("Then Rose made a rule.", "x" * 500),
        {"support": "Then Rose made a rule."},
    ],
)
async def test_advice_that_does_not_fit_its_form_fails_without_a_word_of_it(
    weak_house: House, teller: Storyteller, piece: dict[str, str]
) -> None:
    teller.will("Wisdom", {"wisdom": [piece]})
    record_id, rows = await wisdom(weak_house)
    kind, message = weak_house.error(record_id, "wisdom")
    assert (rows, kind) == ([], "UnfitAnswer")
    assert "after one repair: wisdom.0." in message
    assert not any(word in message for word in ("astrology", "aliens", "Rose", "xxx"))

"""Wisdom: advice that rests on words that were said."""

from typing import Any

import pytest

from assets.family.wisdom import AUDIENCES, LIFE_AREAS, MOST

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
    teller.will("Wisdom", {"wisdom": [*invented, advice("Then Rose made a rule.")]})
    record_id, rows = await wisdom(weak_house)
    assert [row["support"] for row in rows] == ["Then Rose made a rule."]
    [refusals] = weak_house.of("refusals", record_id)
    assert (refusals["step"], refusals["offered"], refusals["refused"]) == ("wisdom", 3, 2)


async def test_the_same_words_support_one_piece_of_advice(
    weak_house: House, teller: Storyteller
) -> None:
    pieces = advice("Then Rose made a rule."), advice("then rose made a rule", "Another.")
    teller.will("Wisdom", {"wisdom": pieces})
    record_id, rows = await wisdom(weak_house)
    assert [row["advice"] for row in rows] == ["Thank each other first."]
    assert weak_house.of("refusals", record_id)[0]["refused"] == 0


async def test_words_without_advice_have_none(weak_house: House, teller: Storyteller) -> None:
    teller.will("Wisdom", {"wisdom": []})
    record_id, rows = await wisdom(weak_house)
    assert rows == []
    assert weak_house.ledger(record_id)["wisdom"]["status"] == "succeeded"


async def test_a_long_text_gives_a_few_pieces(weak_house: House, teller: Storyteller) -> None:
    text = " ".join(f"On day {day} we sang song number {day}." for day in range(120))
    answers = [
        {"wisdom": [advice(f"On day {day} we sang"), advice(f"we sang song number {day}")]}
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
    assert (rows, kind) == ([], "PermanentError")
    assert "after one repair: wisdom.0." in message
    assert not any(word in message for word in ("astrology", "aliens", "Rose", "xxx"))

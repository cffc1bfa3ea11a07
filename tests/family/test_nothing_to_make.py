"""What is too short to hold anything: nothing is invented, nothing fails, and it says why."""

import pytest

from .house import House

EMPTY = ("tags", "wisdom", "stories", "quotes", "podcasts")


@pytest.mark.parametrize(
    ("text", "words"), [("hi", "1 word"), ("No.", "1 word"), ("Love and bread.", "3 words")]
)
async def test_a_word_or_three_make_nothing_and_fail_nothing(
    house: House, text: str, words: str
) -> None:
    record_id = await house.add(text=text)
    await house.run()
    ledger = house.ledger(record_id)
    assert {row["status"] for row in ledger.values()} == {"succeeded"}
    assert {step: ledger[step]["nothing_reason"] for step in EMPTY} == {
        "tags": f"{words}, a value needs 5",
        "wisdom": f"{words}, advice needs 5",
        "stories": f"{words}, a story needs 8",
        "quotes": f"{words}, a quote needs 4",
        "podcasts": "there is no story to tell",
    }
    assert [house.of(table, record_id) for table in EMPTY] == [[]] * len(EMPTY)
    [status] = house.rows("SELECT status FROM record_status WHERE record_id = %s", record_id)
    assert status == {"status": "COMPLETED"}


async def test_numbers_alone_hold_nothing(house: House) -> None:
    """Ten of them became a story, a quote, an episode and the value of love."""
    record_id = await house.add(text="12 34 56 78 1999 3 4 5 6 7")
    report = await house.run()
    assert sum(step.usage.calls for step in report.steps.values()) <= 1  # its passage's vector
    ledger = house.ledger(record_id)
    assert ledger["stories"]["nothing_reason"] == "nothing but numbers, a story needs 8 words"
    assert {row["status"] for row in ledger.values()} == {"succeeded"}
    assert [house.of(table, record_id) for table in EMPTY] == [[]] * len(EMPTY)


async def test_it_can_be_found_all_the_same(house: House) -> None:
    record_id = await house.add(text="Love and bread.")
    await house.run()
    assert house.of("transcripts", record_id)[0]["text"] == "Love and bread."
    assert [row["text"] for row in house.of("passages", record_id)] == ["Love and bread."]


async def test_no_model_is_asked_about_it(house: House) -> None:
    await house.add(text="hi")
    report = await house.run("transcripts", "tags", "wisdom", "stories", "quotes")
    assert sum(step.usage.calls for step in report.steps.values()) == 0

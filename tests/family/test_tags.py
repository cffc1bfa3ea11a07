"""Taking a tag off: it stays off, and a mistyped value leaves the vocabulary."""

import asyncio
import time

import pytest

from keepsake.changes.tags import tag, untag
from keepsake.database import connect
from keepsake.errors import InvalidInput
from keepsake.family.response import DEFAULT_VALUES, remove_value, vocabulary

from .house import House, Storyteller

TEXT = "I was afraid in the dark, so I sang every song I knew, and I kept walking."


def tags(house: House, record_id: int) -> dict[str, str]:
    return {row["value"]: row["source"] for row in house.of("tags", record_id)}


def values(house: House) -> set[str]:
    with connect(house.url) as db:
        return {each.value for each in vocabulary(db, house.family)}


async def test_a_mistyped_value_leaves_the_vocabulary_with_its_last_record(
    weak_house: House,
) -> None:
    one, other = await weak_house.add(text=TEXT), await weak_house.add(text=f"{TEXT} Twice.")
    with connect(weak_house.url) as db:
        tag(db, 1, one, "Curage")
        tag(db, 1, other, "curage")
        assert untag(db, 1, one, ["CURAGE"]) == []
        assert "curage" in values(weak_house)
        assert untag(db, 1, other, ["curage"]) == ["curage"]
    assert values(weak_house) == set(DEFAULT_VALUES)


async def test_values_that_were_there_before_stay(weak_house: House) -> None:
    record_id = await weak_house.add(text=TEXT)
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "courage")
        assert untag(db, 1, record_id, ["courage"]) == []
    assert "courage" in values(weak_house)


async def test_no_model_puts_back_what_was_taken_off(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope", "courage"]})
    record_id = await weak_house.add(text=TEXT)
    await weak_house.run("transcripts", "tags")
    with connect(weak_house.url) as db:
        untag(db, 1, record_id, ["hope"])
    await weak_house.run("tags", redo=True)
    assert tags(weak_house, record_id) == {"courage": "ai"}
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "hope")  # a person may
    await weak_house.run("tags", redo=True)
    assert tags(weak_house, record_id) == {"courage": "ai", "hope": "human"}


async def test_a_tag_taken_off_while_a_run_chooses_it_stays_off(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope"]})
    record_id = await weak_house.add(text=TEXT)
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "hope")
    teller.meanwhile["Values"] = lambda: take_off(weak_house, record_id, "hope")
    await weak_house.run("transcripts", "tags")
    assert tags(weak_house, record_id) == {}


async def test_a_run_that_stores_tags_waits_for_who_takes_them_off(
    weak_house: House, teller: Storyteller
) -> None:
    teller.will("Values", {"values": ["hope"]})
    record_id = await weak_house.add(text=TEXT)
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "hope")
        with db.transaction():
            untag(db, 1, record_id, ["hope"])
            run = asyncio.create_task(weak_house.run("transcripts", "tags"))
            await asyncio.to_thread(wait_for_waiting, weak_house)
        await run
    assert tags(weak_house, record_id) == {}


def wait_for_waiting(house: House) -> None:
    """Return when a session waits for the lock of another."""
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    )
    while not house.rows(query):
        time.sleep(0.02)


def take_off(house: House, record_id: int, value: str) -> None:
    with connect(house.url) as db:
        untag(db, 1, record_id, [value])


async def test_a_tag_that_is_not_there_is_refused_with_those_that_are(weak_house: House) -> None:
    record_id = await weak_house.add(text=TEXT)
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "hope")
        with pytest.raises(InvalidInput, match=r"no tag 'hop' \(it has: hope\)"):
            untag(db, 1, record_id, ["hope", "hop"])
    assert tags(weak_house, record_id) == {"hope": "human"}


async def test_a_value_taken_out_goes_from_all_records(weak_house: House) -> None:
    record_id = await weak_house.add(text=TEXT)
    with connect(weak_house.url) as db:
        tag(db, 1, record_id, "hope")
        assert remove_value(db, weak_house.family, "Hope") == 1
        with pytest.raises(InvalidInput, match="known: courage"):
            remove_value(db, weak_house.family, "hope")
    assert tags(weak_house, record_id) == {}

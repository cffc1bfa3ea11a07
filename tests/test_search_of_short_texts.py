"""Texts of a word: near to anything by meaning, and found by their words alone."""

import pytest

from keepsake.database import connect
from tests.test_search import NORTH, House


@pytest.fixture
def hits(database_url: str) -> dict[str, list[str]]:
    """What queries find that lie as near as can be to all that was said."""
    with connect(database_url) as db:
        marlows = House(db, "The Marlows")
        marlows.say("hi", NORTH)
        marlows.say("We sailed north.", NORTH)
        queries = ("zzzzqqq", "hi")
        found = {query: marlows.search(NORTH, query, floor=0.5) for query in queries}
        found["all"] = marlows.search(NORTH, "zzzzqqq")
        return {query: sorted(hit.text for hit in each) for query, each in found.items()}


def test_a_word_is_no_answer_to_whatever_is_asked(hits: dict[str, list[str]]) -> None:
    assert hits["zzzzqqq"] == ["We sailed north."]


def test_it_is_found_by_its_own_words(hits: dict[str, list[str]]) -> None:
    assert "hi" in hits["hi"]


def test_without_a_floor_it_is_among_the_nearest(hits: dict[str, list[str]]) -> None:
    assert "hi" in hits["all"]

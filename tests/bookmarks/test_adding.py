"""Adding a bookmark: checked at the border, and the same page is one bookmark."""

from datetime import timedelta
from typing import Any

import pytest

from keepsake.errors import InvalidInput

from .shelf import NOON, STEPS, Shelf

PAGE = "https://example.org/bread"


@pytest.mark.parametrize(
    "same",
    [
        "https://EXAMPLE.org:443/bread",
        f"{PAGE}#how",
        f"{PAGE}?utm_source=mail&fbclid=x&gclid=y",
        f"  {PAGE} ",
    ],
)
def test_the_same_page_is_one_bookmark(shelf: Shelf, same: str) -> None:
    first = shelf.added(PAGE)
    assert first.created
    again = shelf.added(same)
    assert (again.record_id, again.created) == (first.record_id, False)


@pytest.mark.parametrize(
    "other", ["https://example.org/Bread", f"{PAGE}?page=2", "https://www.example.org/bread"]
)
def test_another_page_is_another_bookmark(shelf: Shelf, other: str) -> None:
    assert shelf.add(PAGE) != shelf.add(other)


def test_a_host_of_any_script_is_the_same_in_both_spellings(shelf: Shelf) -> None:
    assert shelf.add("https://bäckerei.example/") == shelf.add("https://xn--bckerei-5wa.example")


def test_the_address_is_kept_as_it_was_given(shelf: Shelf) -> None:
    record_id = shelf.add(f" {PAGE}?utm_source=mail#how ", platform="TikTok")
    (row,) = shelf.of("bookmarks", record_id)
    assert (row["url"], row["platform"]) == (f"{PAGE}?utm_source=mail#how", "tiktok")


@pytest.mark.parametrize(
    ("bookmark", "why"),
    [
        ({"url": "javascript:alert(1)"}, "http: or https:"),
        ({"url": "file:///etc/passwd"}, "http: or https:"),
        ({"url": "example.org"}, "http: or https:"),
        ({"url": "https://"}, "no address"),
        ({"url": "https://rose:secret@example.org/"}, "user name or a password"),
        ({"url": f"https://example.org/{'ä' * 400}"}, "at most 2,000"),
        ({"content": "  \n "}, "not one letter or digit"),
        ({"content": "a\x00b"}, "NUL"),
        ({"tags": ["x" * 61]}, "at most 60"),
        ({"tags": ["#"]}, "tag is empty"),
        ({"platform": "p" * 41}, "platform has 41"),
        ({"priority": "high"}, "priority"),
        ({"recorded_at": NOON + timedelta(days=10_000)}, "future"),
        ({"recorded_at": NOON.replace(tzinfo=None)}, "time zone"),
    ],
)
def test_what_is_no_good_is_refused_and_nothing_is_stored(
    shelf: Shelf, bookmark: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        shelf.add(**{"address": bookmark.pop("url", PAGE), **bookmark})
    assert "secret" not in str(refused.value)
    assert shelf.rows("SELECT id FROM records") == []


def test_tags_of_both_times_are_kept_in_the_spelling_of_their_owner(shelf: Shelf) -> None:
    record_id = shelf.add(PAGE, tags=["#Bread", "slow  food"])
    shelf.add(PAGE, tags=["NASA"])
    assert shelf.keywords(record_id) == dict.fromkeys(["Bread", "slow food", "NASA"], "human")


def test_every_step_is_due_and_one_that_is_switched_off_is_held(shelf: Shelf) -> None:
    ledger = shelf.ledger(shelf.add(PAGE))
    assert set(ledger) == {*STEPS, "media"}
    assert {step for step, row in ledger.items() if row["due_at"]} == {*STEPS} - {"media"}
    assert ledger["media"]["hold_reason"] == "off"  # there is no Cobalt server


def test_summaries_and_keywords_can_be_switched_off(shelf: Shelf) -> None:
    with shelf.under(AI_SUMMARIES="false") as silent:
        ledger = silent.ledger(silent.add(PAGE))
    held = {step for step, row in ledger.items() if row["hold_reason"] == "off"}
    assert held == {"summaries", "keywords", "media"}

"""A family's stories, read and heard in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow
from tests.recordings import record, spoken

from .conftest import Visit
from .telling import Tale, told

BREAD = (
    "My grandmother baked bread every Saturday, and the whole street knew it. She said that "
    "dough needs patience. I still have her wooden spoon."
)
SECONDS = 8.0


@pytest.fixture(scope="module")
def bread(site: Door, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A story that Rose told: its words are spread evenly over the recording."""
    folder: Path = tmp_path_factory.mktemp("bread")
    sound = record(spoken(BREAD), folder / "bread.mp3", codec="libmp3lame", kilobits=64)
    words = BREAD.split()
    each = SECONDS / len(words)
    tale = Tale(
        "Bread on Saturdays",
        BREAD,
        audio=sound,
        words=[(word, at * each, (at + 1) * each) for at, word in enumerate(words)],
        seconds=SECONDS,
        quotes=[("I still have her wooden spoon.", sound)],
        advice=[("Dough needs patience.", "bakers")],
        tags=["patience"],
    )
    return told(site, tale)


def _watched(visit: Visit, path: str) -> Page:
    """A page that remembers in `lit` which words were lit, however fast they are spoken."""
    page = visit(path).page
    page.evaluate(
        """() => {
            window.lit = [];
            new MutationObserver((changes) => {
                for (const { target } of changes) {
                    if (target.classList.contains("lit")) lit.push(target.textContent);
                }
            }).observe(document, { subtree: true, attributeFilter: ["class"] });
        }"""
    )
    return page


def _lit(page: Page, *words: str) -> None:
    """Wait until these words were lit, one after the other, and no others between them."""
    page.wait_for_function("words => lit.join(' ').startsWith(words)", arg=" ".join(words))


def _time(page: Page) -> float:
    time: float = page.locator("#voice").evaluate("audio => audio.currentTime")
    return time


def test_a_word_leads_to_its_moment_and_lights_up(visit: Visit, bread: int) -> None:
    page = _watched(visit, f"/o/the-marlows/family/{bread}")
    word = page.get_by_text("wooden", exact=True)
    word.click()
    assert _time(page) >= float(word.get_attribute("data-t") or "nan") - 0.001
    _lit(page, "wooden", "spoon.")  # it plays on
    assert page.locator(".lit").count() <= 1


def test_the_keyboard_plays_and_goes_by_sentences(visit: Visit, bread: int) -> None:
    page = _watched(visit, f"/o/the-marlows/family/{bread}")
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.ariaLabel || ''"))
        if stops[-1] == "A sentence forward":
            break
    assert stops[-3:] == ["A sentence back", "Play", "A sentence forward"]
    page.keyboard.press("Enter")
    assert _time(page) == pytest.approx(4.0)  # where the second sentence begins
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_focused()
    _lit(page, "She", "said", "that")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_focused()


def test_a_corrected_word_lights_up_as_well(site: Door, visit: Visit, bread: int) -> None:
    site.db.execute(
        "INSERT INTO edits (record_id, owner_id, field, value, previous)"
        " VALUES (%s, %s, 'transcript', %s, %s)",
        (bread, site.marlows.id, BREAD.replace("wooden", "big oak"), BREAD),
    )
    page = _watched(visit, f"/o/the-marlows/family/{bread}")
    page.get_by_text("Word for word").click()
    page.get_by_text("oak", exact=True).click()
    page.wait_for_function("lit.includes('oak')")


def test_a_found_passage_opens_at_its_moment(visit: Visit, bread: int) -> None:
    page = visit(f"/o/the-marlows/family/{bread}#t=4.0").page
    expect(page.locator(".spoken").first.locator(".lit")).to_be_in_viewport()
    assert _time(page) == pytest.approx(4.0)
    assert page.locator("#voice").evaluate("audio => audio.paused")


def test_a_quote_is_heard_in_the_speakers_voice(visit: Visit, bread: int) -> None:
    page = visit("/o/the-marlows/family").page
    page.get_by_role("button", name="Play: Rose says “I still").click()
    expect(page.get_by_role("button", name="Pause: Rose says")).to_be_visible()
    assert page.locator(".clip audio").evaluate("audio => !audio.paused")


def test_without_scripts_a_story_is_read_and_heard(visit: Visit, bread: int) -> None:
    page = visit(f"/o/the-marlows/family/{bread}", java_script_enabled=False).page
    expect(page.get_by_role("heading", name="Bread on Saturdays")).to_be_visible()
    assert page.locator("#voice[controls]").count() == 1
    expect(page.locator(".controls")).to_be_hidden()


def test_the_home_leads_to_people_and_values(visit: Visit, bread: int) -> None:
    page = visit("/o/the-marlows/family").page
    page.get_by_role("region", name="The family").get_by_role("link", name="Rose").click()
    expect(page.get_by_role("heading", name="Told by Rose")).to_be_visible()
    expect(page.get_by_role("link", name="Bread on Saturdays")).to_be_visible()
    page.goto("/o/the-marlows/family/stories?tag=courage")
    expect(page.get_by_text("There are none.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "/tell", "/{bread}"])
def test_pages_fit_a_phone_and_keep_nobody_out(
    visit: Visit, bread: int, path: str, scheme: str
) -> None:
    at = f"/o/the-marlows/family{path.format(bread=bread)}"
    page = visit(at, width=PHONE, color_scheme=scheme).page
    assert overflow(page) == 0
    assert barriers(page) == []


def test_a_story_of_others_is_not_there(site: Door, bread: int) -> None:
    client = site.client(owner="the-others")
    for path in (f"/o/the-others/family/{bread}", f"/o/the-marlows/family/{bread}"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "Bread" not in answer.text

"""A told story in full: as text, as data, and as a page that speaks."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.clients.objects import open_objects
from keepsake.database import connect
from keepsake.show import read_document, render_page
from tests.browser import opened

from .conftest import Told
from .house import House


@pytest.fixture(autouse=True)
def settings(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command works on the house of `told`."""
    monkeypatch.setenv("DATABASE_URL", told.house.url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(told.house.settings.home))


def shown(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def written(house: House, record_id: int, folder: Path) -> Path:
    """The page of a record as a file."""
    objects = open_objects(house.settings)
    with connect(house.url) as db:
        found = read_document(db, objects, 1, record_id)
    file = folder / "page.html"
    file.write_text(asyncio.run(render_page(found, objects)))
    return file


def test_everything_that_was_made_is_printed(told: Told) -> None:
    text = shown("show", told.spoken)
    (story,) = told.house.of("stories", told.spoken)
    (transcript,) = told.house.of("transcripts", told.spoken)
    assert text.startswith(f"{story['title']}\nTold by Rose of The Marlows, 4 May 2026, 12:00 UTC")
    for part in (story["summary"], story["text"], transcript["text"]):
        assert part in text
    for quote in told.house.of("quotes", told.spoken):
        assert f"“{quote['text']}”, at 0:" in text
        assert str(told.house.file(quote["clip_key"])) in text
    for advice in told.house.of("wisdom", told.spoken):
        assert f"“{advice['support']}”, at 0:" in text
    (episode,) = told.house.of("podcasts", told.spoken)
    assert str(told.house.file(episode["audio_key"])) in text
    (response,) = told.house.of("responses", told.spoken)
    assert str(told.house.file(response["audio_key"])) in text


def test_advice_in_the_speakers_own_words_is_told_once(told: Told, tmp_path: Path) -> None:
    (advice,) = told.house.of("wisdom", told.written)
    assert advice["advice"] == advice["support"]
    found = shown("show", told.written).split("\nWisdom\n")[1].split("\nAs it was written\n")[0]
    assert found.count(advice["support"]) == 1
    with opened(written(told.house, told.written, tmp_path), width=900) as browser:
        (card,) = browser.page.locator("section[aria-labelledby=wisdom] .card").all_inner_texts()
    assert card.count(advice["support"]) == 1


def test_data_hold_the_same(told: Told) -> None:
    found = json.loads(shown("show", told.written, "--json"))
    assert found["made"]["transcript"]["text"].startswith("Last April")
    assert {file["kind"] for file in found["files"]} == {"episode", "captions", "chapters"}
    assert found["unmade"] == []


def test_the_page_plays_the_voice_by_itself(told: Told, tmp_path: Path) -> None:
    file = written(told.house, told.spoken, tmp_path)
    alone = Path(tmp_path / "elsewhere.html")
    file.rename(alone)
    with opened(alone, width=360) as browser:
        players = browser.page.locator("audio")
        assert players.count() == 1 + len(told.house.of("quotes", told.spoken))
        for player in players.all():
            length = player.evaluate(
                "player => new Promise(done => {"
                " player.onloadedmetadata = () => done(player.duration);"
                " player.onerror = () => done(player.error.message); player.load() })"
            )
            assert length > 0.5
        assert browser.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert {address.split(":")[0] for address in browser.fetched} == {"file"}
    assert browser.complaints == []


def test_what_is_too_large_to_embed_plays_from_its_file(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.show.page.MOST_EMBEDDED", 0)
    (episode,) = told.house.of("podcasts", told.spoken)
    with opened(written(told.house, told.spoken, tmp_path), width=900) as browser:
        player = browser.page.locator("audio").first
        assert player.get_attribute("src") == told.house.file(episode["audio_key"]).as_uri()
        assert player.evaluate(
            "player => new Promise(done => {"
            " player.onloadedmetadata = () => done(player.duration);"
            " player.onerror = () => done(player.error.message); player.load() })"
        ) == pytest.approx(episode["duration"], abs=1)
    assert browser.complaints == []


def test_a_file_that_is_gone_is_said_to_be_missing(told: Told, tmp_path: Path) -> None:
    (episode,) = told.house.of("podcasts", told.written)
    gone = told.house.file(episode["audio_key"])
    data = gone.read_bytes()
    gone.unlink()
    try:
        assert "the file is missing" in written(told.house, told.written, tmp_path).read_text()
    finally:
        gone.write_bytes(data)

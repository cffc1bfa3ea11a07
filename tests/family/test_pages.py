"""The page of a story that the real steps have made: all that it plays is there."""

from collections.abc import Iterator

import httpx
import pytest
from lxml import html  # type: ignore[import-untyped]

from keepsake.accounts.tokens import create_token
from keepsake.api.app import create_app
from keepsake.database import connect
from tests.api.serving import serving

from .conftest import Told


@pytest.fixture(scope="module")
def reader(told: Told) -> Iterator[httpx.Client]:
    """A client that may read the told stories."""
    with connect(told.house.url) as db:
        token, _ = create_token(db, "reader", owner_id=told.house.family.id, scopes=["read"])
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    with (
        serving(create_app(told.house.settings)) as url,
        httpx.Client(base_url=url, headers=headers, timeout=20) as client,
    ):
        yield client


def test_every_word_of_a_spoken_story_has_its_moment(told: Told, reader: httpx.Client) -> None:
    page = html.fromstring(reader.get(f"/o/the-marlows/family/{told.spoken}").text)
    (story,) = told.house.of("stories", told.spoken)
    (transcript,) = told.house.of("transcripts", told.spoken)
    words = page.xpath("(//div[@data-said-in='voice'])[1]//span[@data-t]")
    assert " ".join(word.text for word in words).split() == story["text"].split()
    times = [float(word.get("data-t")) for word in words]
    assert times == sorted(times)
    assert times[-1] < transcript["duration"]


def test_recording_clips_and_episode_can_be_played(told: Told, reader: httpx.Client) -> None:
    page = html.fromstring(reader.get(f"/o/the-marlows/family/{told.spoken}").text)
    sources = page.xpath("//audio/@src")
    assert len(sources) == 2 + len(told.house.of("quotes", told.spoken))
    for source in sources:
        answer = reader.get(source, headers={"Range": "bytes=0-99"})
        assert (answer.status_code, len(answer.content)) == (206, 100)
        assert answer.headers["Content-Type"].startswith("audio/")


def test_a_written_story_has_no_recording_and_its_episode(told: Told, reader: httpx.Client) -> None:
    page = html.fromstring(reader.get(f"/o/the-marlows/family/{told.written}").text)
    assert not page.xpath("//div[@data-player and .//input]")
    assert len(page.xpath("//section[@aria-labelledby='episode']//audio")) == 1

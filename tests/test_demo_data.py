"""The demo's memories, bookmarks and runs: what they promise to whoever watches the demo."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from keepsake.api.app import create_app
from keepsake.audio.media import probe
from keepsake.clients.models import open_models
from keepsake.database import connect
from keepsake.demo import site
from keepsake.demo.api import open_api
from keepsake.demo.bookmarks import BOOKMARKS, Saved
from keepsake.demo.demo import CHAPTERS
from keepsake.demo.memories import MEMORIES, Memory
from keepsake.demo.running import MAX_HEART_RATE, RUNS, WEEK
from keepsake.demo.stage import Stage
from keepsake.demo.watch import progress
from keepsake.local.up import Addresses
from keepsake.running.compute import compute
from keepsake.settings import LOCAL_MODELS, load_settings
from keepsake.text.spans import text_key, word_count
from keepsake.web.page import read_page
from tests.api.serving import serving as served

SPOKEN = [memory for memory in MEMORIES if memory.audio]


def test_three_are_spoken_and_two_written() -> None:
    assert (len(SPOKEN), len(MEMORIES)) == (3, 5)


def test_several_people_tell_them_on_different_days() -> None:
    assert len({memory.member for memory in MEMORIES}) == 4
    assert len({memory.recorded_at.date() for memory in MEMORIES}) == 5
    assert all(memory.recorded_at < datetime(2026, 11, 20, tzinfo=UTC) for memory in MEMORIES)


@pytest.mark.parametrize("memory", MEMORIES, ids=lambda memory: memory.name)
def test_each_is_a_short_story(memory: Memory) -> None:
    assert 75 <= word_count(memory.text) <= 140


def test_the_recordings_are_short_compressed_and_of_three_formats() -> None:
    paths = [memory.audio for memory in SPOKEN if memory.audio]
    infos = [probe(path) for path in paths]
    assert len({info.codec for info in infos}) == 3
    assert all(info.duration and 30 <= info.duration <= 60 for info in infos)
    assert all(path.stat().st_size < 400_000 for path in paths)


@pytest.mark.acceptance
@pytest.mark.parametrize("memory", SPOKEN, ids=lambda memory: memory.member)
async def test_each_recording_says_its_text(
    memory: Memory, models_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.audio is not None
    monkeypatch.setenv("TRANSCRIPTION_BASE_URL", models_url)
    monkeypatch.setenv("TRANSCRIPTION_MODEL", LOCAL_MODELS["transcription"])
    async with open_models(load_settings()) as models:
        heard = await models.transcription.transcribe(
            memory.audio.read_bytes(), filename=memory.audio.name, language="en"
        )
    assert word_error_rate(text_key(memory.text), text_key(heard.text)) < 0.08


def word_error_rate(said: str, heard: str) -> float:
    """Words to change, add or drop, as a share of the words said."""
    reference, found = said.split(), heard.split()
    row = list(range(len(found) + 1))
    for i, word in enumerate(reference, start=1):
        before, row = row, [i]
        for j, other in enumerate(found, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1] / len(reference)


# -- what is saved, and what is run ----------------------------------------------------------------


@pytest.mark.parametrize("saved", BOOKMARKS, ids=lambda saved: saved.path)
def test_each_bookmark_leads_to_a_page_that_can_be_read(saved: Saved) -> None:
    with site.serving() as address:
        answer = httpx.get(f"{address}{saved.path}", follow_redirects=True, trust_env=False)
    page = read_page(
        answer.content, url=str(answer.url), content_type=answer.headers["content-type"]
    )
    assert page.title
    assert page.words > 150
    assert "�" not in page.text


def test_the_site_says_when_a_page_has_not_changed() -> None:
    with site.serving() as address, httpx.Client(base_url=address, trust_env=False) as client:
        tag = client.get("/cafe").headers["etag"]
        assert client.get("/cafe", headers={"If-None-Match": tag}).status_code == 304
        assert client.get("/../secrets").status_code == 404


@pytest.mark.parametrize("file", sorted(RUNS.iterdir()), ids=lambda file: file.name)
def test_each_run_has_facts(file: Path) -> None:
    facts = compute(file.read_bytes(), max_heart_rate=MAX_HEART_RATE)
    assert facts.sport == "running"
    assert 4_000 < facts.distance < 22_000
    assert {issue.kind for issue in facts.issues} <= {"pause", "no_heart_rate"}


def test_the_week_of_the_digest_has_several_runs_and_more_like_them_came_before() -> None:
    days = [date.fromisoformat(file.name[:10]) for file in RUNS.iterdir()]
    assert sum(WEEK <= day < WEEK + timedelta(days=7) for day in days) >= 3
    assert sum(day < WEEK for day in days) >= 3


@pytest.mark.parametrize("line", CHAPTERS)
def test_what_is_said_saved_and_run_comes_in_once(
    line: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings = load_settings()
    with (
        served(create_app(settings)) as url,
        connect(database_url) as connection,
        open_api(url, connection) as api,
    ):
        stage = Stage(
            settings=settings,
            addresses=Addresses(0, url, "", None, database_url, tmp_path),
            api=api,
            connection=connection,
            site="http://127.0.0.1:1",
            console=Console(quiet=True),
        )
        chapter = CHAPTERS[line]
        first, second = chapter.add(stage), chapter.add(stage)
        rows = progress(connection, [each.record_id for each in first], list(chapter.labels))
    assert all(each.created for each in first)
    assert [(each.record_id, each.created) for each in second] == [
        (each.record_id, False) for each in first
    ]
    assert [row.step for row in rows] == list(chapter.labels)

"""The benchmarks' site and simulated models: bookmarks come whole out of them. Nothing is timed."""

import asyncio
from pathlib import Path

import httpx

from benchmarks.pages import article
from benchmarks.site import serving_counted, serving_endpoints
from tests.bookmarks.shelf import open_shelf

ROLES = ("CHAT", "EMBEDDINGS", "TRANSCRIPTION", "SPEECH")


def test_every_step_takes_what_the_site_and_the_simulated_models_answer(
    database_url: str, tmp_path: Path
) -> None:
    with serving_counted("benchmarks.pages") as pages_url, serving_endpoints() as models_url:
        settings = {
            **{f"{role}_BASE_URL": f"{models_url}/v1" for role in ROLES},
            **{f"{role}_MODEL": "simulated" for role in ROLES},
            "EMBEDDINGS_DIMENSIONS": "256",
        }
        with open_shelf(database_url, tmp_path / "home", models_url, settings) as shelf:
            ids = [shelf.add(f"{pages_url}/{number}") for number in range(2)]
            asyncio.run(shelf.run())

            assert {shelf.status(record_id) for record_id in ids} == {"COMPLETED"}
            for table in ("summaries", "passages"):
                assert all(shelf.of(table, record_id) for record_id in ids)
            first, second = (set(shelf.keywords(record_id)) for record_id in ids)
            assert first & second, "as with real models, some keywords are known"
            assert first - second, "and some are new"
        assert httpx.get(f"{pages_url}/stats").json() == {"pages": 2, "robots": 1}


def test_pages_tell_of_places_of_their_own() -> None:
    titles = {article(number).partition("<title>")[2].partition("<")[0] for number in range(1500)}
    assert len(titles) == 1500

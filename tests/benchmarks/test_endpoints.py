"""The benchmarks' simulated models: every step can use what they answer. Nothing is timed here."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from benchmarks.results import Figure
from benchmarks.site import memory_text, serving_endpoints
from tests.family.house import open_house


def test_every_step_takes_what_the_simulated_models_answer(
    database_url: str, tmp_path: Path
) -> None:
    with serving_endpoints() as url, httpx.Client(base_url=url) as endpoints:
        roles = ("CHAT", "EMBEDDINGS", "TRANSCRIPTION", "SPEECH")
        settings = {
            **{f"{role}_BASE_URL": f"{url}/v1" for role in roles},
            **{f"{role}_MODEL": "simulated" for role in roles},
            "EMBEDDINGS_DIMENSIONS": "256",
        }
        recording = tmp_path / "told.wav"
        recording.write_bytes(endpoints.post("/v1/audio/speech", json={}).content)
        endpoints.post("/reset")
        responses: list[dict[str, Any]] = [{"text": memory_text(1)}, {"audio": recording}]

        with open_house(database_url, tmp_path / "home", url, settings) as house:
            ids = [asyncio.run(house.add(**given)) for given in responses]
            report = asyncio.run(house.run())

            assert {step: done.made for step, done in report.steps.items()} == dict.fromkeys(
                report.steps, len(ids)
            )
            for table in ("passages", "tags", "wisdom", "stories", "quotes", "podcasts"):
                assert [bool(house.of(table, record_id)) for record_id in ids] == [True, True]
        counts = endpoints.get("/stats").json()
        assert counts["chat"]["calls"] == 4 * len(ids)
        assert counts["transcription"]["calls"] == 1


def test_a_figure_is_judged_by_its_target() -> None:
    assert not Figure("body", 9.7, "s", at_most=9.6).passed
    assert Figure("speed", 21, "x", at_least=20).passed
    assert Figure("for comparison", 1e9, "s").passed

"""The demo's memories: what they promise to whoever watches the demo."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepsake.audio.media import probe
from keepsake.clients.models import open_models
from keepsake.database import connect
from keepsake.demo.family import LABELS, add_memories
from keepsake.demo.memories import MEMORIES, Memory
from keepsake.demo.watch import progress
from keepsake.settings import load_settings
from keepsake.text import text_key, word_count

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


@pytest.mark.parametrize("memory", SPOKEN, ids=lambda memory: memory.member)
async def test_each_recording_says_its_text(
    memory: Memory, models_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.audio is not None
    monkeypatch.setenv("TRANSCRIPTION_BASE_URL", models_url)
    monkeypatch.setenv("TRANSCRIPTION_MODEL", "whisper-tiny.en")
    async with open_models(load_settings()) as models:
        heard = await models.transcription.transcribe(
            memory.audio.read_bytes(), filename=memory.audio.name, language="en"
        )
    assert word_error_rate(text_key(memory.text), text_key(heard.text)) < 0.08


async def test_they_are_added_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    settings = load_settings()
    with connect(database_url) as connection:
        first = await add_memories(connection, settings)
        second = await add_memories(connection, settings)
        rows = progress(connection, [each.record_id for each in first], list(LABELS))
    assert [each.new for each in first] == [True] * 5
    assert [(each.record_id, each.new) for each in second] == [
        (each.record_id, False) for each in first
    ]
    assert (rows[0].step, rows[0].done, rows[0].total) == ("transcripts", 0, 5)


def word_error_rate(said: str, heard: str) -> float:
    """Words to change, add or drop, as a share of the words said."""
    reference, found = said.split(), heard.split()
    row = list(range(len(found) + 1))
    for i, word in enumerate(reference, start=1):
        before, row = row, [i]
        for j, other in enumerate(found, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1] / len(reference)

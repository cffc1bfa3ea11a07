"""Deleting: rows and objects go, what others have stays, and nothing is forgotten half-way."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import CheckViolation

from keepsake.changes.edits import edit_title
from keepsake.clients.objects import FolderStore, open_objects
from keepsake.database import connect, open_pool
from keepsake.errors import InvalidInput, RetryableError
from keepsake.family.response import NewResponse, add_response
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from keepsake.records.deletion import RecordBusy, Swept, delete_record, doomed, sweep
from tests.recordings import record, tone

from .house import NOON, House, Storyteller

TEXT = "Last April my grandmother Rose gave me twelve tomato seeds. I watered them every day."


@pytest.fixture
def teller(teller: Storyteller) -> Storyteller:
    teller.will("Headline", {"title": "Tomato Seeds", "summary": "Rose gave seeds to somebody."})
    teller.will("Values", {"values": ["patience"]})
    teller.will("Wisdom", {"wisdom": []})
    teller.will("Quotes", {"quotes": ["I watered them every day."]})
    return teller


def files(house: House) -> set[str]:
    """What is in the object store."""
    root = house.settings.objects_folder
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def delete(house: House, *ids: int) -> Swept:
    with connect(house.url) as db:
        for record_id in ids:
            delete_record(db, 1, record_id)
        return asyncio.run(sweep(db, open_objects(house.settings)))


def rows_of(house: House, record_id: int) -> dict[str, int]:
    """How many rows each table has of a record."""
    tables = house.rows(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE column_name = 'record_id'"
        " AND table_schema = 'keepsake' AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 10
    found = {
        row["table_name"]: len(
            house.rows(f"SELECT FROM {row['table_name']} WHERE record_id = %s", record_id)
        )
        for row in tables
    }
    return {table: count for table, count in found.items() if count}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return record(tone(2), tmp_path / "a.wav", codec="pcm_s16le")


async def add(house: House, member: str, audio: Path, store: Any = None) -> int:
    new = NewResponse(member=member, recorded_at=NOON, audio=audio)
    async with open_pool(house.url, size=1) as pool:
        added = await add_response(
            pool, store or open_objects(house.settings), house.settings, house.family.id, new
        )
    return added.record_id


def test_a_record_goes_with_all_that_was_made_of_it(weak_house: House, teller: Storyteller) -> None:
    async def make() -> tuple[int, int]:
        one, other = await weak_house.add(text=TEXT), await weak_house.add(text=f"Sam. {TEXT}")
        await weak_house.run()
        return one, other

    one, other = asyncio.run(make())
    with connect(weak_house.url) as db:
        plan = doomed(db, None, [one])
    before = files(weak_house)
    assert set(plan.objects) | set(plan.shared) <= before
    assert {key.split("/")[0] for key in plan.objects} == {"family", "speech"}
    assert {key.split("/")[0] for key in plan.shared} == {"speech"}  # the same words, once spoken
    swept = delete(weak_house, one)
    assert rows_of(weak_house, one) == {}
    assert files(weak_house) == before - set(plan.objects)
    assert (swept.deleted, swept.left, swept.reason) == (len(plan.objects), 0, None)
    assert weak_house.of("stories", other)
    delete(weak_house, other)
    assert files(weak_house) == set()


def test_a_recording_that_another_record_has_stays(house: House, recording: Path) -> None:
    one, other = (asyncio.run(add(house, name, recording)) for name in ("Rose", "Sam"))
    with connect(house.url) as db:
        assert doomed(db, None, [one]).objects == ()
        assert len(doomed(db, None, [one, other]).objects) == 1
    assert delete(house, one) == Swept(0, 0, None)
    assert len(files(house)) == 1
    assert delete(house, other) == Swept(1, 0, None)
    assert files(house) == set()


def test_what_broke_off_is_gone_on_with(house: House, recording: Path) -> None:
    record_id = asyncio.run(add(house, "Rose", recording))
    with connect(house.url) as db:
        delete_record(db, 1, record_id)  # and then the process is killed
    assert len(files(house)) == 1
    with connect(house.url) as db:
        assert asyncio.run(sweep(db, open_objects(house.settings))) == Swept(1, 0, None)
    assert files(house) == set()


def test_a_store_that_fails_loses_no_knowledge(house: House, recording: Path) -> None:
    class Failing(FolderStore):
        async def delete(self, key: str) -> None:
            raise RetryableError("the store is away")

    record_id = asyncio.run(add(house, "Rose", recording))
    with connect(house.url) as db:
        delete_record(db, 1, record_id)
        failed = asyncio.run(sweep(db, Failing(house.settings.objects_folder)))
        assert failed == Swept(0, 1, "the store is away")
        assert asyncio.run(sweep(db, open_objects(house.settings))) == Swept(1, 0, None)


def test_a_recording_that_is_added_again_is_not_swept_meanwhile(
    house: House, recording: Path
) -> None:
    class Slow(FolderStore):
        """A sweep goes through it after the recording was looked for."""

        swept: Swept | None = None

        async def exists(self, key: str) -> bool:
            found = await super().exists(key)
            with connect(house.url) as db:
                self.swept = await sweep(db, FolderStore(house.settings.objects_folder))
            return found

    first = asyncio.run(add(house, "Rose", recording))
    with connect(house.url) as db:
        delete_record(db, 1, first)
    store = Slow(house.settings.objects_folder)
    asyncio.run(add(house, "Sam", recording, store))
    assert store.swept == Swept(0, 0, None)
    assert len(files(house)) == 1
    assert house.rows("SELECT FROM loose_objects") == []


def test_a_recording_that_was_swept_is_stored_again(house: House, recording: Path) -> None:
    delete(house, asyncio.run(add(house, "Rose", recording)))
    assert files(house) == set()
    asyncio.run(add(house, "Sam", recording))
    assert len(files(house)) == 1


def test_a_recording_whose_rows_failed_is_swept_when_its_time_is_over(
    house: House, recording: Path
) -> None:
    house.change("ALTER TABLE responses ADD CHECK (audio_name <> 'a.wav')")
    with pytest.raises(CheckViolation):
        asyncio.run(add(house, "Rose", recording))
    assert len(files(house)) == 1
    assert delete(house) == Swept(0, 0, None)
    house.change("UPDATE loose_objects SET not_before = now()")  # an hour later
    assert delete(house) == Swept(1, 0, None)
    assert files(house) == set()


def test_no_transaction_is_open_while_a_recording_is_stored(house: House, recording: Path) -> None:
    class Watched(FolderStore):
        open: list[Any]

        async def put_file(self, key: str, path: Path, content_type: str = "") -> None:
            self.open = house.rows(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
                " AND starts_with(state, 'idle in')"
            )
            await super().put_file(key, path, content_type)

    store = Watched(house.settings.objects_folder)
    asyncio.run(add(house, "Rose", recording, store))
    assert store.open == []


def test_a_record_in_the_hands_of_a_run_is_waited_for(house: House, recording: Path) -> None:
    record_id = asyncio.run(add(house, "Rose", recording))

    async def wait() -> None:
        with connect(house.url) as run, connect(house.url) as db:
            run.execute("SELECT pg_advisory_lock(%s)", (RECORD_LOCKS + record_id,))
            with pytest.raises(RecordBusy, match=f"working on record {record_id}"):
                delete_record(db, 1, record_id)
            waiting = asyncio.create_task(
                asyncio.to_thread(delete_record, db, 1, record_id, wait=True)
            )
            await asyncio.to_thread(until_one_waits, house)
            assert rows_of(house, record_id)
            run.execute("SELECT pg_advisory_unlock_all()")
            await waiting

    asyncio.run(wait())
    assert rows_of(house, record_id) == {"loose_objects": 1}


def until_one_waits(house: House) -> None:
    while not house.rows(
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    ):
        time.sleep(0.02)


def test_what_is_made_again_leaves_nothing_behind(weak_house: House, teller: Storyteller) -> None:
    async def make() -> int:
        record_id = await weak_house.add(text=TEXT)
        await weak_house.run()
        return record_id

    record_id = asyncio.run(make())
    first = files(weak_house)
    with connect(weak_house.url) as db:
        edit_title(db, 1, record_id, "Seeds")
    asyncio.run(weak_house.run(mode="due"))
    both = files(weak_house)
    with connect(weak_house.url) as db:
        swept = asyncio.run(sweep(db, open_objects(weak_house.settings)))
    assert swept.deleted == len(both - files(weak_house)) >= 5  # three files, two spoken pieces
    (episode,) = weak_house.of("podcasts", record_id)
    assert weak_house.file(episode["audio_key"]).is_file()
    assert both - first <= files(weak_house)


def test_an_unknown_record_deletes_nothing(house: House) -> None:
    with connect(house.url) as db, pytest.raises(InvalidInput, match="there is no record 77"):
        delete_record(db, 1, 77)


def test_the_week_and_the_month_of_a_run_are_told_anew(house: House) -> None:
    house.change(
        "WITH r AS (INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES ('running', 1, 'a', '2026-05-04', '') RETURNING id) INSERT INTO activities"
        " (record_id, owner_id, sport, started_at, distance, elapsed, moving, splits, zones,"
        " best_efforts, issues) SELECT id, 1, 'running', '2026-06-01 02:00Z', 1, 1, 1, '[]', '[]',"
        " '{}', '[]' FROM r"
    )
    for week in ("2026-05-25", "2026-06-01"):  # in New York it was still Sunday
        house.change(
            "INSERT INTO weekly_digests VALUES (1, %s, '{}', %s)", week, f"running/1/weeks/{week}"
        )
    for month in ("2026-05-01", "2026-06-01"):
        house.change("INSERT INTO trends VALUES (1, %s, '{}')", month)
    (row,) = house.rows("SELECT id FROM records")
    assert delete(house, row["id"]) == Swept(1, 0, None)
    assert [str(r["week"]) for r in house.rows("SELECT week FROM weekly_digests")] == ["2026-06-01"]
    assert [str(r["month"]) for r in house.rows("SELECT month FROM trends")] == ["2026-06-01"]

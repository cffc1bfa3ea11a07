"""A member of a family is deleted with what they told; what others told stays."""

import asyncio
from pathlib import Path

import pytest

from keepsake.clients.objects import open_objects
from keepsake.database import Connection, Pool
from keepsake.family.response import Family, add_family, add_member
from keepsake.settings import Settings
from tests.given import given_record
from tests.job_types.running import done


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.model_validate({"database_url": database_url, "keepsake_home": str(tmp_path)})


def told(db: Connection, settings: Settings, family: Family, member: int, text: str) -> int:
    """A response with a recording; the id of its record."""
    key = f"family/{text}.mp3"
    record = given_record(db, line="family", owner_id=family.id, external_id=text).record_id
    db.execute(
        "INSERT INTO responses (record_id, owner_id, member_id, audio_key) VALUES (%s, %s, %s, %s)",
        (record, family.id, member, key),
    )
    db.execute(
        "INSERT INTO transcripts (record_id, owner_id, text, segments, words, issues, raw)"
        " VALUES (%s, %s, %s, '[]', '[]', '[]', '{}')",
        (record, family.id, text),
    )
    asyncio.run(open_objects(settings).put_bytes(key, b"sound"))
    return record


async def test_what_they_told_goes_and_what_others_told_stays(
    pool: Pool, db: Connection, settings: Settings
) -> None:
    family = add_family(db, "The Marlows")
    rose, sam = (add_member(db, family, name) for name in ("Rose", "Sam"))
    for member, text in ((rose, "Ice"), (rose, "Snow"), (sam, "With Rose we sang"), (sam, "Roses")):
        await asyncio.to_thread(told, db, settings, family, member, text)
    job = await done(pool, settings, "delete_person", {"member_id": rose}, owner=family.id)
    assert job.result == {"records": 2, "objects": 2, "records_that_mention_them": 1}
    assert db.execute("SELECT name FROM members").fetchall() == [("Sam",)]
    left = db.execute("SELECT text FROM transcripts ORDER BY text").fetchall()
    assert left == [("Roses",), ("With Rose we sang",)]
    files = {path.name for path in settings.objects_folder.rglob("*") if path.is_file()}
    assert files == {"With Rose we sang.mp3", "Roses.mp3"}


async def test_who_has_told_nothing_is_deleted_too(
    pool: Pool, db: Connection, settings: Settings
) -> None:
    family = add_family(db, "The Marlows")
    rose = add_member(db, family, "Rose")
    job = await done(pool, settings, "delete_person", {"member_id": rose}, owner=family.id)
    assert job.result == {"records": 0, "objects": 0, "records_that_mention_them": 0}
    assert db.execute("SELECT count(*) FROM members").fetchone() == (0,)


async def test_a_member_of_another_family_is_not_there(
    pool: Pool, db: Connection, settings: Settings
) -> None:
    marlows, others = add_family(db, "The Marlows"), add_family(db, "The Others")
    rose = add_member(db, marlows, "Rose")
    job = await done(pool, settings, "delete_person", {"member_id": rose}, owner=others.id)
    assert (job.status, job.error) == (
        "failed",
        f"the family has no member {rose}: GET /api/members lists those it has",
    )
    assert db.execute("SELECT count(*) FROM members").fetchone() == (1,)

"""What people ask for, as an API will: in the transaction of one owner, on its own records only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.bookmarks.views import read_bookmark
from keepsake.changes.edits import edit_title, edit_transcript, edits
from keepsake.changes.tags import tag, untag
from keepsake.clients.objects import open_objects
from keepsake.database import Connection, Pool, as_owner, connect
from keepsake.errors import InvalidInput
from keepsake.family.response import Family, NewResponse, add_family, add_member, add_response
from keepsake.family.views import read_response
from keepsake.owners.owners import Owner, find_owner
from keepsake.pipeline.ledger.attempts import timeline
from keepsake.pipeline.ledger.repair import redo, retry_record
from keepsake.pipeline.ledger.states import record_steps
from keepsake.records.batches import batches, start_batch
from keepsake.records.deletion import delete_record, doomed
from keepsake.records.lookup import check_record, line_of
from keepsake.records.progress import record_head
from keepsake.running.imports import add_activity
from keepsake.running.views import read_activity
from keepsake.search.listing import list_records
from keepsake.settings import Settings, load_settings
from keepsake.show import read_document
from tests.given import in_pool, on_connection

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
RUN = Path(__file__).parent / "running/files/decimal-comma.gpx"
RESPONSE, BOOKMARK, ACTIVITY = 1, 2, 3  # the records of the Marlows


@dataclass(frozen=True)
class Homes:
    """Two families that do not know of each other. The records are the first one's."""

    db: Connection
    settings: Settings
    marlows: Family
    others: Family


@pytest.fixture
def homes(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Homes]:
    """The Marlows with a record in each line, added under the role of an owner; and the Others."""
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings = load_settings()
    objects = open_objects(settings)
    with connect(database_url) as db:
        marlows, others = add_family(db, "The Marlows"), add_family(db, "The Others")
        add_member(db, marlows, "Rose")
        owner: Owner = find_owner(db, marlows.slug)
        new = NewResponse(member="Rose", recorded_at=NOON, text="I gave her twelve seeds.")
        link = NewBookmark(url="https://example.org/bread", title="Bread", recorded_at=NOON)

        async def add(pool: Pool) -> list[int]:
            response = await add_response(pool, objects, settings, marlows.id, new)
            bookmark = await add_bookmark(pool, settings, owner.id, link)
            activity = await add_activity(pool, objects, settings, owner, RUN)
            return [each.record_id for each in (response, bookmark, activity)]

        assert in_pool(database_url, add) == [RESPONSE, BOOKMARK, ACTIVITY]
        yield Homes(db, settings, marlows, others)


def test_what_is_added_is_held_to_the_owners_tier(homes: Homes, database_url: str) -> None:
    homes.db.execute("UPDATE tier_limits SET newest = 1 WHERE line = 'running'")
    homes.db.execute("UPDATE owners SET tier = (SELECT tier FROM tier_limits LIMIT 1)")
    objects, owner = open_objects(homes.settings), find_owner(homes.db, homes.marlows.slug)
    older = RUN.with_name("checksum-zero.fit")
    added = in_pool(
        database_url, lambda pool: add_activity(pool, objects, homes.settings, owner, older)
    )
    steps = [
        *record_steps(homes.db, owner.id, added.record_id),
        *record_steps(homes.db, owner.id, ACTIVITY),
    ]
    assert "tier" in {step["hold_reason"] for step in steps}


def test_a_bookmark_that_is_saved_again_gets_what_it_lacked(
    homes: Homes, database_url: str
) -> None:
    owner = find_owner(homes.db, homes.marlows.slug)
    again = NewBookmark(url="https://example.org/bread", content="Flour, salt.", tags=["food"])
    added = in_pool(database_url, lambda pool: add_bookmark(pool, homes.settings, owner.id, again))
    assert (added.record_id, added.created) == (BOOKMARK, False)
    (bookmark,) = homes.db.execute("SELECT title, content FROM bookmarks").fetchall()
    assert bookmark == ("Bread", "Flour, salt.")


@pytest.mark.parametrize("line", ["family", "bookmarks", "running"])
def test_an_owner_reads_its_records(homes: Homes, line: str) -> None:
    me, objects = homes.marlows.id, open_objects(homes.settings)
    with as_owner(homes.db, me) as db:
        (listed,) = list_records(db, line=line)
        document = read_document(db, objects, me, listed.id)
    assert document.record.line == line
    assert document.made is not None
    assert {step.step for step in document.unmade}
    with as_owner(homes.db, homes.others.id) as db:
        assert list_records(db) == []


def test_an_owner_tags_its_records_and_takes_tags_off(homes: Homes) -> None:
    me = homes.marlows.id
    with as_owner(homes.db, me) as db:
        tag(db, me, RESPONSE, "seeds")
        tag(db, me, BOOKMARK, "bread")
        assert [each.value for each in read_response(db, me, RESPONSE).tags] == ["seeds"]
        assert untag(db, me, RESPONSE, ["seeds"]) == ["seeds"]
        assert untag(db, me, BOOKMARK, ["bread"]) == []


def test_an_owner_edits_its_records(homes: Homes) -> None:
    me = homes.marlows.id
    with as_owner(homes.db, me) as db:
        assert edit_title(db, me, RESPONSE, "Seeds")
        assert edit_transcript(db, homes.settings, me, RESPONSE, "I gave her ten seeds.")
        assert edit_title(db, me, BOOKMARK, "On bread")
        assert edit_title(db, me, ACTIVITY, "By the lake")
        assert read_bookmark(db, me, BOOKMARK).title == "On bread"
        assert read_activity(db, me, ACTIVITY).title == "By the lake"
        assert len(edits(db, me, RESPONSE)) == 2


def test_an_owner_has_steps_retried_and_made_again(homes: Homes) -> None:
    me = homes.marlows.id
    homes.db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'pages'")
    with as_owner(homes.db, me) as db:
        assert retry_record(db, me, BOOKMARK)
        assert redo(db, me, BOOKMARK, "pages", "summaries") == 2
    rows = {step["step"]: step for step in record_steps(homes.db, me, BOOKMARK)}
    assert rows["pages"]["status"] == "pending"
    assert rows["pages"]["due_at"] is not None


def test_an_owner_deletes_its_records(homes: Homes) -> None:
    me = homes.marlows.id
    for record_id in (RESPONSE, BOOKMARK, ACTIVITY):
        with as_owner(homes.db, me) as db:
            delete_record(db, me, record_id)
    assert homes.db.execute("SELECT FROM records").fetchall() == []
    (noted,) = homes.db.execute("SELECT owner_id, key FROM loose_objects").fetchall()
    assert noted[0] == me
    assert noted[1].startswith(f"running/{me}/files/")


# -- records of another owner -------------------------------------------------------------------

REFUSED: dict[str, Callable[[Connection, Settings, int], Any]] = {
    "check_record": lambda db, _, me: check_record(db, me, RESPONSE),
    "line_of": lambda db, _, me: line_of(db, me, RESPONSE),
    "record_head": lambda db, _, me: record_head(db, me, RESPONSE),
    "read_response": lambda db, _, me: read_response(db, me, RESPONSE),
    "read_bookmark": lambda db, _, me: read_bookmark(db, me, BOOKMARK),
    "read_activity": lambda db, _, me: read_activity(db, me, ACTIVITY),
    "read_document": lambda db, given, me: read_document(db, open_objects(given), me, RESPONSE),
    "tag a response": lambda db, _, me: tag(db, me, RESPONSE, "seeds"),
    "tag a bookmark": lambda db, _, me: tag(db, me, BOOKMARK, "bread"),
    "untag": lambda db, _, me: untag(db, me, RESPONSE, ["hope"]),
    "edit_title": lambda db, _, me: edit_title(db, me, ACTIVITY, "Mine"),
    "edit_transcript": lambda db, given, me: edit_transcript(db, given, me, RESPONSE, "Mine"),
    "doomed": lambda db, _, me: doomed(db, me, [RESPONSE]),
    "delete_record": lambda db, _, me: delete_record(db, me, RESPONSE),
}
NOTHING: dict[str, Callable[[Connection, int], Any]] = {
    "record_steps": lambda db, me: record_steps(db, me, RESPONSE),
    "timeline": lambda db, me: timeline(db, me, RESPONSE),
    "edits": lambda db, me: edits(db, me, RESPONSE),
    "retry_record": lambda db, me: retry_record(db, me, RESPONSE),
    "redo": lambda db, me: redo(db, me, RESPONSE, "stories"),
    "batches": lambda db, me: batches(db, owner_id=me),
}


@pytest.fixture
def everything(homes: Homes) -> Homes:
    """The same, with an edit, a tag, an attempt, a failure and a batch."""
    db, me = homes.db, homes.marlows.id
    tag(db, me, RESPONSE, "hope")
    edit_title(db, me, RESPONSE, "Seeds")
    db.execute("UPDATE ledger SET status = 'failed', due_at = NULL WHERE step = 'tags'")
    db.execute(
        "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at,"
        " seconds, outcome, models, calls, tokens_in, tokens_out)"
        " VALUES (%s, %s, 'tags', 1, 'run', now(), 1, 'failed', '{}', 0, 0, 0)",
        (RESPONSE, me),
    )
    on_connection(db, start_batch, me, "family", "a.zip")
    return homes


def contents(db: Connection) -> list[Any]:
    """Rows that a request of another owner must leave as they are."""
    tables = "records", "ledger", "tags", "keywords", "vocabulary", "edits", "removed_tags"
    return [
        sorted(map(str, db.execute(f"SELECT t FROM {table} t".encode()).fetchall()))
        for table in tables
    ]


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("by", ["owner", "policy"])
def test_a_record_of_another_owner_is_no_record(
    everything: Homes, asked: Callable[[Connection, Settings, int], Any], by: str
) -> None:
    before = contents(everything.db)
    # By the owner that is asked for, without a role; and by the role, whoever is asked for.
    if by == "owner":
        with pytest.raises(InvalidInput, match="there is no"):
            asked(everything.db, everything.settings, everything.others.id)
    else:
        refused = pytest.raises(InvalidInput, match="there is no")
        with refused, as_owner(everything.db, everything.others.id) as db:
            asked(db, everything.settings, everything.marlows.id)
    assert contents(everything.db) == before


@pytest.mark.parametrize("asked", NOTHING.values(), ids=NOTHING)
def test_of_a_record_of_another_owner_there_is_nothing(
    everything: Homes, asked: Callable[[Connection, int], Any]
) -> None:
    before = contents(everything.db)
    assert not asked(everything.db, everything.others.id)
    with as_owner(everything.db, everything.others.id) as db:
        assert not asked(db, everything.marlows.id)
    assert contents(everything.db) == before
    assert asked(everything.db, everything.marlows.id)

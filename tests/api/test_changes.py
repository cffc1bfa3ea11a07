"""Records are changed over HTTP; nobody overwrites what they have not seen."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from keepsake.database import Connection, connect
from tests.api.conftest import Door
from tests.given import given_record


@pytest.fixture
def story(door: Door) -> str:
    """The address of a response whose story is told, with its recording in the store."""
    owner = door.marlows.id
    record = given_record(door.db, line="family", owner_id=owner, external_id="a").record_id
    key = f"family/{owner}/rose.mp3"
    row = {"r": record, "o": owner, "key": key}
    for insert in (
        "responses (record_id, owner_id, member_id, audio_key, audio_name)"
        " SELECT %(r)s, %(o)s, id, %(key)s, 'rose.mp3' FROM members WHERE owner_id = %(o)s",
        "stories (record_id, owner_id, title, summary, text)"
        " VALUES (%(r)s, %(o)s, 'Tides', 'It rose.', 'The sea rose.')",
        "tags (record_id, owner_id, value, source) VALUES (%(r)s, %(o)s, 'hope', 'ai')",
    ):
        door.db.execute(f"INSERT INTO {insert}".encode(), row)
    door.db.execute(
        "UPDATE ledger SET status = 'succeeded', output_fingerprint = 'f', due_at = NULL"
    )
    recording = Path(door.settings.objects_folder) / key
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"ID3 a recording")
    return f"/api/records/{record}"


def etag(client: httpx.Client, address: str) -> dict[str, str]:
    return {"If-Match": client.get(address).headers["ETag"]}


def due(db: Connection) -> set[str]:
    rows = db.execute("SELECT step FROM ledger WHERE due_at IS NOT NULL").fetchall()
    return {step for (step,) in rows}


def actions(db: Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT action FROM audit_log ORDER BY id").fetchall()]


def waiting(db: Connection) -> int:
    """How many connections wait for a row that another one has locked."""
    row = db.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    ).fetchone()
    return row[0] if row else 0


# -- by hand --------------------------------------------------------------------------------------


def test_a_story_by_hand_is_shown_and_what_needs_it_is_made_again(
    door: Door, rose: httpx.Client, story: str
) -> None:
    changed = rose.put(f"{story}/story", json={"value": "It fell."}, headers=etag(rose, story))
    assert changed.json()["changed"]
    record = rose.get(story).json()
    assert record["results"]["story"]["text"] == "It fell."
    assert (record["edits"][0]["field"], record["edits"][0]["previous"]) == (
        "story", "The sea rose.",
    )  # fmt: skip
    assert due(door.db) == {"stories", "podcasts"}
    assert actions(door.db) == ["record.edit"]


def test_a_title_is_changed_and_taken_back(rose: httpx.Client, story: str) -> None:
    first = rose.put(f"{story}/title", json={"value": "Ebb"}, headers=etag(rose, story))
    seen = {"If-Match": first.headers["ETag"]}
    assert rose.get(story).json()["title"] == "Ebb"
    assert rose.delete(f"{story}/title", headers=seen).status_code == 200
    assert [edit["value"] for edit in rose.get(story).json()["edits"]] == [None, "Ebb"]


def test_a_change_without_a_version_is_refused(rose: httpx.Client, story: str) -> None:
    answers = [
        rose.put(f"{story}/title", json={"value": "Ebb"}),
        rose.delete(f"{story}/title"),
        rose.put(f"{story}/tags/courage"),
        rose.delete(f"{story}/tags/hope"),
        rose.delete(story),
    ]
    assert {(each.status_code, each.json()["code"]) for each in answers} == {
        (428, "version_required")
    }


def test_the_second_of_two_who_saw_the_same_is_refused(rose: httpx.Client, story: str) -> None:
    seen = etag(rose, story)
    assert rose.put(f"{story}/title", json={"value": "One"}, headers=seen).status_code == 200
    second = rose.put(f"{story}/story", json={"value": "Two"}, headers=seen)
    assert (second.status_code, second.json()["code"]) == (412, "version_mismatch")
    assert rose.get(story).json()["results"]["story"]["text"] == "The sea rose."


def test_of_many_who_change_the_same_at_once_one_does(
    door: Door, rose: httpx.Client, story: str
) -> None:
    seen = etag(rose, story)
    # Nobody gets to compare before all have asked.
    with connect(door.settings.database_url) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM records FOR UPDATE")
        with ThreadPoolExecutor(6) as people:
            answers = [
                people.submit(rose.put, f"{story}/title", json={"value": f"{n}"}, headers=seen)
                for n in range(6)
            ]
            while waiting(door.db) < 6:
                time.sleep(0.01)
            holder.execute("ROLLBACK")
    assert sorted(answer.result().status_code for answer in answers) == [200] + [412] * 5
    assert len(rose.get(story).json()["edits"]) == 1


def test_a_step_that_is_made_meanwhile_does_not_keep_a_person_from_a_change(
    door: Door, rose: httpx.Client, story: str
) -> None:
    seen = etag(rose, story)
    door.db.execute("UPDATE ledger SET status = 'running', due_at = now() WHERE step = 'podcasts'")
    assert rose.put(f"{story}/title", json={"value": "One"}, headers=seen).status_code == 200


def test_a_text_that_is_made_meanwhile_is_not_overwritten_unseen(
    door: Door, rose: httpx.Client, story: str
) -> None:
    seen = etag(rose, story)
    door.db.execute("UPDATE stories SET title = 'Another'")
    assert rose.put(f"{story}/title", json={"value": "One"}, headers=seen).status_code == 412


@pytest.mark.parametrize("tag", ['W/"{}"', '"x"', "{}", ""])
def test_what_is_no_strong_tag_matches_nothing(rose: httpx.Client, story: str, tag: str) -> None:
    seen = etag(rose, story)["If-Match"].strip('"')
    answer = rose.put(f"{story}/title", json={"value": "x"}, headers={"If-Match": tag.format(seen)})
    assert answer.status_code == 412


@pytest.mark.parametrize("value", ["", " \n", "\x00", "x" * 100_000])
def test_a_text_that_is_no_good_is_refused(rose: httpx.Client, story: str, value: str) -> None:
    for field in ("title", "story"):
        answer = rose.put(f"{story}/{field}", json={"value": value}, headers=etag(rose, story))
        if (field, len(value)) != ("story", 100_000):  # a long story is one
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_tag_is_set_and_taken_off(rose: httpx.Client, story: str) -> None:
    set_ = rose.put(f"{story}/tags/sea%20air", headers=etag(rose, story))
    off = rose.delete(f"{story}/tags/Hope", headers={"If-Match": set_.headers["ETag"]})
    assert (set_.status_code, off.status_code) == (200, 200)
    assert rose.get(story).json()["results"]["tags"] == [{"tag": "sea air", "source": "human"}]


def test_a_field_that_the_line_has_not_is_refused(rose: httpx.Client) -> None:
    record = rose.post("/api/bookmarks", json={"url": "https://example.org"}).json()["id"]
    seen = etag(rose, f"/api/records/{record}")
    answer = rose.put(f"/api/records/{record}/story", json={"value": "x"}, headers=seen)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


# -- again ----------------------------------------------------------------------------------------


def test_what_failed_is_tried_again(door: Door, rose: httpx.Client, story: str) -> None:
    door.db.execute("UPDATE ledger SET status = 'failed' WHERE step = 'stories'")
    assert rose.post(f"{story}/retry").json() == {"records": 1}
    assert due(door.db) == {"stories"}
    assert rose.post(f"{story}/retry").json() == {"records": 0}


def test_failures_of_one_kind_are_tried_again(
    door: Door, rose: httpx.Client, otto: httpx.Client, story: str
) -> None:
    door.db.execute("UPDATE ledger SET status = 'failed', error_type = 'UnfitAnswer'")
    assert rose.post("/api/retry", json={"error_type": "Unreachable"}).json() == {"records": 0}
    assert otto.post("/api/retry", json={}).json() == {"records": 0}
    asked = {"line": "family", "step": "tags", "error_type": "UnfitAnswer"}
    assert rose.post("/api/retry", json=asked).json() == {"records": 1}
    assert due(door.db) == {"tags"}
    assert rose.post("/api/retry", json={"step": "none"}).status_code == 422


def test_a_step_is_made_again(door: Door, rose: httpx.Client, story: str) -> None:
    assert rose.post(f"{story}/steps/stories/redo").status_code == 202
    assert due(door.db) == {"stories"}
    assert rose.post(f"{story}/steps/none/redo").json()["code"] == "not_found"
    door.db.execute("UPDATE ledger SET hold_reason = 'off', due_at = NULL, status = 'pending'")
    assert rose.post(f"{story}/steps/stories/redo").json()["code"] == "conflict"


def test_a_record_is_made_urgent(rose: httpx.Client, story: str) -> None:
    for changed in (True, False):
        answer = rose.put(f"{story}/priority", json={"priority": "urgent"})
        assert answer.json()["changed"] is changed
    assert rose.get(story).json()["priority"] == 10


# -- files, and deletion --------------------------------------------------------------------------


def test_a_file_is_read_by_its_name_or_kind_and_in_part(
    rose: httpx.Client, otto: httpx.Client, story: str
) -> None:
    [file] = rose.get(story).json()["files"]
    whole = rose.get(file["address"])
    assert (whole.content, whole.headers["Content-Type"]) == (b"ID3 a recording", "audio/mpeg")
    part = rose.get(f"{story}/files/recording", headers={"Range": "bytes=4-4"})
    assert (part.status_code, part.content) == (206, b"a")
    assert rose.head(file["address"]).headers["Content-Length"] == "15"
    assert rose.get(f"{story}/files/episode").status_code == 404
    assert otto.get(file["address"]).status_code == 404


def test_a_deleted_record_is_gone_with_its_files(
    door: Door, rose: httpx.Client, story: str
) -> None:
    assert rose.delete(story, headers=etag(rose, story)).status_code == 204
    assert rose.get(story).status_code == 404
    assert not [path for path in Path(door.settings.objects_folder).rglob("*") if path.is_file()]
    assert actions(door.db) == ["record.delete"]


def test_a_record_that_a_run_has_is_not_deleted(door: Door, rose: httpx.Client, story: str) -> None:
    record = int(story.rpartition("/")[2])
    door.db.execute("SELECT pg_advisory_lock((1::bigint << 62) + %s)", (record,))
    answer = rose.delete(story, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert rose.get(story).status_code == 200


def test_who_may_only_read_changes_nothing(door: Door, rose: httpx.Client, story: str) -> None:
    reader = door.client("read")
    seen = etag(rose, story)
    answers = [
        reader.put(f"{story}/title", json={"value": "x"}, headers=seen),
        reader.delete(story, headers=seen),
        reader.put(f"{story}/tags/courage", headers=seen),
        reader.post(f"{story}/retry"),
        reader.post(f"{story}/steps/stories/redo"),
        reader.put(f"{story}/priority", json={"priority": "low"}),
        reader.post("/api/retry", json={}),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert actions(door.db) == []

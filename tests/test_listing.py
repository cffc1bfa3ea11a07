"""`keepsake records`: which records there are, the newest first."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.owners.owners import add_owner
from keepsake.search.listing import list_records


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def add(db: Connection, line: str, name: str, *, owner: int, at: str = "2026-05-04") -> int:
    """A record with its ledger rows, all of them due."""
    (record_id,) = db.execute(
        "WITH r AS (INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES (%(line)s, %(owner)s, %(name)s, %(at)s, '') RETURNING id), l AS (INSERT INTO"
        " ledger (record_id, owner_id, step, line, due_at)"
        " SELECT id, %(owner)s, name, line, now() FROM r, steps"
        " WHERE line = %(line)s) SELECT id FROM r",
        {"line": line, "owner": owner, "name": name, "at": at},
    ).fetchone() or (0,)
    if line == "bookmarks":
        db.execute("INSERT INTO bookmarks (record_id, owner_id, url) VALUES (%s, %s, %s)",
                   (record_id, owner, name))  # fmt: skip
    if line == "running":
        db.execute("INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format,"
                   " sha256) VALUES (%s, %s, 'k', %s, 'gpx', '')",
                   (record_id, owner, name))  # fmt: skip
    return int(record_id)


@pytest.fixture
def records(db: Connection) -> dict[str, int]:
    """Three records of two owners, by name, in the order in which they came in."""
    ada, bob = (add_owner(db, name).id for name in ("Ada", "Bob"))
    return {
        "bread": add(db, "bookmarks", "https://example.org/slow-bread", owner=bob),
        "run": add(db, "running", "Morning_Run.gpx", owner=ada, at="2026-06-01"),
        "soup": add(db, "bookmarks", "https://example.org/soup", owner=bob, at="2025-01-01"),
    }


def ids(db: Connection, **asked: object) -> list[int]:
    return [found.id for found in list_records(db, **asked)]  # type: ignore[arg-type]


def test_the_last_that_came_in_stands_first_and_a_page_follows_a_page(
    db: Connection, records: dict[str, int]
) -> None:
    assert ids(db, limit=2) == [records["soup"], records["run"]]
    assert ids(db, limit=2, before=records["run"]) == [records["bread"]]


def test_a_record_without_results_is_known_by_what_it_came_as(
    db: Connection, records: dict[str, int]
) -> None:
    assert [(found.title, found.owner, found.status) for found in list_records(db)] == [
        ("https://example.org/soup", "bob", "PENDING"),
        ("Morning_Run.gpx", "ada", "PENDING"),
        ("https://example.org/slow-bread", "bob", "PENDING"),
    ]


def test_what_failed_says_in_which_step_and_why(db: Connection, records: dict[str, int]) -> None:
    db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, error_message = 'no such page'"
        " WHERE record_id = %s AND step = 'pages'",
        (records["bread"],),
    )
    (found,) = list_records(db, state="failed")
    assert (found.id, found.failed_step, found.error) == (
        records["bread"], "pages", "no such page",
    )  # fmt: skip


def test_what_is_due_and_what_is_held_are_told_apart(
    db: Connection, records: dict[str, int]
) -> None:
    db.execute("UPDATE ledger SET status = 'succeeded', due_at = NULL WHERE record_id = %s",
               (records["soup"],))  # fmt: skip
    db.execute("UPDATE ledger SET hold_reason = 'tier', due_at = NULL WHERE step = 'letters'")
    assert ids(db, state="due") == [records["run"], records["bread"]]
    assert ids(db, state="held") == [records["run"]]


def test_a_line_an_owner_or_a_day_by_itself(db: Connection, records: dict[str, int]) -> None:
    assert ids(db, line="running") == [records["run"]]
    bob = next(found for found in list_records(db) if found.owner == "bob")
    (owner_id,) = db.execute("SELECT id FROM owners WHERE slug = %s", (bob.owner,)).fetchone() or ()
    assert ids(db, owner_id=owner_id) == [records["soup"], records["bread"]]
    assert ids(db, since=date(2026, 5, 4)) == [records["run"], records["bread"]]
    assert ids(db, since=date(2026, 5, 4), line="bookmarks") == [records["bread"]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Bread", ["bread"]),
        ("example org", ["soup", "bread"]),
        ("morn", ["run"]),  # the beginning of a word
        ("tomato seeds", ["run"]),  # of the text that was made
        ("bread tomato", []),
        ("sou'p & | ! :*", []),  # no query language, and no error
    ],
)
def test_words_are_looked_for_in_titles_addresses_names_and_texts(
    db: Connection, records: dict[str, int], words: str, found: list[str]
) -> None:
    db.execute(
        "INSERT INTO passages (record_id, position, owner_id, text, model, dimensions, embedding)"
        " SELECT id, 0, owner_id, 'Twelve tomato seeds.', 'm', 2, '[1,1]' FROM records"
        " WHERE id = %s",
        (records["run"],),
    )
    assert ids(db, words=words) == [records[name] for name in found]


def test_words_without_a_letter_are_refused(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="no letter or digit"):
        list_records(db, words=" ?! ")


def test_an_unknown_line_is_refused_with_those_there_are(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="known: bookmarks, family, running"):
        list_records(db, line="cooking")


def test_a_page_of_many_records_is_read_by_indexes(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(db)
    execute = psycopg.Cursor.execute
    plan: list[str] = []

    def explained(cursor: Any, query: Any, parameters: Any = None, **options: Any) -> Any:
        if parameters and "limit" in parameters:
            how = execute(db.cursor(), b"EXPLAIN " + query.as_bytes(db), parameters)
            plan[:] = [row[0].strip() for row in how.fetchall()]
        return execute(cursor, query, parameters, **options)

    monkeypatch.setattr("psycopg.Cursor.execute", explained)
    asked: list[dict[str, Any]] = [
        {}, {"before": 500}, {"state": "failed"}, {"state": "held"}, {"state": "due"},
        {"state": "due", "line": "bookmarks"}, {"owner_id": 1}, {"line": "running"},
        {"since": date(2026, 9, 1)}, {"since": date(2026, 9, 1), "line": "running"},
        {"words": "needle"},
    ]  # fmt: skip
    for part in asked:
        list_records(db, limit=20, **part)
        assert plan
        whole = ("Seq Scan on records", "Seq Scan on ledger")
        assert not [step for step in plan if any(name in step for name in whole)], (part, plan)


def many(db: Connection) -> None:
    """Twenty thousand records of two owners, few of which have failed or are held."""
    add_owner(db, "Ada")
    add_owner(db, "Bob")
    db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " SELECT CASE WHEN n % 50 = 0 THEN 'running' ELSE 'bookmarks' END, 1 + n / 19000,"
        " n::text, '2026-01-01'::timestamptz + n * interval '20 minutes', ''"
        " FROM generate_series(1, 20000) AS n"
    )
    db.execute(
        "INSERT INTO ledger (record_id, owner_id, step, line, status, hold_reason)"
        " SELECT id, owner_id, name, line,"
        " CASE WHEN id % 5000 = 0 THEN 'failed' ELSE 'succeeded' END,"
        " CASE WHEN id % 3000 = 0 THEN 'off' END FROM records JOIN steps USING (line)"
    )
    db.execute("UPDATE ledger SET due_at = now(), status = 'pending' WHERE record_id % 4000 = 1")
    db.execute("ANALYZE records, ledger")

"""A record is added once, with a ledger row a step; what is no good is refused at the border."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.owners.owners import add_owner
from keepsake.records.adding import Added, check_priority, check_recorded_at
from keepsake.settings import StepSettings
from keepsake.text.names import check_time_zone, clean_name, slugify
from tests.given import given_record


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        connection.execute("INSERT INTO steps (line, name) VALUES ('toy', 'hear'), ('toy', 'tell')")
        yield connection


def add(db: Connection, owner: int, settings: StepSettings | None = None, **changes: Any) -> Added:
    details: dict[str, Any] = {
        "line": "toy",
        "owner_id": owner,
        "external_id": "a",
        "content_hash": "hash",
    }
    return given_record(db, settings, **(details | changes))


def count(db: Connection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return row[0] if row else 0


def test_a_new_record_is_due_in_every_step_of_its_line(db: Connection) -> None:
    added = add(db, add_owner(db, "Ada").id)
    assert added.created
    assert db.execute(
        "SELECT record_id, step, line, status, due_at <= now() FROM ledger ORDER BY step"
    ).fetchall() == [
        (added.record_id, "hear", "toy", "pending", True),
        (added.record_id, "tell", "toy", "pending", True),
    ]


def test_a_step_that_is_left_to_a_schedule_is_not_due(db: Connection) -> None:
    add(db, add_owner(db, "Ada").id, StepSettings.model_validate({"steps_on_schedule": "tell"}))
    assert db.execute("SELECT step, due_at IS NULL FROM ledger ORDER BY step").fetchall() == [
        ("hear", False),
        ("tell", True),
    ]


def test_a_step_that_is_switched_off_is_held(db: Connection) -> None:
    db.execute("INSERT INTO steps (line, name) VALUES ('toy', 'summaries')")
    add(db, add_owner(db, "Ada").id, StepSettings.model_validate({"ai_summaries": False}))
    assert db.execute(
        "SELECT hold_reason, due_at FROM ledger WHERE step = 'summaries'"
    ).fetchall() == [("off", None)]


def test_adding_a_record_twice_adds_it_once(db: Connection) -> None:
    owner = add_owner(db, "Ada").id
    first = add(db, owner)
    assert add(db, owner, content_hash="other") == Added(first.record_id, created=False)
    assert (count(db, "records"), count(db, "ledger")) == (1, 2)


def test_the_senders_name_for_a_record_is_its_owners_own(db: Connection) -> None:
    ada, ben = (add_owner(db, name).id for name in ("Ada", "Ben"))
    assert add(db, ada).record_id != add(db, ben).record_id


def test_an_owner_takes_its_records_along(db: Connection) -> None:
    add(db, add_owner(db, "Ada").id)
    db.execute("DELETE FROM owners")
    assert (count(db, "records"), count(db, "ledger")) == (0, 0)


def test_an_owner_is_known_by_a_short_name(db: Connection) -> None:
    add_owner(db, "  Familie  Müller ", time_zone="Europe/Berlin")
    assert db.execute("SELECT slug, name, time_zone FROM owners").fetchone() == (
        "familie-muller",
        "Familie Müller",
        "Europe/Berlin",
    )


def test_two_owners_cannot_have_the_same_short_name(db: Connection) -> None:
    add_owner(db, "Müller")
    with pytest.raises(InvalidInput, match="already one named 'muller'"):
        add_owner(db, "muller!")


@pytest.mark.parametrize(
    ("name", "slug"), [("Ada & Ben", "ada-ben"), ("O'Neill 2nd", "o-neill-2nd"), ("Éric", "eric")]
)
def test_short_names(name: str, slug: str) -> None:
    assert slugify(name) == slug


@pytest.mark.parametrize("name", ["", "!!!", "家族"])
def test_a_name_without_latin_letters_gives_no_short_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="no Latin letter or digit"):
        slugify(name)


def test_a_name_is_cleaned() -> None:
    assert clean_name("\tAda\x00  Love\u200blace\n") == "Ada Lovelace"


@pytest.mark.parametrize(
    ("name", "problem"), [(" \n ", "is empty"), ("x" * 201, "201 characters; at most 200")]
)
def test_a_name_that_cannot_be_one(name: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        clean_name(name)


def test_a_time_zone_is_an_iana_name() -> None:
    assert check_time_zone("America/New_York").key == "America/New_York"


@pytest.mark.parametrize("name", ["Berlin", "", "../etc/passwd", "UTC\x00", "x" * 5000])
def test_any_other_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="no IANA time zone"):
        check_time_zone(name)


def test_a_moment_is_kept_in_utc() -> None:
    there = datetime(2026, 5, 4, 1, tzinfo=timezone(timedelta(hours=12)))
    kept = check_recorded_at(there, date(2000, 1, 1))
    assert (kept, kept.tzinfo) == (datetime(2026, 5, 3, 13, tzinfo=UTC), UTC)


def test_a_clock_may_be_a_little_fast() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=4)
    assert check_recorded_at(soon, date(2000, 1, 1)) == soon


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        (datetime(2026, 5, 4), "has no time zone"),
        (datetime(2999, 1, 1, tzinfo=UTC), "in the future"),
        (datetime(1999, 12, 31, 23, tzinfo=UTC), "before 2000-01-01.*set FIRST_DAY"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "no day of the calendar"),
    ],
)
def test_a_moment_that_has_no_partition_is_refused(moment: datetime, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        check_recorded_at(moment, date(2000, 1, 1))


def test_priorities_are_words() -> None:
    assert check_priority("low") < check_priority("normal") < check_priority("urgent")
    with pytest.raises(InvalidInput, match="'highest' is none of low, normal, urgent"):
        check_priority("highest")

"""Owners: added once, found by any of their names, with what they may spend and have spent."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.owners.budgets import set_budget
from keepsake.owners.owners import (
    OwnerSummary,
    add_owner,
    find_owner,
    owner_or_default,
    summaries,
)
from keepsake.settings import Settings
from tests.given import on_connection


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def summary(db: Connection, owner_id: int) -> OwnerSummary:
    (found,) = summaries(db, owner_id)
    return found


def spend(db: Connection, owner_id: int, *costs: str | None, day: str = "now()") -> None:
    for number, cost in enumerate(costs):
        db.execute(
            "INSERT INTO spending (owner_id, day, line, step, model, calls, cost)"
            f" VALUES (%s, (({day}) AT TIME ZONE 'UTC')::date, 'running', 'letters', %s, 1, %s)"
            .encode(),
            (owner_id, f"model {number}", cost),
        )  # fmt: skip


def test_an_owner_is_found_by_any_of_its_names(db: Connection) -> None:
    ada = add_owner(db, "Ada Lovelace", time_zone="Europe/London")
    assert (ada.slug, ada.tier, str(ada.zone)) == ("ada-lovelace", "free", "Europe/London")
    for name in (str(ada.id), "ada-lovelace", "ADA LOVELACE"):
        assert find_owner(db, name) == ada


def test_an_owner_may_have_a_tier_from_the_start(db: Connection) -> None:
    assert add_owner(db, "Ada", tier="premium").tier == "premium"


def test_an_unknown_tier_adds_no_owner(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="no tier 'gold'"):
        add_owner(db, "Ada", tier="gold")
    assert summaries(db) == []


def test_an_unknown_owner_is_refused_with_those_there_are(db: Connection) -> None:
    add_owner(db, "Ada")
    with pytest.raises(InvalidInput, match=r"no owner 'bob' \(known: ada\)"):
        find_owner(db, "bob")


def test_who_is_not_named_is_the_owner_of_the_settings(db: Connection) -> None:
    settings = Settings.model_validate({"keepsake_owner": "me"})
    mine = owner_or_default(db, settings, None)
    assert owner_or_default(db, settings, None) == mine == find_owner(db, "me")
    with pytest.raises(InvalidInput, match="no owner 'bob'"):
        owner_or_default(db, settings, "bob")


# -- budgets --------------------------------------------------------------------------------------


def test_an_owner_has_its_tiers_budget_until_it_has_its_own(db: Connection) -> None:
    ada = add_owner(db, "Ada")
    assert (summary(db, ada.id).budget, summary(db, ada.id).own_budget) == (None, False)
    db.execute("UPDATE tiers SET monthly_budget = 2 WHERE name = 'free'")
    assert (summary(db, ada.id).budget, summary(db, ada.id).own_budget) == (Decimal(2), False)
    on_connection(db, set_budget, ada.id, Decimal("0"))
    assert (summary(db, ada.id).budget, summary(db, ada.id).own_budget) == (Decimal(0), True)
    on_connection(db, set_budget, ada.id, None)
    assert summary(db, ada.id).budget == 2


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "1000000"])
def test_what_is_no_budget_is_refused(db: Connection, amount: str) -> None:
    ada = add_owner(db, "Ada")
    with pytest.raises(InvalidInput, match="from 0 to 999,999"):
        on_connection(db, set_budget, ada.id, Decimal(amount))


def test_what_was_spent_this_month_counts(db: Connection) -> None:
    ada, ben = add_owner(db, "Ada"), add_owner(db, "Ben")
    spend(db, ada.id, "0.5", "0.25")
    spend(db, ada.id, "7", day="date_trunc('month', now()) - interval '1 day'")
    assert summary(db, ada.id).spent == Decimal("0.75")
    assert summary(db, ben.id).spent == 0


def test_a_sum_with_an_unknown_part_is_unknown(db: Connection) -> None:
    ada = add_owner(db, "Ada")
    spend(db, ada.id, "0.5", None)
    assert (summary(db, ada.id).known, summary(db, ada.id).spent) == (Decimal("0.5"), None)


def test_records_are_counted_by_line(db: Connection) -> None:
    ada = add_owner(db, "Ada")
    for line, name in (("running", "a"), ("running", "b"), ("bookmarks", "a")):
        db.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " VALUES (%s, %s, %s, now(), '')",
            (line, ada.id, name),
        )
    assert summary(db, ada.id).records == {"running": 2, "bookmarks": 1}

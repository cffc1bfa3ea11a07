"""What was spent, from every side; and what is unknown is never counted as nothing."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from keepsake.database import Connection, connect
from keepsake.errors import InvalidInput
from keepsake.owners.costs import Cost, costs, total, unpriced_models, usd

SPENT = [  # owner, day, line, step, model, calls, cost
    (1, "2026-10-01", "running", "letters", "big", 10, "0.5"),
    (1, "2026-10-02", "running", "letters", "big", 4, "0.2"),
    (1, "2026-10-02", "running", "coaching_insights", "small", 4, "0.01"),
    (2, "2026-10-02", "bookmarks", "summaries", "home-made", 3, None),
    (2, "2026-10-03", "bookmarks", "summaries", "small", 1, "0.01"),
    (2, "2026-10-03", "bookmarks", "pages", "", 0, "0"),
]


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        connection.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')")
        connection.cursor().executemany(
            "INSERT INTO spending (owner_id, day, line, step, model, calls, cost, tokens_in)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 100)",
            SPENT,
        )
        yield connection


def amounts(rows: list[Cost]) -> dict[str, str]:
    return {row.name: usd(row.known, row.cost) for row in rows}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("owner", {"ada": "0.71", "ben": "0.0100 + unknown"}),
        ("line", {"running": "0.71", "bookmarks": "0.0100 + unknown"}),
        (
            "step",
            {
                "running letters": "0.70",
                "running coaching_insights": "0.0100",
                "bookmarks summaries": "0.0100 + unknown",
            },
        ),
        ("model", {"big": "0.70", "small": "0.0200", "home-made": "unknown"}),
        (
            "day",
            {"2026-10-01": "0.50", "2026-10-02": "0.21 + unknown", "2026-10-03": "0.0100"},
        ),
    ],
)
def test_what_was_spent_by(db: Connection, by: str, expected: dict[str, str]) -> None:
    assert amounts(costs(db, by)) == expected


def test_the_dearest_stands_first_and_days_in_their_order(db: Connection) -> None:
    assert [row.name for row in costs(db, "model")] == ["big", "small", "home-made"]
    assert [row.name[-2:] for row in costs(db, "day")] == ["01", "02", "03"]


def test_a_part_of_it(db: Connection) -> None:
    assert amounts(costs(db, "day", owner_id=1)) == {"2026-10-01": "0.50", "2026-10-02": "0.21"}
    assert amounts(costs(db, "owner", line="running")) == {"ada": "0.71"}
    assert amounts(costs(db, "owner", since=date(2026, 10, 3))) == {"ben": "0.0100"}


def test_a_total_with_an_unknown_part_is_unknown(db: Connection) -> None:
    everything = total(costs(db, "model"))
    assert (everything.known, everything.cost) == (Decimal("0.72"), None)
    assert (everything.calls, everything.tokens_in) == (22, 500)
    assert total(costs(db, "model", owner_id=1)).cost == Decimal("0.71")
    assert total([]).cost == 0


def test_the_models_without_a_price_are_named(db: Connection) -> None:
    assert unpriced_models(db) == ["home-made"]
    assert unpriced_models(db, owner_id=1) == []
    assert unpriced_models(db, since=date(2026, 10, 3)) == []


def test_the_cost_of_a_record_is_that_of_its_steps(db: Connection) -> None:
    for name in ("a", "b"):
        db.execute(
            "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
            " VALUES ('running', 1, %s, '2026-10-01', '')",
            (name,),
        )
    db.cursor().executemany(
        "INSERT INTO ledger (record_id, owner_id, step, line, calls, cost, finished_at)"
        " VALUES (%s, 1, %s, 'running', %s, %s, '2026-10-02')",
        [(1, "letters", 1, "0.5"), (1, "coaching_insights", 2, "0.25"), (1, "activities", 0, 0),
         (2, "letters", 1, None), (2, "activities", 0, 0)],
    )  # fmt: skip
    assert amounts(costs(db, "record")) == {"1": "0.75", "2": "unknown"}
    assert costs(db, "record", owner_id=2) == costs(db, "record", since=date(2026, 10, 3)) == []


def test_another_side_is_refused_with_those_there_are(db: Connection) -> None:
    with pytest.raises(InvalidInput, match="owner, line, step, model, day, record, not by 'year'"):
        costs(db, "year")


@pytest.mark.parametrize(
    ("known", "cost", "said"),
    [
        ("0", "0", "0.00"),
        ("1234.5", "1234.5", "1,234.50"),
        ("0.0123", "0.0123", "0.0123"),
        ("0.00001", "0.00001", "under 0.0001"),
        ("0", None, "unknown"),
        ("2", None, "2.00 + unknown"),
    ],
)
def test_amounts_as_people_read_them(known: str, cost: str | None, said: str) -> None:
    assert usd(Decimal(known), None if cost is None else Decimal(cost)) == said

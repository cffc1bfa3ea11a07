"""Figures of owners become hours after two days and go after 400; the totals never do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from keepsake.database import Connection, connect
from keepsake.metrics import retention
from keepsake.metrics.retention import thin_out
from tests.metrics.reading import total

NOW = datetime.now(UTC)


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        connection.execute("INSERT INTO owners (slug, name) VALUES ('ada', 'Ada'), ('ben', 'Ben')")
        yield connection


def given(db: Connection, owner_id: int, at: datetime, value: float, labels: str = "a") -> None:
    db.execute(
        "INSERT INTO owner_metrics VALUES (%s, %s, 'keepsake_steps_total', %s, %s)",
        (owner_id, at, labels, value),
    )


def rows(db: Connection) -> list[tuple[int, datetime, str, float]]:
    return db.execute(
        "SELECT owner_id, at, labels, value FROM owner_metrics ORDER BY 1, 2, 3"
    ).fetchall()


@pytest.mark.parametrize("at_once", [2, 10_000])
def test_what_is_older_than_two_days_is_the_sum_of_its_hour(
    db: Connection, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", at_once)
    db.execute("SET TIME ZONE 'Asia/Kolkata'")  # its hours begin in the middle of others
    hour = (NOW - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    for minutes, value in ((0, 1), (5, 2), (55, 4), (60, 8), (65, 16)):
        given(db, 1, hour + timedelta(minutes=minutes), value)
    given(db, 1, hour + timedelta(minutes=10), 32, labels="b")
    given(db, 2, hour + timedelta(minutes=10), 64)
    assert thin_out(db) == 5
    assert rows(db) == [
        (1, hour, "a", 7),
        (1, hour, "b", 32),
        (1, hour + timedelta(hours=1), "a", 24),
        (2, hour, "a", 64),
    ]
    assert thin_out(db) == 0


def test_the_last_two_days_stay_as_they_are(db: Connection) -> None:
    given(db, 1, NOW - timedelta(hours=47, minutes=3), 1)
    given(db, 1, NOW, 2)
    assert thin_out(db) == 0
    assert [value for *_, value in rows(db)] == [1, 2]


def test_what_is_older_than_400_days_goes_and_the_totals_stay(db: Connection) -> None:
    db.execute("INSERT INTO metric_totals VALUES ('keepsake_steps_total', 'a', 0, 7, %s)",
               (NOW - timedelta(days=500),))  # fmt: skip
    given(db, 1, NOW - timedelta(days=401), 1)
    given(db, 1, (NOW - timedelta(days=399)).replace(minute=0, second=0, microsecond=0), 2)
    assert thin_out(db) == 1
    assert [value for *_, value in rows(db)] == [2]
    assert total(db, "keepsake_steps_total") == {("a",): 7}

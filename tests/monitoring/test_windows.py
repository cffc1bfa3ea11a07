"""A window has what was counted from its beginning on, however many are asked for at once."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from keepsake.database import Connection
from keepsake.monitoring.windows import FINEST, windows, windows_since
from tests.given import on_connection
from tests.monitoring.given import (
    given_counting_since,
    given_owner_counts,
    given_snapshot,
    given_totals,
    records_ended,
)

RECORDS = "keepsake_records_total"
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(params=["owner", "system"])
def scope(request: pytest.FixtureRequest, db: Connection, ada: int) -> int | None:
    """Ada, or all owners: 1 record ended ten days ago, 2 two days ago, 4 after midnight."""
    given_counting_since(db, LONG_AGO)
    total = records_ended("completed", 0)
    for days, number in ((10, 1), (2, 2), (0, 4)):
        ended = records_ended("completed", number)
        if request.param == "owner":
            given_owner_counts(db, ada, MIDNIGHT - days * DAY, ended)
        else:
            given_snapshot(db, MIDNIGHT - days * DAY, total.values)
            given_totals(db, ended)
        total.merge(ended)
    return ada if request.param == "owner" else None


def test_each_window_has_what_came_since_its_beginning(db: Connection, scope: int | None) -> None:
    sinces = [MIDNIGHT, MIDNIGHT - 10 * DAY, MIDNIGHT - 2 * DAY]
    found = on_connection(db, windows_since, sinces, [RECORDS], owner_id=scope)
    assert [window.total(RECORDS) for window in found] == [4, 7, 6]
    assert [window.since for window in found] == sinces


def test_windows_may_begin_together(db: Connection, scope: int | None) -> None:
    """As on the first of a month that is a Monday."""
    found = on_connection(db, windows_since, [MIDNIGHT] * 3, [RECORDS], owner_id=scope)
    assert [window.total(RECORDS) for window in found] == [4, 4, 4]


def test_steps_come_to_the_same_as_the_whole(db: Connection, scope: int | None) -> None:
    since = MIDNIGHT - 10 * DAY
    found = on_connection(db, windows, since, 4 * HOUR, [RECORDS], owner_id=scope)
    assert sum(window.total(RECORDS) for window in found) == 7
    assert all(one.until == following.since for one, following in itertools.pairwise(found))


def test_steps_of_an_owner_end_with_now(db: Connection, ada: int) -> None:
    given_counting_since(db, LONG_AGO)
    since = datetime.now(UTC) - HOUR
    found = on_connection(db, windows, since, FINEST, [RECORDS], owner_id=ada)
    assert len(found) in (12, 13)
    assert found[-1].until <= datetime.now(UTC)

"""Cron expressions: what they mean where clocks are changed, and which are refused."""

from datetime import UTC, datetime, timedelta

import pytest

from keepsake.errors import InvalidInput
from keepsake.jobs.cron import check_cron

BERLIN = "Europe/Berlin"


def times(expression: str, time_zone: str, first: str, count: int) -> list[str]:
    """The next times as a worker finds them: each from the one before, in UTC."""
    cron, at = check_cron(expression, time_zone), datetime.fromisoformat(first + "+00:00")
    found = []
    for _ in range(count):
        at = cron.next(at)
        found.append(f"{at:%m-%d %H:%M}")
    return found


def test_a_time_is_the_clocks_of_its_zone() -> None:
    assert times("0 9 * * 1-5", "America/New_York", "2026-12-04T12:00", 2) == [
        "12-04 14:00",
        "12-07 14:00",
    ]
    assert times("@daily", BERLIN, "2026-12-04T12:00", 1) == ["12-04 23:00"]


def test_in_spring_a_time_that_the_day_does_not_have_comes_once() -> None:
    assert times("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_in_autumn_a_time_that_comes_twice_counts_once() -> None:
    assert times("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_what_comes_every_half_hour_goes_on_through_both_equal_hours() -> None:
    assert times("*/30 * * * *", BERLIN, "2026-10-25T00:00", 4) == [
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
        "10-25 02:00",
    ]


def test_the_next_time_is_never_before_even_in_the_second_of_two_equal_hours() -> None:
    cron = check_cron("30 2 * * *", BERLIN)
    moment = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    for minute in range(0, 180, 5):
        at = moment + timedelta(minutes=minute)
        assert cron.next(at) > at


@pytest.mark.parametrize(
    ("expression", "since"),
    [("30 2 * * *", 2026), ("*/30 * * * *", 2026), ("0 0 1 * *", 2024), ("0 12 29 2 *", 2000)],
)
def test_the_latest_of_many_times_is_the_last_of_all(expression: str, since: int) -> None:
    cron = check_cron(expression, BERLIN)
    first = cron.next(datetime(since, 3, 20, tzinfo=UTC))
    for last in (first, datetime(2026, 3, 29, 1, 45, tzinfo=UTC)):
        last = max(first, last)
        assert cron.latest(first, last) == cron.from_until(first, last, limit=10**6)[-1]


@pytest.mark.parametrize(
    ("expression", "time_zone", "why"),
    [
        ("0 0 31 2 *", "UTC", "has a bad day-of-month: it means no time that ever comes"),
        ("61 * * * *", "UTC", "has a bad minute"),
        ("* * * * * *", "UTC", "does not have five fields"),
        ("every morning", "UTC", "does not have five fields"),
        ("", "UTC", "does not have five fields"),
        ("0 0 * * 1" + ",1" * 60, "UTC", "has 129 characters; at most 100"),
        ("0 0 * * *", "Europe/Atlantis", "is no IANA time zone; write it like Europe/Berlin"),
    ],
)
def test_what_is_no_expression_or_never_comes_is_refused(
    expression: str, time_zone: str, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        check_cron(expression, time_zone)


def test_an_expression_is_explained_in_words() -> None:
    assert str(check_cron("0 9 * * 1-5", BERLIN)) == (
        "At 09:00 on Monday through Friday (Europe/Berlin)"
    )

"""Measured amounts as people read them."""

import pytest

from keepsake.text.amounts import dollars, many, percent, rate, size, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "40 ms"),
        (0.9996, "1.0 s"),
        (2.44, "2.4 s"),
        (9.96, "10 s"),
        (59.96, "1 min"),
        (200, "3 min"),
        (3_599, "1 h"),
        (4_800, "1 h 20 min"),
        (86_399, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_span_has_the_two_units_that_matter(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_400_000, "1.4 MB"),
        (999_600, "1.0 MB"),
        (38.2e9, "38 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_a_size_has_a_unit_that_keeps_it_short(amount: float, said: str) -> None:
    assert size(amount) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "$0.00"), (0.00001, "less than $0.0001"), (0.0042, "$0.0042"), (1234.5, "$1,234.50")],
)
def test_money_that_is_there_is_never_said_to_be_nothing(amount: float, said: str) -> None:
    assert dollars(amount) == said


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0, "0 %"),
        (0.01, "0.1 %"),
        (97.44, "97.4 %"),
        (99.99, "99.9 %"),
        (100, "100 %"),
        (120, "120 %"),
    ],
)
def test_only_all_is_100_percent_and_only_nothing_is_0(part: float, said: str) -> None:
    assert percent(part) == said


@pytest.mark.parametrize(
    ("number", "said"), [(98_200, "98,200"), (999_950, "1.0 million"), (3_217_427, "3.2 million")]
)
def test_of_a_large_number_the_first_digits_are_said(number: int, said: str) -> None:
    assert many(number) == said


@pytest.mark.parametrize(
    ("per_time", "said"), [(0, "0"), (0.0167, "0.02"), (2.1, "2.1"), (14.2, "14"), (1203, "1,203")]
)
def test_a_rate_is_as_exact_as_it_is_small(per_time: float, said: str) -> None:
    assert rate(per_time) == said

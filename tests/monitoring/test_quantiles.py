"""Quantiles from buckets are what `histogram_quantile` of Prometheus gives."""

from math import inf

import pytest

from keepsake.monitoring.quantiles import quantile

# Ten observations up to 1 s, twenty from 1 to 5, ten from 5 to 10.
EVEN = {1.0: 10.0, 5.0: 20.0, 10.0: 10.0, inf: 0.0}


@pytest.mark.parametrize(
    ("share", "value"),
    [
        pytest.param(0.5, 3.0, id="the middle of a bucket is interpolated"),
        pytest.param(0.25, 1.0, id="a rank on a bound is the bound"),
        pytest.param(0.125, 0.5, id="the first bucket begins at 0"),
        pytest.param(0.95, 9.0, id="the tail"),
        pytest.param(1.0, 10.0, id="all of them"),
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(share: float, value: float) -> None:
    assert quantile(share, EVEN) == pytest.approx(value)


def test_what_lies_beyond_the_last_bound_is_estimated_at_it() -> None:
    assert quantile(0.99, {1.0: 1.0, 5.0: 1.0, inf: 8.0}) == 5.0


def test_an_empty_bucket_between_two_is_where_the_next_begins() -> None:
    assert quantile(0.75, {1.0: 2.0, 5.0: 0.0, 10.0: 2.0, inf: 0.0}) == pytest.approx(7.5)


def test_over_nothing_there_is_no_quantile() -> None:
    assert quantile(0.5, {1.0: 0.0, inf: 0.0}) is None

"""Quantiles that are estimated from the buckets of a histogram, as Prometheus estimates them."""

import math
from collections.abc import Mapping


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value that this share of the observations does not exceed: an estimate.

    It is what `histogram_quantile` of Prometheus gives: observations are taken to be spread evenly
    over their bucket, the first bucket to begin at 0. What lies in the last bucket, which has no
    end, is estimated at its beginning, so too low.

    Args:
        share: from 0 to 1.
        buckets: how many observations each bucket has, by its upper bound. The last is infinite.

    Returns:
        None if there are no observations.
    """
    rank = share * sum(buckets.values())
    lower, below = 0.0, 0.0
    for upper in sorted(bound for bound in buckets if buckets[bound]):
        inside = buckets[upper]
        if below + inside >= rank:
            lower = max((bound for bound in buckets if bound < upper), default=0.0)
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * (rank - below) / inside
        below += inside
    return None

"""The fastest stretches of an activity: 400 metres to a marathon, wherever in it they lie.

A watch measures a race over 5 km as 4,990 m or 5,020: the distances of GPS receivers are off by
about one per cent. So an activity that is up to one per cent short of a distance counts as it, with
the time of the whole.
"""

import numpy as np

from keepsake.running.facts import EFFORTS
from keepsake.running.motion import Floats

SHORT = 0.99  # of a distance, from where on it counts as covered


def best_efforts(seconds: Floats, distance: Floats) -> dict[str, float]:
    """The shortest time over each distance that was covered, to one per cent, stops included.

    Between two points a runner is taken to move evenly. The shortest window then begins or ends
    at a point, so that trying both for every point finds it exactly. In whole millimetres, so that
    it does between two rests as well: there a hair's breadth less or more is a rest more.
    """
    millimetres = np.round(distance * 1000)
    efforts = {metres: round(float(metres) * 1000) for metres in EFFORTS}
    covered = float(millimetres[-1]) if len(distance) else 0.0
    return {
        metres: round(fastest(seconds, millimetres, min(length, covered)), 2)
        for metres, length in efforts.items()
        if covered >= SHORT * length
    }


def whole_as_effort(metres: float, seconds: float) -> dict[str, float]:
    """The whole of an activity as a best effort, where it is one of the distances to one per cent.

    For activities of which no more is known than how far and how long.
    """
    return {
        name: round(seconds, 2)
        for name in EFFORTS
        if SHORT * float(name) <= metres <= float(name) / SHORT
    }


def fastest(seconds: Floats, distance: Floats, length: float) -> float:
    """The shortest time in seconds in which `length` was covered, no more than there is."""
    starts = distance + length <= distance[-1]
    ends = distance >= length
    from_points = np.interp(distance[starts] + length, distance, seconds) - seconds[starts]
    to_points = seconds[ends] - np.interp(distance[ends] - length, distance, seconds)
    return float(np.min(np.concatenate([from_points, to_points])))

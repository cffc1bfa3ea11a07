"""The fastest stretches of an activity: 400 metres to a marathon, wherever in it they lie."""

import numpy as np

from keepsake.running.facts import EFFORTS
from keepsake.running.motion import Floats


def best_efforts(seconds: Floats, distance: Floats) -> dict[str, float]:
    """The shortest time over each distance that was covered, stops included.

    Between two points a runner is taken to move evenly. The shortest window then begins or ends
    at a point, so that trying both for every point finds it exactly. In whole millimetres, so that
    it does between two rests as well: there a hair's breadth less or more is a rest more.
    """
    millimetres = np.round(distance * 1000)
    efforts = {metres: round(float(metres) * 1000) for metres in EFFORTS}
    return {
        metres: round(fastest(seconds, millimetres, length), 2)
        for metres, length in efforts.items()
        if len(distance) and millimetres[-1] >= length
    }


def fastest(seconds: Floats, distance: Floats, length: float) -> float:
    """The shortest time in seconds in which `length` was covered, no more than there is."""
    starts = distance + length <= distance[-1]
    ends = distance >= length
    from_points = np.interp(distance[starts] + length, distance, seconds) - seconds[starts]
    to_points = seconds[ends] - np.interp(distance[ends] - length, distance, seconds)
    return float(np.min(np.concatenate([from_points, to_points])))

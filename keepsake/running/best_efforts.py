"""The fastest stretches of an activity: 400 metres to a marathon, wherever in it they lie."""

import numpy as np

from keepsake.running.facts import EFFORTS
from keepsake.running.motion import Floats


def best_efforts(seconds: Floats, distance: Floats) -> dict[str, float]:
    """The shortest time over each distance that was covered, stops included.

    Between two points a runner is taken to move evenly. The shortest window then begins or ends
    at a point, so that trying both for every point finds it exactly.
    """
    return {
        metres: round(fastest(seconds, distance, float(metres)), 2)
        for metres in EFFORTS
        if len(distance) and distance[-1] >= float(metres)
    }


def fastest(seconds: Floats, distance: Floats, metres: float) -> float:
    """The shortest time in seconds in which `metres` were covered, no more than there are."""
    starts = distance + metres <= distance[-1]
    ends = distance >= metres
    from_points = np.interp(distance[starts] + metres, distance, seconds) - seconds[starts]
    to_points = seconds[ends] - np.interp(distance[ends] - metres, distance, seconds)
    return float(np.min(np.concatenate([from_points, to_points])))

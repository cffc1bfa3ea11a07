"""How far a runner came, and when the runner moved: the two judgements all facts rest on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EARTH = 6_371_008.8  # metres: the mean radius (IUGG)
FASTEST_RUN = 12.5  # m/s; the fastest man ever timed ran 12.4 (Usain Bolt, Berlin 2009)
FASTEST_RIDE = 40.0  # m/s, for whatever is not on foot
# Metres a second below which a stop begins, and from which on it has ended. On land: slower than
# anybody walks, and 30 minutes a mile, below which Strava takes a runner to rest. In water:
# beginners swim 100 m in four minutes.
ON_LAND = (0.5, 0.9)
SWIMMING = (0.2, 0.3)
SHORTEST_STOP = 10.0  # seconds; watches that place one point in several look like stops


@dataclass(frozen=True)
class Covered:
    """Metres covered by each point, whether each leg was moved in, and what was wrong."""

    distance: Floats
    moving: Flags
    issues: Mapping[str, int]


def cover(
    seconds: Floats,
    section: Floats,
    *,
    device: Floats,
    latitude: Floats,
    longitude: Floats,
    fastest: float,
    speeds: tuple[float, float] = ON_LAND,
) -> Covered:
    """Distance and movement of points at `seconds`, strictly rising.

    The watch's own distance counts where at least half of the points have it: it knows the foot
    pod and the track. Otherwise it is that between the positions, and none across a pause the
    watch marked (a change of `section`). A leg that falls back, or is faster than `fastest` in
    m/s, counts no metres: `distance_jump`, or `gps_spike` for positions. `speeds` are those at
    which stops begin and end.
    """
    if len(seconds) < 2:
        return Covered(np.zeros(len(seconds)), np.zeros(0, np.bool_), {})
    own = np.isfinite(device)
    if np.sum(own) * 2 >= len(seconds):
        kind, at = "distance_jump", np.flatnonzero(own)
        legs = np.diff(device[at])
    else:
        kind, at = "gps_spike", np.flatnonzero(_placed(latitude, longitude))
        legs = haversine(latitude[at], longitude[at])
        legs[np.diff(section[at]) != 0] = 0.0
    wrong = (legs < 0) | (legs > fastest * np.diff(seconds[at]))
    legs[wrong] = 0.0
    if len(at) < 2:
        distance = np.zeros(len(seconds))
    else:
        distance = np.interp(seconds, seconds[at], np.concatenate([[0.0], np.cumsum(legs)]))
    doubtful = _spread(wrong, at, len(seconds) - 1)
    paused = np.diff(section) != 0
    moving, stops = _moving(seconds, distance, doubtful=doubtful, paused=paused, speeds=speeds)
    return Covered(distance, moving, {kind: int(np.sum(wrong)), "pause": stops})


def haversine(latitude: Floats, longitude: Floats) -> Floats:
    """Metres from each position in degrees to the next, on a sphere.

    2 R asin √(sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2)): R. W. Sinnott, "Virtues of the Haversine",
    Sky and Telescope 68 (1984). Off by at most 0.6 % from the ellipsoid.
    """
    phi, lam = np.radians(latitude), np.radians(longitude)
    a = (
        np.sin(np.diff(phi) / 2) ** 2
        + np.cos(phi[:-1]) * np.cos(phi[1:]) * np.sin(np.diff(lam) / 2) ** 2
    )
    legs: Floats = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(a, 1.0)))
    return legs


def _placed(latitude: Floats, longitude: Floats) -> Flags:
    """Which points have a position; 0° 0°, in the Gulf of Guinea, is a receiver without a fix."""
    known = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)  # NaN is not
    placed: Flags = known & ~((latitude == 0) & (longitude == 0))
    return placed


def _spread(wrong: Flags, at: NDArray[np.intp], legs: int) -> Flags:
    """What holds of the legs between the points `at`, said of every leg they are made of."""
    spread = np.zeros(legs, np.bool_)
    for i in np.flatnonzero(wrong):
        spread[at[i] : at[i + 1]] = True
    return spread


def _moving(
    seconds: Floats,
    distance: Floats,
    *,
    doubtful: Flags,
    paused: Flags,
    speeds: tuple[float, float],
) -> tuple[Flags, int]:
    """Whether each leg was moved in, and the number of stops.

    A stop begins with a leg slower than the first of `speeds` and ends with one faster than the
    second; what lies between the two, and a doubtful leg, goes on as it was. A stop shorter than
    `SHORTEST_STOP` is none. A pause that the watch marked is one however long. Where there is no
    distance at all (a treadmill), everything but such pauses is movement.
    """
    if distance[-1] <= 0:
        return ~paused, int(np.sum(paused))
    speed = np.diff(distance) / np.diff(seconds)
    standing, walking = speeds
    decided = ((speed >= walking) | (speed < standing)) & ~doubtful & ~paused
    last = np.maximum.accumulate(np.where(decided, np.arange(len(speed)), -1))
    still = np.where(last >= 0, speed[last] < standing, False) | paused
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]])))
    stops = 0
    for start, end in edges.reshape(-1, 2):
        if seconds[end] - seconds[start] >= SHORTEST_STOP or paused[start:end].any():
            stops += 1
        else:
            still[start:end] = False
    return ~still, stops

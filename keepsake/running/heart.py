"""What the heart rate shows: mean, highest, zones and drift. Over moving time only."""

from dataclasses import dataclass

import numpy as np

from keepsake.running.facts import Seen
from keepsake.running.motion import Floats

ZONES = (0.5, 0.6, 0.7, 0.8, 0.9)  # where each begins, as a part of the highest heart rate
# Activities with a heart rate from which on the highest that they show may pass for the runner's.
# A convention: a few easy ones show far less. Texts that use it say that it is assumed.
FEWEST_ACTIVITIES = 20
LEAST_SHARE = 0.5  # of the moving time that needs a heart rate for it to be spoken of
DRIFT_SHARE = 0.8  # and for the drift, which compares halves
DRIFT_SECONDS = 20 * 60.0  # a heart needs ten minutes to settle: shorter runs have no drift


@dataclass(frozen=True)
class Heart:
    """Beats a minute, seconds in each zone, and drift in per cent."""

    mean: float
    highest: int
    drift: float | None
    zones: tuple[float, ...] = ()
    maximum: int | None = None  # which the zones are parts of
    activities: int | None = None  # that it was seen in, None where it was stated


def heart_facts(
    beats: Floats,
    moved: Floats,
    metres: Floats,
    *,
    max_heart_rate: int | None,
    seen: Seen | None,
) -> Heart | None:
    """The heart's facts of legs, None where less than half of the moving time has a heart rate.

    Args:
        beats: a minute, of each leg, NaN where missing.
        moved: moving seconds of each leg.
        metres: covered in each leg.
        max_heart_rate: the runner's, as stated: the zones are parts of it. Where it is None, the
            highest of `seen` and this activity is taken if they are `FEWEST_ACTIVITIES`; with
            fewer there are no zones.
        seen: what other activities show.
    """
    worn = np.isfinite(beats) & (moved > 0)
    share = float(np.sum(moved[worn]) / np.sum(moved)) if np.any(worn) else 0.0
    if share < LEAST_SHARE:
        return None
    beats, moved, metres = beats[worn], moved[worn], metres[worn]
    highest = round(float(np.max(beats)))
    drift = None
    if share >= DRIFT_SHARE and np.sum(moved) >= DRIFT_SECONDS:
        drift = decoupling(beats, moved, metres)
    maximum, activities = _maximum(max_heart_rate, highest, seen)
    return Heart(
        mean=float(np.average(beats, weights=moved)),
        highest=highest,
        drift=drift,
        zones=zones(beats, moved, maximum) if maximum else (),
        maximum=maximum,
        activities=activities,
    )


def _maximum(stated: int | None, highest: int, seen: Seen | None) -> tuple[int | None, int | None]:
    """The highest heart rate to go by, and the number of activities it is assumed from."""
    if stated:
        return stated, None
    activities = (seen.activities if seen else 0) + 1
    if activities < FEWEST_ACTIVITIES:
        return None, None
    return max(highest, seen.heart_rate if seen else 0), activities


def zones(beats: Floats, moved: Floats, max_heart_rate: int) -> tuple[float, ...]:
    """Moving seconds in each zone: 50-60, 60-70, 70-80, 80-90 and from 90 % of the highest rate.

    The five zones that watches come with (Garmin and Polar). Below 50 % is in none.
    """
    zone = np.digitize(beats, np.array(ZONES) * max_heart_rate)
    seconds = np.bincount(zone, weights=moved, minlength=len(ZONES) + 1)[1:]
    return tuple(round(float(each), 1) for each in seconds)


def decoupling(beats: Floats, moved: Floats, metres: Floats) -> float | None:
    """How much speed at a heart rate fell from the first half of the moving time to the second.

    100 (E₁ - E₂) / E₁ per cent, with E = mean speed / mean heart rate of a half: aerobic decoupling
    after J. Friel ("Aerobic Endurance and Decoupling", 2006). Below 5 % counts as well endured.
    None without movement in the first half.
    """
    middle = np.cumsum(moved) - moved / 2
    first = middle < np.sum(moved) / 2
    if not (np.any(first) and np.any(~first)):
        return None
    before, after = (
        np.sum(metres[half]) / np.sum(moved[half]) / np.average(beats[half], weights=moved[half])
        for half in (first, ~first)
    )
    return float(100 * (before - after) / before) if before > 0 else None

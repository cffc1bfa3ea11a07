"""How the facts are computed from a track. Each formula says where it is from."""

from dataclasses import replace

import numpy as np

from keepsake.errors import PermanentError
from keepsake.running.best_efforts import best_efforts, whole_as_effort
from keepsake.running.facts import Facts, Issue, Seen, Split
from keepsake.running.heart import Heart, heart_facts
from keepsake.running.motion import Floats
from keepsake.running.points import Totals
from keepsake.running.track import HEART_RATES, Track

KILOMETRE = 1000.0
SHORTEST_REST = 10.0  # metres; a shorter rest belongs to the last kilometre
CLIMB = 3.0  # metres; the noise of a barometer
FARTHEST = 10_000_000.0  # metres; twice the longest race there is (Race Across America)
LONGEST = 366 * 86_400.0  # seconds
# Steps a minute below which a mean counts strides of two. People walk at 80 to 130 steps, which are
# at most 65 strides (Tudor-Locke et al., Br J Sports Med 2018; 52:776).
FEWEST_STEPS = {"running": 120.0, "walking": 70.0, "hiking": 70.0}


def facts_of(track: Track, *, max_heart_rate: int | None = None, seen: Seen | None = None) -> Facts:
    """The facts of a track.

    Raises:
        PermanentError: it has fewer than two points, and nothing is said of the whole; or it is
            longer than anything that anybody did.
    """
    if len(track.seconds) < 2:
        return _totals(track)
    _check_possible(track, float(track.distance[-1]), float(track.seconds[-1]))
    legs = np.diff(track.seconds)
    moved = legs * track.moving
    climbed, fallen = climbs(track.elevation)
    beats = track.heart_rate[1:]  # what is measured at a point holds for the leg to it
    heart = heart_facts(
        beats,
        moved,
        np.diff(track.distance),
        max_heart_rate=max_heart_rate,
        seen=seen,
    )
    high = bool(np.isfinite(track.elevation).any())
    facts = Facts(
        sport=track.sport,
        started_at=track.started_at,
        distance=round(float(track.distance[-1]), 2),
        elapsed=round(float(track.seconds[-1]), 2),
        moving=round(float(np.sum(moved)), 2),
        ascent=round(float(climbed[-1]), 1) if high else None,
        descent=round(float(fallen[-1]), 1) if high else None,
        heart_rate=round(heart.mean, 1) if heart else None,
        max_heart_rate=heart.highest if heart else None,
        cadence=cadence(track.cadence[1:], moved, track.sport),
        drift=round(heart.drift, 2) + 0.0 if heart and heart.drift is not None else None,
        splits=splits(track, moved, climbed if high else None, heart),
        zones=heart.zones if heart else (),
        zone_maximum=heart.maximum if heart else None,
        zone_activities=heart.activities if heart else None,
        best_efforts=best_efforts(track.seconds, track.distance),
        issues=(*track.issues, *_missing(track, heart)),
    )
    return _completed(facts, track)


def climbs(elevation: Floats) -> tuple[Floats, Floats]:
    """Metres climbed and fallen by each point.

    Only what differs from the last turn by more than 3 m counts, and then wholly: less is the
    noise of a barometer. The rule, and its 3 m, are GoldenCheetah's "elevation hysteresis".
    """
    up, down = np.zeros(len(elevation)), np.zeros(len(elevation))
    level = None
    for i in np.flatnonzero(np.isfinite(elevation)):
        height = elevation[i]
        if level is None:
            level = height
        # Rounded: files count in fifths or tenths of a metre, which no binary fraction hits.
        elif round(abs(height - level), 3) > CLIMB:
            (up if height > level else down)[i] = abs(height - level)
            level = height
    return np.cumsum(up), np.cumsum(down)


def cadence(turns: Floats, moved: Floats, sport: str) -> float | None:
    """Mean steps a minute over the moving time, zeros left out; turns a minute on wheels.

    Garmin's devices count strides, of two steps each, in every format; others count steps. Where
    the sport is unknown, what was counted is too: None.
    """
    counted = (turns > 0) & (moved > 0)  # NaN is not
    if not np.any(counted) or sport == "unknown":
        return None
    mean = float(np.average(turns[counted], weights=moved[counted]))
    return round(2 * mean if mean < FEWEST_STEPS.get(sport, 0.0) else mean, 1)


def splits(
    track: Track, moved: Floats, climbed: Floats | None, heart: Heart | None
) -> tuple[Split, ...]:
    """The kilometres, and the rest.

    Where a kilometre ends between two points, everything is taken to grow evenly there.
    """
    marks = _marks(float(track.distance[-1]))
    if len(marks) < 2:
        return ()
    beats = track.heart_rate[1:]
    worn = np.where(np.isfinite(beats), moved, 0.0)
    seconds = _between(marks, track.distance, _sums(moved))
    worn_seconds = _between(marks, track.distance, _sums(worn))
    heartbeats = _between(marks, track.distance, _sums(np.nan_to_num(beats) * worn))
    ascents = None if climbed is None else _between(marks, track.distance, climbed)
    return tuple(
        Split(
            kilometre=i + 1,
            distance=round(float(marks[i + 1] - marks[i]), 2),
            seconds=round(float(seconds[i]), 2),
            ascent=None if ascents is None else round(float(ascents[i]), 1),
            heart_rate=round(float(heartbeats[i] / worn_seconds[i]), 1)
            if heart and worn_seconds[i] > 0
            else None,
        )
        for i in range(len(marks) - 1)
    )


def _marks(distance: float) -> Floats:
    """Where the splits begin and the last one ends."""
    marks = np.append(np.arange(0.0, distance, KILOMETRE), distance)
    if len(marks) > 2 and marks[-1] - marks[-2] < SHORTEST_REST:
        marks = np.delete(marks, -2)
    return marks if distance >= SHORTEST_REST else marks[:1]


def _sums(legs: Floats) -> Floats:
    """What legs have come to by each point."""
    return np.concatenate([[0.0], np.cumsum(legs)])


def _between(marks: Floats, distance: Floats, sums: Floats) -> Floats:
    """How much of what has come to `sums` by each point belongs between the marks."""
    at = np.interp(marks, distance, sums)
    at[0], at[-1] = sums[0], sums[-1]  # standing before the first step and after the last
    parts: Floats = np.diff(at)
    return parts


def _totals(track: Track) -> Facts:
    """The facts of an activity without points, such as one entered by hand: what the file says."""
    totals = track.totals
    if totals is None or not totals.elapsed or totals.elapsed < 0:
        raise PermanentError(f"the {track.format.upper()} file has no track points")
    _check_possible(track, totals.distance or 0.0, totals.elapsed)
    facts = Facts(
        sport=track.sport,
        started_at=track.started_at,
        distance=totals.distance or 0.0,
        elapsed=totals.elapsed,
        moving=totals.moving or totals.elapsed,
        best_efforts=whole_as_effort(totals.distance or 0.0, totals.elapsed),
        issues=track.issues,
    )
    return _completed(facts, track)


def _completed(facts: Facts, track: Track) -> Facts:
    """The facts with what the points lack and the file says of the whole.

    The distance of a pool or a treadmill (`distance_from_session`), and the mean and highest heart
    rate, stops included (`heart_rate_from_session`).

    Raises:
        PermanentError: what it says is longer than anything that anybody did.
    """
    totals = track.totals or Totals()
    issues = list(facts.issues)
    if facts.distance <= 0 and totals.distance is not None and totals.distance > 0:
        _check_possible(track, totals.distance, facts.elapsed)
        facts = replace(
            facts,
            distance=round(totals.distance, 2),
            moving=round(min(totals.moving or facts.moving, facts.elapsed), 2),
            best_efforts=whole_as_effort(totals.distance, facts.elapsed),
        )
        issues = [each for each in issues if each.kind != "no_distance"]
        issues.append(Issue("distance_from_session", 1))
    low, high = HEART_RATES
    if facts.heart_rate is None and low <= (totals.heart_rate or 0) <= high:
        beats = totals.max_heart_rate
        facts = replace(
            facts,
            heart_rate=totals.heart_rate,
            max_heart_rate=round(beats) if beats is not None and low <= beats <= high else None,
        )
        issues = [each for each in issues if each.kind != "no_heart_rate"]
        issues.append(Issue("heart_rate_from_session", 1))
    return replace(facts, issues=tuple(issues))


def _check_possible(track: Track, distance: float, elapsed: float) -> None:
    """Each kilometre becomes a fact, and each fact a word for a model that is paid by the word."""
    if not (0 <= distance <= FARTHEST and elapsed <= LONGEST):
        raise PermanentError(
            f"the {track.format.upper()} file is of less than nothing, or of more than "
            f"{FARTHEST / 1000:,.0f} km or a year: that is no activity"
        )


def _missing(track: Track, heart: Heart | None) -> list[Issue]:
    """What the points lack. A heart rate that some have, but too few, is another case than none."""
    lacking = int(np.sum(~np.isfinite(track.heart_rate)))
    missing = [Issue("no_heart_rate", lacking)] if lacking and not heart else []
    if heart and lacking:
        missing.append(Issue("heart_rate_gaps", lacking))
    if track.distance[-1] <= 0:
        missing.append(Issue("no_distance", 1))
    return missing

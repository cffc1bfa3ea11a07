"""The points of an activity repaired: on one clock, with one distance, what was wrong named.

Reading a format is not here (`fit.py`, `markup.py`), nor what is computed (`formulas.py`).
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from keepsake.running import motion
from keepsake.running.facts import Issue
from keepsake.running.motion import Flags, Floats
from keepsake.running.points import COLUMNS, Format, Length, Points, Totals, start_of

LONGEST_GAP = 3600.0  # seconds; a longer one that the watch did not mark is a clock set again
LATEST = 60.0  # seconds; a point later than that is no straggler: the clock was set back
USUAL_STEPS = 1.5  # between two points; a longer wait at a mark of a pause is one
STALE_BEAT = 10.0  # seconds for which a heart rate holds
HEART_RATES = (30.0, 240.0)  # beats a minute; what lies outside is no heart
ELEVATIONS = (-500.0, 9000.0)  # metres: from the Dead Sea to Everest
LIKE_RUNNING = frozenset({"running", "walking", "hiking", "unknown"})


@dataclass(frozen=True)
class Track:
    """An activity on one clock. Point by point but for `moving`; NaN where a point lacks a value.

    Attributes:
        format: of the file it was read from.
        sport: `running`, `walking`, `hiking`, `cycling`, another word, or `unknown`.
        started_at: the moment of the first point, in UTC.
        seconds: since the first point, strictly rising.
        distance: metres covered so far, never falling.
        elevation: metres.
        heart_rate: beats a minute.
        cadence: as the file counts it: steps, or strides of two.
        moving: whether the runner moved, of each leg from a point to the next.
        totals: what the file says of the whole.
        issues: what was wrong and was repaired or left out.
    """

    format: Format
    sport: str
    started_at: datetime
    seconds: Floats
    distance: Floats
    elevation: Floats
    heart_rate: Floats
    cadence: Floats
    moving: Flags
    totals: Totals | None
    issues: tuple[Issue, ...]


def repaired(points: Points) -> Track:
    """The track of these points.

    - A clock that jumps (back by more than a minute, or forward by more than an hour that the
      watch did not mark as a pause) goes on at the usual step: `clock_jump`.
    - Points at one moment are one (`duplicate_point`): what the first lacks is taken from the
      others, as some watches write position and heart rate in records of their own.
      One that comes late by less than a minute is left out (`late_point`), and so
      is one without a time (`no_time`).
    - Heart rates and elevations that cannot be are taken as missing: `heart_rate_out_of_range`,
      `elevation_out_of_range`.
    - A mark of a pause between points that follow each other as all others do is that of a lap.
    - What records lack is taken from what is beside them: the distance of a swim from the
      lengths of the pool (`distance_from_lengths`), heart rates from the strap's own memory
      (`heart_rate_from_strap`).
    - Where the file names no sport, it is taken to be on foot: `no_sport`.
    - What the distance and the moving time are made of: see `motion.py`.

    Raises:
        PermanentError: it has no points and no totals, or not one point has a time.
    """
    started_at = start_of(points)
    issues = points.issues.copy()
    columns = {name: _finite(points.column(name)) for name in COLUMNS}
    timed = np.isfinite(columns["time"])
    issues["no_time"] = int(np.sum(~timed))
    columns = {name: column[timed] for name, column in columns.items()}
    if not np.any(timed) and points.lengths:
        columns = _of_lengths(points.lengths)
    seconds, kept = _one_clock(columns["time"], columns["section"], issues)
    _fill_from_twins(columns, seconds, kept)
    seconds = seconds[kept]
    columns = {name: column[kept] for name, column in columns.items()}
    columns["section"] = _stopped(seconds, columns["section"])
    _take_beats(columns, points.beats, issues)
    _take_lengths(columns, points, issues)
    _blank_outside(columns["heart_rate"], HEART_RATES, "heart_rate_out_of_range", issues)
    _blank_outside(columns["elevation"], ELEVATIONS, "elevation_out_of_range", issues)
    sport = points.sport or "unknown"
    issues["no_sport"] = int(sport == "unknown")
    covered = motion.cover(
        seconds,
        columns["section"],
        device=columns["distance"],
        latitude=columns["latitude"],
        longitude=columns["longitude"],
        fastest=motion.FASTEST_RUN if sport in LIKE_RUNNING else motion.FASTEST_RIDE,
        speeds=motion.SWIMMING if sport == "swimming" else motion.ON_LAND,
    )
    issues.update(covered.issues)
    if len(seconds) < 2:
        issues["no_points"] = 1
    return Track(
        format=points.format,
        sport=sport,
        started_at=started_at,
        seconds=seconds,
        distance=covered.distance,
        elevation=columns["elevation"],
        heart_rate=columns["heart_rate"],
        cadence=columns["cadence"],
        moving=covered.moving,
        totals=points.totals,
        issues=tuple(Issue(kind, count) for kind, count in sorted(issues.items()) if count),
    )


def _of_lengths(lengths: Sequence[Length]) -> dict[str, Floats]:
    """Points at the ends of a pool, for a swim of which nothing else was recorded."""
    starts = [length.start for length in lengths]
    time = np.array([*starts, lengths[-1].start + lengths[-1].seconds])
    nothing = np.full(len(time), np.nan)
    return {name: nothing.copy() for name in COLUMNS} | {
        "time": time,
        "section": np.zeros(len(time)),
    }


def _stopped(seconds: Floats, section: Floats) -> Floats:
    """Sections without the bounds at which no time passed but the usual step: those of laps."""
    step = np.diff(seconds)
    bound = np.diff(section) != 0
    if not np.any(bound) or np.all(bound):
        return section
    bound &= step > USUAL_STEPS * np.median(step[~bound])
    return np.concatenate([[0.0], np.cumsum(bound)])


def _take_beats(
    columns: Mapping[str, Floats], beats: Sequence[tuple[float, float]], issues: Counter[str]
) -> None:
    """Give points without a heart rate the one that a strap counted last before them."""
    missing = np.isnan(columns["heart_rate"])
    if not beats or not np.any(missing):
        return
    moments, rates = np.array(sorted(beats)).T
    time = columns["time"][missing]
    last = np.searchsorted(moments, time, side="right") - 1
    fresh = (last >= 0) & (time - moments[np.maximum(last, 0)] <= STALE_BEAT)
    columns["heart_rate"][missing] = np.where(fresh, rates[np.maximum(last, 0)], np.nan)
    issues["heart_rate_from_strap"] = int(np.any(fresh))


def _take_lengths(columns: Mapping[str, Floats], points: Points, issues: Counter[str]) -> None:
    """Give points without distance and position the distance swum in the pool by then."""
    swum = sum(length.swum for length in points.lengths)
    known = np.isfinite(columns["distance"]) | np.isfinite(columns["latitude"])
    totals = points.totals or Totals()
    metres = totals.pool_length or (totals.distance or 0.0) / max(swum, 1)
    if not swum or np.any(known) or not len(known) or not metres > 0:
        return
    times, distance = [], []
    so_far = 0.0
    for length in sorted(points.lengths, key=lambda length: length.start):
        times += [length.start, length.start + length.seconds]
        distance += [so_far, so_far := so_far + metres * length.swum]
    columns["distance"][:] = np.interp(columns["time"], times, distance)
    columns["distance"][-1] = so_far  # the last length may end a moment after the last point
    issues["distance_from_lengths"] = 1


def _finite(values: "array[float]") -> Floats:
    """The values with nothing but finite numbers and NaN."""
    column = np.array(values)
    column[~np.isfinite(column)] = np.nan
    return column


def _one_clock(time: Floats, section: Floats, issues: Counter[str]) -> tuple[Floats, Flags]:
    """Seconds since the first point, and which points are kept: those later than all before."""
    if not len(time):
        return time, np.zeros(0, np.bool_)
    step = np.diff(time)
    jump = (step < -LATEST) | ((step > LONGEST_GAP) & (np.diff(section) == 0))
    usual = step[~jump & (step > 0)]
    step[jump] = np.median(usual) if len(usual) else 1.0
    seconds = np.concatenate([[0.0], np.cumsum(step)])
    latest = np.maximum.accumulate(seconds)[:-1]
    kept = np.concatenate([[True], seconds[1:] > latest])
    issues["clock_jump"] = int(np.sum(jump))
    issues["duplicate_point"] = int(np.sum(seconds[1:] == latest))
    issues["late_point"] = int(np.sum(seconds[1:] < latest))
    return seconds, kept


def _fill_from_twins(columns: Mapping[str, Floats], seconds: Floats, kept: Flags) -> None:
    """Give what is kept the values that it lacks and a point of the same moment has."""
    twins = np.flatnonzero(~kept & (seconds == np.maximum.accumulate(seconds)))
    firsts = np.maximum.accumulate(np.where(kept, np.arange(len(kept)), 0))
    for column in columns.values():
        for twin in twins[np.isfinite(column[twins])]:
            if np.isnan(column[firsts[twin]]):
                column[firsts[twin]] = column[twin]


def _blank_outside(
    values: Floats, bounds: tuple[float, float], kind: str, issues: Counter[str]
) -> None:
    low, high = bounds
    outside = (values < low) | (values > high)  # NaN is neither
    values[outside] = np.nan
    issues[kind] = int(np.sum(outside))

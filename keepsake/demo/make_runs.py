"""Make the activities in `data/runs/` again: `python -m keepsake.demo.make_runs`, from a checkout.

A simulated runner, second by second: pace by a plan, slower uphill, a heart that follows the effort
late. The routes are invented curves on a map. The files are written by what the tests use.
"""

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from keepsake.demo.memories import DATA
from tests.running.activity_files import METRES_A_DEGREE, Run, fit, gpx, tcx

Floats = NDArray[np.float64]

RUNS = DATA / "runs"
HARBOR = (43.87, -69.63)  # where every route begins, in degrees
WRITERS = {"fit": fit, "gpx": gpx, "tcx": tcx}


@dataclass(frozen=True)
class Route:
    """A closed curve of so many metres with hills of so many metres."""

    length: float
    hills: float
    bends: int = 3

    def elevation(self, distance: Floats) -> Floats:
        """Metres above the sea."""
        turn = 2 * np.pi * distance / self.length
        return 20 + self.hills * (1 - np.cos(turn)) / 2 + self.hills / 6 * np.sin(5 * turn)

    def position(self, distance: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude."""
        angle = np.linspace(0, 2 * np.pi, 20_000)
        radius = 1 + 0.25 * np.sin(self.bends * angle)
        east, north = radius * np.cos(angle), radius * np.sin(angle)
        along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(east), np.diff(north)))])
        scale = self.length / along[-1]
        at = np.interp(distance % self.length, along * scale, angle)
        east = np.interp(at, angle, east - east[0]) * scale
        north = np.interp(at, angle, north - north[0]) * scale
        longitude = HARBOR[1] + east / METRES_A_DEGREE / np.cos(np.radians(HARBOR[0]))
        return HARBOR[0] + north / METRES_A_DEGREE, longitude


LOOP, SHORE, RIDGE, TRACK = Route(8_050, 35), Route(5_100, 8), Route(21_400, 60, 5), Route(400, 0)
INTERVALS = ((2_000.0, 350.0), *((800.0, 252.0), (400.0, 400.0)) * 6, (1_200.0, 360.0))


@dataclass(frozen=True)
class Plan:
    """One activity to be made.

    Attributes:
        file: its name; the endings say how it is written.
        start: in UTC.
        route: where.
        parts: metres and seconds a kilometre, one after the other.
        every: seconds between points.
        form: beats a minute by which the heart is slower than in September.
        strap: whether the heart rate was measured.
        wait: metres after which the runner pauses for 70 seconds.
    """

    file: str
    start: datetime
    route: Route
    parts: tuple[tuple[float, float], ...]
    every: int = 5
    form: float = 0
    strap: bool = True
    wait: float | None = None


PLANS = (
    Plan("2026-09-12-harbor-loop.fit.gz", datetime(2026, 9, 12, 11, 10, tzinfo=UTC), LOOP,
         ((8_030, 352),), wait=4_300),
    Plan("2026-10-03-harbor-loop.gpx", datetime(2026, 10, 3, 11, 25, tzinfo=UTC), LOOP,
         ((8_030, 346),), every=10, form=3),
    Plan("2026-11-03-harbor-loop.fit", datetime(2026, 11, 3, 11, 40, tzinfo=UTC), LOOP,
         ((8_030, 341),), form=6),
    Plan("2026-11-05-intervals.fit.gz", datetime(2026, 11, 5, 17, 15, tzinfo=UTC), TRACK,
         INTERVALS, form=6),
    Plan("2026-11-08-ridge-long-run.fit.gz", datetime(2026, 11, 8, 13, 0, tzinfo=UTC), RIDGE,
         ((7_000, 365), (7_000, 358), (7_310, 368)), every=10, form=6),
    Plan("2026-11-10-harbor-loop.tcx", datetime(2026, 11, 10, 11, 45, tzinfo=UTC), LOOP,
         ((8_030, 337),), every=10, form=8),
    Plan("2026-11-12-shore.gpx", datetime(2026, 11, 12, 23, 20, tzinfo=UTC), SHORE,
         ((5_060, 330),), every=10, strap=False),
    Plan("2026-11-15-ridge-and-back.fit.gz", datetime(2026, 11, 15, 13, 5, tzinfo=UTC), RIDGE,
         ((10_000, 352), (4_040, 318)), form=8),
)  # fmt: skip


def main() -> None:
    """Write every activity of the demo."""
    RUNS.mkdir(exist_ok=True)
    for seed, plan in enumerate(PLANS):
        _, kind, *packing = plan.file.split(".")
        data = WRITERS[kind](simulated(plan, seed))
        # Without the time of packing, so that the same files come out again.
        (RUNS / plan.file).write_bytes(gzip.compress(data, mtime=0) if packing else data)


def simulated(plan: Plan, seed: int) -> Run:
    """The run of a plan, with a point every so many seconds."""
    chance = np.random.default_rng(seed)
    speed, distance, metres = [], [0.0], 0.0
    for length, pace in plan.parts:
        end = metres + length
        while metres < end:
            here = plan.route.elevation(np.array([metres, metres + 20]))
            grade = float(np.diff(here)[0]) / 20
            # A grade costs about 3.3 % a per cent.
            speed.append(1000 / pace * (1 - 3.3 * grade) * (1 + chance.normal(0, 0.02)))
            metres += speed[-1]
            distance.append(metres)
    covered, speeds = np.array(distance), np.array([speed[0], *speed], dtype=np.float64)
    if plan.wait is not None:
        at = int(np.searchsorted(covered, plan.wait))
        covered, speeds = (
            np.insert(covered, at, [covered[at]] * 70),
            np.insert(speeds, at, [0] * 70),
        )
    seconds = np.arange(len(covered), dtype=float)
    at_points = np.arange(0, len(covered), plan.every)
    latitude, longitude = plan.route.position(covered)
    run = Run(
        started_at=plan.start,
        seconds=seconds,
        latitude=latitude,
        longitude=longitude,
        distance=covered,
        elevation=plan.route.elevation(covered) + chance.normal(0, 0.3, len(covered)),
        heart_rate=np.round(heart(speeds, chance) - plan.form) if plan.strap else None,
        cadence=np.round((speeds > 0) * (70 + 5 * speeds)) if plan.strap else None,
    )
    return run.of_points(at_points)


def heart(speed: Floats, chance: np.random.Generator) -> Floats:
    """Beats a minute: a target by effort, approached within a minute, rising with the hours."""
    beats, rates = 95.0, []
    for second, metres in enumerate(speed):
        target = 66 + 28 * metres + 4 * second / 3600
        beats += (target - beats) / 45
        rates.append(beats + chance.normal(0, 0.8))
    return np.array(rates)


if __name__ == "__main__":
    main()

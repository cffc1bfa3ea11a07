"""What traces cost a run: where nothing is sent, and where all spans are.

Written responses of one day through every step but podcasts, in one run, each in a new process.
Off, the run has the calls in it that would make spans: what one takes, times their number, is held
against the CPU of a record.
"""

import timeit
from dataclasses import replace
from datetime import date
from statistics import median

import httpx

from benchmarks.results import Figure
from benchmarks.site import Site, add_day, make_family, open_site, serving_counted
from keepsake.traces.spans import note, span

RECORDS = 300
RUNS = 3  # of each, by turns: the middle one counts
WARM_UP = date(2026, 4, 1)
CALLS = 200_000


def run() -> list[Figure]:
    """A run with spans sent, against one without."""
    with open_site() as site, serving_counted("benchmarks.span_receiver") as receiver:
        family = make_family(site)
        sending = replace(
            site, environment={**site.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver}
        )
        days = [WARM_UP.replace(day=number + 2) for number in range(2 * RUNS)]
        add_day(site, family, WARM_UP, 2)
        _cpu_seconds(site, WARM_UP)
        for day in days:
            add_day(site, family, day, RECORDS)
        off = median(_cpu_seconds(site, day) for day in days[::2])
        on = median(_cpu_seconds(sending, day) for day in days[1::2])
        spans = httpx.get(f"{receiver}/stats").json()["spans"] / (RUNS * RECORDS)
    one = _off_seconds()
    return [
        Figure("spans", spans, "a record"),
        Figure("a span that is not made", one * 1e9, "ns"),
        Figure(
            "off: share of a record's CPU", 100 * one * spans / (off / RECORDS), "%", at_most=0.1
        ),
        Figure("off: CPU of the run", 1000 * off / RECORDS, "ms a record"),
        Figure(
            "on: CPU of the run",
            1000 * on / RECORDS,
            "ms a record",
            floor=1000 * off / RECORDS,
            note="its floor is the run that sends none",
        ),
    ]


def _cpu_seconds(site: Site, day: date) -> float:
    took: dict[str, float] = site.run("benchmarks.run_line", "family", day.isoformat())
    return took["body_cpu_seconds"]


def _off_seconds() -> float:
    """What one span costs that is not made, with what is noted of it."""

    def step() -> None:
        with span("step", {"keepsake.line": "family", "keepsake.record.id": 1}):
            note({"keepsake.attempts": 1})

    return min(timeit.repeat(step, number=CALLS, repeat=5)) / CALLS

"""Written responses of one day through every step but podcasts, in one run, each in a new process.

The floor is the time of the busiest role: its calls times what one takes, fifty at once. The job
body lasts from the start of the run's step to its end: opening, work, checks, materialisations.
"""

from datetime import date
from typing import Any

from benchmarks.endpoints import LATENCY
from benchmarks.results import Figure
from benchmarks.site import AT_ONCE, Site, add_day, make_family, open_site

WARM_UP, SOME, MANY = date(2026, 5, 3), date(2026, 5, 4), date(2026, 5, 5)


def run() -> list[Figure]:
    """500 responses, the same again, and 5,000."""
    with open_site() as site:
        to = make_family(site)
        # Dagster makes its tables and Python its bytecode: once, and not what is measured here.
        add_day(site, to, WARM_UP, 2)
        _run_day(site, WARM_UP)
        add_day(site, to, SOME, 500)
        some, floor, calls = _run_day(site, SOME)
        figures = [
            Figure("500 responses: bare asyncio", _bare(site, 500), "s", floor=floor),
            _body("500 responses: job body", some, floor, 1.20, calls),
            Figure(
                "500 responses: CPU of the run",
                some["cpu_seconds"] / 500,
                "s a record",
                at_most=0.02,
                note=f"{some['body_cpu_seconds']:.1f} s in the job, "
                f"{some['cpu_seconds'] - some['body_cpu_seconds']:.1f} s to load",
            ),
            *_again(site),
        ]
        add_day(site, to, MANY, 5000)
        many, floor, calls = _run_day(site, MANY)
        return [
            *figures,
            _body("5,000 responses: job body", many, floor, 1.10, calls),
            Figure("5,000 responses: CPU of the run", many["cpu_seconds"] / 5000, "s a record"),
            Figure(
                "5,000 responses: memory above that of 500",
                many["peak_rss_mb"] - some["peak_rss_mb"],
                "MB",
                at_most=50,
                note=f"{many['peak_rss_mb']:.0f} MB at most",
            ),
        ]


def _run_day(site: Site, day: date) -> tuple[dict[str, Any], float, str]:
    """What a run took, its floor in seconds, and its model calls in words."""
    site.forget_calls()
    took: dict[str, Any] = site.run("benchmarks.run_line", "family", day.isoformat())
    counts = site.model_calls()
    floor = max(counts[role]["calls"] * LATENCY[role] / AT_ONCE for role in LATENCY)
    made = [
        f"{count['calls']} {role} calls, {count['peak']} at once"
        for role, count in counts.items()
        if count["calls"]
    ]
    return took, floor, "; ".join(made)


def _body(name: str, took: dict[str, Any], floor: float, ratio: float, calls: str) -> Figure:
    return Figure(name, took["body_seconds"], "s", at_most=ratio * floor, floor=floor, note=calls)


def _bare(site: Site, records: int) -> float:
    seconds: float = site.run("benchmarks.bare_asyncio", f"{site.endpoints_url}/v1", str(records))
    return seconds


def _again(site: Site) -> list[Figure]:
    took, _, calls = _run_day(site, SOME)
    made = sum(count["calls"] for count in site.model_calls().values())
    return [
        Figure("the same 500 again: model calls", made, "calls", at_most=0, note=calls),
        Figure("the same 500 again: job body", took["body_seconds"], "s", at_most=2),
    ]

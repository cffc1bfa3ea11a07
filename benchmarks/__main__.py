"""Run benchmarks and show what they found; ends with 1 if a target is missed."""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.results import Figure, save, show
from benchmarks.site import forget_own_settings

NAMES = (
    "api_ingest",
    "api_upload",
    "throughput",
    "bookmarks",
    "imports",
    "latency",
    "api_reads",
    "api_streams",
    "local_models",
    "search",
    "search_speed",
    "job_claims",
    "traces",
    "long_recordings",
    "monitoring",
    "metrics_scrape",
    "metric_totals",
)


def main() -> int:
    """Run what the command line names, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    forget_own_settings()
    console = Console()
    figures: list[Figure] = []
    for name in arguments.names or NAMES:
        started = time.monotonic()
        with console.status(f"{name}: this takes minutes"):
            found = import_module(f"benchmarks.{name}").run()
        console.rule(f"{name}, {time.monotonic() - started:.0f} s")
        show(found, console)
        figures += found
    if arguments.json:
        save(figures, arguments.json)
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

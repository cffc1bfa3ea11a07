"""10,000 activities of a Strava export taken in, in a new process; then the same again.

The floor is the same files read, unpacked, hashed and written one after the other, with nothing
checked, recognised, recorded or made safe on the disk.
"""

from pathlib import Path
from typing import Any

from benchmarks.activity_archive import write_archive
from benchmarks.results import Figure
from benchmarks.site import Site, open_site
from keepsake.database import connect
from keepsake.owners.owners import add_owner

FEW, MANY = 1_000, 10_000


def run() -> list[Figure]:
    """1,000 activities for one runner, 10,000 for another, and those again."""
    with open_site() as site:
        with connect(site.database_url) as connection:
            for runner in ("A new runner", "An old runner"):
                add_owner(connection, runner, tier="premium")
        few = _import(site, "A new runner", _archive(site, FEW))
        export = _archive(site, MANY)
        floor: float = site.run(
            "benchmarks.activity_archive", str(export), str(site.settings.home / "copy")
        )
        many = _import(site, "An old runner", export)
        again = _import(site, "An old runner", export)
        return [
            Figure(
                f"import of {MANY:,} activities",
                many["seconds"],
                "s",
                at_most=10 * floor,
                floor=floor,
                note=f"{MANY / many['seconds']:,.0f} files a second; {many['created']:,} created",
            ),
            Figure(
                f"import of {MANY:,} activities: memory above that of {FEW:,}",
                many["peak_rss_mb"] - few["peak_rss_mb"],
                "MB",
                at_most=50,
                note=f"{many['peak_rss_mb']:.0f} MB at most, with the processes that check files",
            ),
            Figure(
                f"the same {MANY:,} again: new records",
                again["created"],
                "records",
                at_most=0,
                note=f"{again['duplicates']:,} duplicates",
            ),
            Figure(
                f"the same {MANY:,} again",
                again["seconds"],
                "s",
                at_most=6 * floor,
                floor=floor,
                note=f"{MANY / again['seconds']:,.0f} files a second",
            ),
        ]


def _archive(site: Site, count: int) -> Path:
    path = site.settings.home / f"export_{count}.zip"
    write_archive(path, count)
    return path


def _import(site: Site, runner: str, export: Path) -> dict[str, Any]:
    took: dict[str, Any] = site.run("benchmarks.run_import", runner, str(export))
    return took

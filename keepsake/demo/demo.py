"""The demo itself: start everything, add records, watch the sensors' work, show the result.

It uses what everybody uses: the HTTP API to add records, the ledger to follow them, the tables to
read what was made. Run again, it finds its records and does nothing twice.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from keepsake.clients.objects import open_objects
from keepsake.database import connect
from keepsake.demo import site
from keepsake.demo.api import open_api
from keepsake.demo.bookmarks import BOOKMARKS_CHAPTER
from keepsake.demo.family import FAMILY_CHAPTER
from keepsake.demo.orders import wait_for_runs
from keepsake.demo.running import RUNNING_CHAPTER
from keepsake.demo.show import show_failures, spent
from keepsake.demo.stage import Chapter, Stage
from keepsake.demo.watch import watch
from keepsake.errors import SettingsError
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, AlreadyRunning, started
from keepsake.prepare import prepare
from keepsake.settings import ROLES, Settings

if TYPE_CHECKING:
    from rich.console import Console

CHAPTERS = {
    "family": FAMILY_CHAPTER,
    "bookmarks": BOOKMARKS_CHAPTER,
    "running": RUNNING_CHAPTER,
}


def run(settings: Settings, console: "Console", lines: Sequence[str] = tuple(CHAPTERS)) -> bool:
    """Run the demo of these lines. Returns whether every record went through every step.

    Raises:
        KeepsakeError: something did not start, or nothing moved for three minutes.
    """
    began = time.monotonic()
    chapters = [CHAPTERS[line] for line in lines]
    console.print("Keepsake demo", style="bold")
    for chapter in chapters:
        console.print(f"  {chapter.about}")
    with (
        site.serving() as address,
        _everything(site.allowed_by(settings), console) as addresses,
        connect(addresses.database_url) as connection,
        open_api(addresses.api_url, connection) as api,
    ):
        console.print(f"Everything is up after {time.monotonic() - began:.0f} s.")
        objects = open_objects(settings)
        stage = Stage(settings, addresses, api, connection, objects, address, console)
        failed = _play(stage, chapters)
        console.print(f"{time.monotonic() - began:.0f} s in all.")
        _show_where(settings, addresses, console)
    return not failed


def _play(stage: Stage, chapters: Sequence[Chapter]) -> bool:
    """Add the records of all chapters, follow them, show what became of them.

    Returns whether anything failed.
    """
    ids = [_add(stage, chapter) for chapter in chapters]
    everything = [record_id for chapter in ids for record_id in chapter]
    labels = {step: label for chapter in chapters for step, label in chapter.labels.items()}
    before, working = spent(stage.connection, everything), time.monotonic()
    watch(stage.connection, everything, labels, stage.addresses, stage.console)
    worked = time.monotonic() - working
    wait_for_runs(stage.addresses)
    for chapter, its_ids in zip(chapters, ids, strict=True):
        chapter.show(stage, its_ids)
    failed = show_failures(stage.connection, everything, stage.console)
    after = spent(stage.connection, everything)
    stage.console.print(
        f"\n{worked:.0f} s of work; {after.calls - before.calls} model calls for the records now, "
        f"{after.calls} since the first demo ({after.tokens:,} tokens, {after.audio_seconds:.0f} s "
        f"of audio heard, {after.characters:,} characters spoken)."
    )
    return failed


def _add(stage: Stage, chapter: Chapter) -> list[int]:
    """Add a chapter's records and say so. Returns their ids."""
    added = chapter.add(stage)
    new = sum(each.created for each in added)
    if new:
        stage.console.print(f"Added {new} {chapter.added}. The sensor takes it from here.")
    else:
        stage.console.print(f"The {len(added)} {chapter.added} are there already.")
    return [each.record_id for each in added]


@contextmanager
def _everything(settings: Settings, console: "Console") -> Iterator[Addresses]:
    """All parts, running: those of an `up` that has this data folder, else started for the demo."""

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    elsewhere = ["database"] if settings.database_url else []
    elsewhere += [role for role in ROLES if not settings.endpoint(role).embedded]
    console.print(
        "Starting the database, the models, the API and Dagster, all embedded..."
        if not elsewhere
        else f"Starting; your settings name the {', '.join(elsewhere)} to use..."
    )
    with ExitStack() as stack:
        try:
            addresses = stack.enter_context(
                started(
                    settings,
                    prepare=bring_up_to_date,
                    dagster_port=_free_port("DAGSTER_PORT", settings.dagster_port),
                    api_port=_free_port("API_PORT", settings.api_port),
                    say=console.print,
                )
            )
        except AlreadyRunning as other:
            if other.addresses is None:
                raise
            console.print("`keepsake up` runs on this data folder already; the demo uses it.")
            addresses = other.addresses
        yield addresses


def _free_port(name: str, start: int) -> int:
    try:
        return free_port(start)
    except OSError as error:
        raise SettingsError(f"{name}: {error.strerror}") from None


def _show_where(settings: Settings, addresses: Addresses, console: "Console") -> None:
    ours = addresses.pid == os.getpid()
    ui = addresses.dagster_pages
    console.print(f"The data are in {settings.home}, the logs in {addresses.logs}.")
    if ours:
        console.print(
            f"Now the demo stops what it started. `make dev` (or `keepsake up`) keeps it running: "
            f"then the assets are at {ui}/asset-groups, their runs at {ui}/runs.",
        )
    else:
        console.print(f"The assets are at {ui}/asset-groups, their runs at {ui}/runs.")

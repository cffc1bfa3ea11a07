"""The demo itself: start everything, add records, watch the sensors' work, show the result.

It uses what everybody uses: the HTTP API to add records, the ledger to follow them, the tables to
read what was made. Run again, it finds its records and does nothing twice.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from keepsake.accounts.first_user import first_sign_in
from keepsake.database import connect
from keepsake.delivery.sign_in_mail import link_url
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
        stage = Stage(settings, addresses, api, connection, address, console)
        failed = _play(stage, chapters)
        console.print(f"{time.monotonic() - began:.0f} s in all.")
        _show_where(stage)
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
    api_port = _free_port("API_PORT", settings.api_port)
    with ExitStack() as stack:
        try:
            addresses = stack.enter_context(
                started(
                    settings,
                    prepare=bring_up_to_date,
                    dagster_port=_free_port("DAGSTER_PORT", settings.dagster_port, but=api_port),
                    api_port=api_port,
                    say=console.print,
                )
            )
        except AlreadyRunning as other:
            if other.addresses is None:
                raise
            console.print("`keepsake up` runs on this data folder already; the demo uses it.")
            addresses = other.addresses
        yield addresses


def _free_port(name: str, start: int, *, but: int | None = None) -> int:
    try:
        return free_port(start, but=but)
    except OSError as error:
        raise SettingsError(f"{name}: {error.strerror}") from None


def _show_where(stage: Stage) -> None:
    """Say where everything can be looked at; on a terminal, keep it up until Ctrl-C."""
    say, addresses = stage.console.print, stage.addresses
    pages = f"the pages are at {addresses.api_url}, Dagster's at {addresses.dagster_pages}"
    say(f"The data are in {stage.settings.home}, the logs in {addresses.logs}.")
    if addresses.pid != os.getpid():
        say(f"{pages[0].upper()}{pages[1:]}.")
    elif stage.console.is_terminal and sys.stdin.isatty():
        sign_in = first_sign_in(stage.connection)
        link = link_url(sign_in, addresses.api_url) if sign_in else addresses.api_url
        say(f"\nListen and read: {link}", style="bold", soft_wrap=True)
        say("Ctrl-C stops everything; what was made stays.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    else:
        say(f"Now the demo stops what it started. `make dev` keeps it running: then {pages}.")

"""The demo itself: start everything, add the memories, watch the sensor's work, show the result.

It uses what everybody uses: the library to add responses, the ledger to follow them, the tables to
read what was made. Run again, it finds its records and does nothing twice.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from keepsake import family
from keepsake.clients.objects import open_objects
from keepsake.database import Connection, connect
from keepsake.demo import memories
from keepsake.demo.show import show_failures, show_search, show_story, spent
from keepsake.demo.watch import wait_for_runs, watch
from keepsake.errors import InvalidInput
from keepsake.kept import kept
from keepsake.local.ports import free_port
from keepsake.local.up import Addresses, AlreadyRunning, started
from keepsake.records import Added
from keepsake.search import ask, prepare
from keepsake.settings import ROLES, Settings

if TYPE_CHECKING:
    from rich.console import Console


def run(settings: Settings, console: "Console") -> bool:
    """Run the demo. Returns whether every record went through every step.

    Raises:
        KeepsakeError: something did not start, or nothing moved for three minutes.
    """
    began = time.monotonic()
    console.print("Keepsake demo: a family's memories, from voice message to podcast", style="bold")
    with _everything(settings, console) as addresses, connect(addresses.database_url) as connection:
        console.print(f"Everything is up after {time.monotonic() - began:.0f} s.")
        added = asyncio.run(add_memories(connection, settings))
        _say_what_was_added(added, console)
        ids = [each.record_id for each in added]
        before, working = spent(connection, ids), time.monotonic()
        watch(connection, ids, addresses, console)
        worked = time.monotonic() - working
        wait_for_runs(addresses)
        _show_all(connection, settings, ids, console)
        failed = show_failures(connection, ids, console)
        after = spent(connection, ids)
        console.print(
            f"\n{worked:.0f} s of work, {time.monotonic() - began:.0f} s in all; "
            f"{after.calls - before.calls} model calls for the records now, {after.calls} since "
            f"the first demo ({after.tokens:,} tokens, {after.audio_seconds:.0f} s of audio heard, "
            f"{after.characters:,} characters spoken)."
        )
        _show_where(settings, addresses, console)
    return not failed


@contextmanager
def _everything(settings: Settings, console: "Console") -> Iterator[Addresses]:
    """All parts, running: those of an `up` that has this data folder, else started for the demo."""

    def bring_up_to_date(url: str) -> None:
        prepare(url, settings)

    elsewhere = ["database"] if settings.database_url else []
    elsewhere += [role for role in ROLES if not settings.endpoint(role).embedded]
    console.print(
        "Starting the database, the models and Dagster, all embedded..."
        if not elsewhere
        else f"Starting; your settings name the {', '.join(elsewhere)} to use..."
    )
    with ExitStack() as stack:
        try:
            port = free_port(settings.dagster_port)
            addresses = stack.enter_context(
                started(settings, prepare=bring_up_to_date, dagster_port=port, say=console.print)
            )
        except AlreadyRunning as other:
            if other.addresses is None:
                raise
            console.print("`keepsake up` runs on this data folder already; the demo uses it.")
            addresses = other.addresses
        yield addresses


async def add_memories(connection: Connection, settings: Settings) -> list[Added]:
    """Add the demo's family and responses, those that are not there yet."""
    try:
        home = family.find_family(connection, memories.FAMILY)
    except InvalidInput:
        home = family.add_family(connection, memories.FAMILY, time_zone=memories.TIME_ZONE)
    known = connection.execute("SELECT name FROM members WHERE family_id = %s", (home.id,))
    for name in set(memories.MEMBERS) - {row[0] for row in known}:
        family.add_member(connection, home, name)
    objects = open_objects(settings)
    return [
        await family.add_response(
            connection,
            objects,
            settings,
            home,
            family.NewResponse(
                member=memory.member,
                recorded_at=memory.recorded_at,
                text=None if memory.audio else memory.text,
                audio=memory.audio,
                external_id=f"demo/{memory.name}",
            ),
        )
        for memory in memories.MEMORIES
    ]


def _say_what_was_added(added: Sequence[Added], console: "Console") -> None:
    new = sum(each.new for each in added)
    spoken = sum(memory.audio is not None for memory in memories.MEMORIES)
    if new:
        console.print(
            f"Added {new} responses of {memories.FAMILY}, {spoken} of the {len(added)} spoken. "
            "The sensor takes it from here."
        )
    else:
        console.print(f"The {len(added)} responses of {memories.FAMILY} are there already.")


def _show_all(
    connection: Connection, settings: Settings, ids: Sequence[int], console: "Console"
) -> None:
    """Print every story, and the answer to one search."""
    objects = open_objects(settings)
    for record_id in ids:
        show_story(kept(connection, record_id), objects, console)
    home = family.find_family(connection, memories.FAMILY)
    hits = asyncio.run(ask(connection, settings, memories.SEARCH, owner_id=home.id, limit=1))
    show_search(memories.SEARCH, hits, console)


def _show_where(settings: Settings, addresses: Addresses, console: "Console") -> None:
    ours = addresses.pid == os.getpid()
    ui = addresses.dagster_url
    console.print(f"The data are in {settings.home}, the logs in {addresses.logs}.")
    if ours:
        console.print(
            f"Now the demo stops what it started. `make dev` (or `keepsake up`) keeps it running: "
            f"then the assets are at {ui}/asset-groups, their runs at {ui}/runs.",
        )
    else:
        console.print(f"The assets are at {ui}/asset-groups, their runs at {ui}/runs.")

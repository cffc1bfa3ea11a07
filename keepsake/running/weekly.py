"""The digests of an owner's weeks, made and stored: a row and a page each.

The schedule's asset makes them so, every night, and so does `keepsake digest --make`.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg.types.json import Jsonb

from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner
from keepsake.running.history import best_efforts, clock, letters_of, monday, read_runs

_ISO_WEEK = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True)
class Page:
    """A digest as it is stored."""

    week: date
    key: str
    html: str
    facts: dict[str, object]


def make_digests(
    connection: Connection, store: ObjectStore, owner: Owner, weeks: Sequence[date]
) -> int:
    """Make and store the digests of these weeks, given by their Mondays; returns how many.

    A week without runs has none. One that is not over is described so far.

    Raises:
        StepError: the object store does not take the pages.
    """
    read_at = clock(connection)
    pages = _pages(connection, owner, weeks, read_at)
    asyncio.run(_put(store, pages))
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO weekly_digests (owner_id, week, facts, page_key, made_at)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (owner_id, week) DO UPDATE SET facts = excluded.facts,
                page_key = excluded.page_key, made_at = excluded.made_at
            """,
            [(owner.id, page.week, Jsonb(page.facts), page.key, read_at) for page in pages],
        )
    return len(pages)


def _pages(
    connection: Connection, owner: Owner, weeks: Sequence[date], read_at: datetime
) -> list[Page]:
    # pandas and pydantic models of numbers: only for who makes a digest.
    from keepsake.running.digest import make_digest
    from keepsake.running.page import page
    from keepsake.running.predictions import RECENT_DAYS

    today = read_at.astimezone(owner.zone).date()
    runs = read_runs(connection, owner)
    ran = set(runs["week"].dt.date)
    pages = []
    for week in weeks:
        if week not in ran:
            continue
        end = week + timedelta(days=7)
        efforts = best_efforts(connection, owner, end - timedelta(days=RECENT_DAYS), end)
        so_far = today if today < end else None
        digest = make_digest(owner, runs, efforts, week, so_far=so_far)
        letters = letters_of(connection, owner.id, [run.record_id for run in digest.runs])
        key = f"running/{owner.id}/weeks/{week}.html"
        pages.append(Page(week, key, page(digest, letters), digest.model_dump(mode="json")))
    return pages


async def _put(store: ObjectStore, pages: Sequence[Page]) -> None:
    await asyncio.gather(
        *(store.put_bytes(p.key, p.html.encode(), "text/html; charset=utf-8") for p in pages)
    )


# -- weeks as people name them --------------------------------------------------------------------


def week_named(text: str, today: date) -> date:
    """The Monday of a week: `2026-W46`, one of its days (`2026-11-12`), or `last`, before this one.

    Raises:
        InvalidInput: it is none of them.
    """
    if text == "last":
        return monday(today) - timedelta(days=7)
    try:
        if iso := _ISO_WEEK.fullmatch(text):
            return date.fromisocalendar(int(iso[1]), int(iso[2]), 1)
        return monday(date.fromisoformat(text))
    except ValueError:
        raise InvalidInput(
            f"--week {text!r} is no week: write 2026-W46, one of its days (2026-11-12), or last"
        ) from None


@dataclass(frozen=True)
class Week:
    """What is known of an owner's week.

    Attributes:
        week: its Monday.
        runs: of which there are facts.
        newer: runs whose facts or letter are newer than the digest; all, where there is none.
        to_come: activities of the week whose facts or letter are not made yet.
    """

    week: date
    runs: int
    newer: int
    to_come: int


def newest_week(connection: Connection, owner: Owner) -> date | None:
    """The Monday of the newest week with a run."""
    row = connection.execute(
        "SELECT max(started_at AT TIME ZONE %s)::date FROM activities"
        " WHERE owner_id = %s AND sport = 'running'",
        (owner.time_zone, owner.id),
    ).fetchone()
    return monday(row[0]) if row and row[0] else None


def read_week(connection: Connection, owner: Owner, week: date) -> Week:
    """How many runs of a week there are, are not in its digest, and are still to come."""
    row = connection.execute(
        """
        WITH bounds AS (
            SELECT %(week)s::date::timestamp AT TIME ZONE %(zone)s AS first,
                   (%(week)s::date + 7)::timestamp AT TIME ZONE %(zone)s AS last),
        made AS (SELECT made_at FROM weekly_digests WHERE owner_id = %(owner)s AND week = %(week)s)
        SELECT count(*) FILTER (WHERE a.sport = 'running'),
               count(*) FILTER (WHERE a.sport = 'running' AND (made.made_at IS NULL OR EXISTS (
                   SELECT FROM ledger l WHERE l.record_id = r.id
                     AND l.step IN ('activities', 'letters') AND l.finished_at > made.made_at))),
               count(*) FILTER (WHERE EXISTS (
                   SELECT FROM ledger l WHERE l.record_id = r.id AND l.hold_reason IS NULL
                     AND l.step IN ('activities', 'letters') AND l.due_at IS NOT NULL))
        FROM bounds JOIN records r
          ON r.recorded_at >= bounds.first AND r.recorded_at < bounds.last
        LEFT JOIN activities a ON a.record_id = r.id
        LEFT JOIN made ON true
        WHERE r.owner_id = %(owner)s AND r.line = 'running'
        """,
        {"owner": owner.id, "week": week, "zone": owner.time_zone},
    ).fetchone()
    assert row is not None  # noqa: S101  # one row, always
    return Week(week, *row)

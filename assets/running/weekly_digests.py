"""What each runner's week came to: its facts as a row, and a page to read, print or send.

Volume against the weeks before, each run among its like, pace at heart rate, time in zones, race
predictions and suggestions, each by a published rule that is named. No model is asked. Weeks are
those of the runner's own calendar, whatever UTC says of a run late on Sunday. Every night the
weeks that have new runs or letters are made again, the newest first; materialise old weeks from
here after a large import, many in one run.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg
from psycopg.types.json import Jsonb

from assets.line_assets import OWNERS, kinds_of, table_schema
from assets.partitions import weeks
from assets.running.per_runner import DEPS, for_each_runner, periods_of, result
from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.owners import Owner
from keepsake.running.history import best_efforts, clock, letters_of, read_runs
from keepsake.running.records import LINE
from resources.database import DatabaseResource
from resources.tools import ObjectsResource

COLUMNS = (
    ("owner_id", "bigint", "whose week it is"),
    ("week", "date", "its Monday"),
    ("facts", "jsonb", "what was computed: see `Digest` in keepsake/running/digest.py"),
    ("page_key", "text", "the HTML page: its object"),
    ("made_at", "timestamptz", "when its runs were read"),
)


@dataclass(frozen=True)
class Page:
    """A digest as it is stored."""

    week: date
    key: str
    html: str
    facts: dict[str, object]


@dg.asset(
    group_name="running",
    deps=DEPS,
    description=__doc__,
    partitions_def=weeks(LINE),
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version="1",
    kinds=kinds_of(objects=True) | {"html"},
    owners=OWNERS,
    metadata={
        "dagster/table_name": "keepsake.weekly_digests",
        "dagster/column_schema": table_schema(COLUMNS),
    },
)
def weekly_digests(
    context: dg.AssetExecutionContext,
    database: DatabaseResource,
    objects: dg.ResourceParam[ObjectsResource],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Make the digests of these weeks for everyone who ran in them."""
    weeks = periods_of(context)
    store = objects.store()
    with database.connect() as connection:
        made = for_each_runner(
            context,
            connection,
            weeks[0],
            weeks[-1] + timedelta(days=7),
            lambda owner: _digest(connection, store, owner, weeks),
        )
    return result(made, "digests")


def _digest(connection: Connection, store: ObjectStore, owner: Owner, weeks: Sequence[date]) -> int:
    read_at = clock(connection)
    pages = _pages(connection, owner, weeks)
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


def _pages(connection: Connection, owner: Owner, weeks: Sequence[date]) -> list[Page]:
    # pandas and pydantic models of numbers: only for who makes a digest.
    from keepsake.running.digest import make_digest
    from keepsake.running.page import page
    from keepsake.running.predictions import RECENT_DAYS

    runs = read_runs(connection, owner)
    ran = set(runs["week"].dt.date)
    pages = []
    for week in weeks:
        if week not in ran:
            continue
        end = week + timedelta(days=7)
        efforts = best_efforts(connection, owner, end - timedelta(days=RECENT_DAYS), end)
        digest = make_digest(owner, runs, efforts, week)
        letters = letters_of(connection, [run.record_id for run in digest.runs])
        key = f"running/{owner.id}/weeks/{week}.html"
        pages.append(Page(week, key, page(digest, letters), digest.model_dump(mode="json")))
    return pages


async def _put(store: ObjectStore, pages: Sequence[Page]) -> None:
    await asyncio.gather(
        *(store.put_bytes(p.key, p.html.encode(), "text/html; charset=utf-8") for p in pages)
    )

"""Questions to ask each family next: a few a week, none that was asked or answered before.

Made from the stories of the family so far, by title and value, and from the questions already
asked. A question that means the same as an earlier one is dropped.
"""

import asyncio
from datetime import date, timedelta

import dagster as dg

from assets.events import used
from assets.line_assets import OWNERS, kinds_of, table_schema
from assets.partitions import Calendar
from keepsake.family.interview_prompts import WrittenPrompts, write_prompts
from keepsake.family.response import LINE
from keepsake.owners.prices import billing
from keepsake.owners.usage import metered
from keepsake.settings import Settings
from resources.database import DatabaseResource
from resources.models import ModelsResource

COLUMNS = (
    ("id", "bigint", "the question"),
    ("owner_id", "bigint", "the family to ask"),
    ("question", "text", "as it is asked"),
    ("question_key", "text", "without case and punctuation: no question comes twice"),
    ("topic", "text", "what it is about, where a person said so"),
    ("week", "date", "Monday of the week it was written for"),
    ("source", "text", "`human` or `ai`"),
    ("model", "text", "the model that wrote it"),
    ("created_at", "timestamptz", "when"),
)


def interview_prompts(settings: Settings, calendar: Calendar) -> dg.AssetsDefinition:
    """The asset, by week."""

    @dg.asset(
        name="interview_prompts",
        group_name=LINE,
        deps=[
            dg.AssetDep(
                name,
                # The first week may begin before the first day, or after many.
                partition_mapping=dg.TimeWindowPartitionMapping(
                    allow_nonexistent_upstream_partitions=True
                ),
            )
            for name in ("stories", "tags")
        ],
        description=__doc__,
        partitions_def=calendar.weeks_of_use(),
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="2",
        kinds=kinds_of(settings, "chat", "embeddings"),
        owners=OWNERS,
        metadata={
            "dagster/table_name": "keepsake.interview_prompts",
            "dagster/column_schema": table_schema(COLUMNS),
        },
    )
    def make(
        context: dg.AssetExecutionContext,
        database: DatabaseResource,
        models: ModelsResource,
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Write the week's questions for every family that has stories and no questions yet."""
        week = context.partition_time_window.end.date() - timedelta(days=7)
        with metered(billing(settings).price) as usage:
            written = asyncio.run(_write(database, models, week))
        if written.failed:
            raise dg.Failure(
                f"{len(written.failed)} of {written.families} families got no questions (ids "
                f"{list(written.failed[:20])}); the others have theirs. "
                "Materialise the week again.",
                allow_retries=False,
            )
        return dg.MaterializeResult(
            metadata={
                "families": written.families,
                "made": written.questions,
                "failed": len(written.failed),
                **used(usage),
            }
        )

    return make


async def _write(database: DatabaseResource, models: ModelsResource, week: date) -> WrittenPrompts:
    async with database.open_pool() as pool, models.open() as clients:
        return await write_prompts(pool, clients, week)

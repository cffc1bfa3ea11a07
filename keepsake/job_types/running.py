"""Jobs of the running journal."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, field_validator

from keepsake.clients.objects import open_objects
from keepsake.database import connect, database_url
from keepsake.errors import InvalidInput
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, job
from keepsake.owners.owners import find_owner
from keepsake.running.weekly import make_digests, week_named
from keepsake.settings import Settings


class DigestOf(JobData):
    """Which week: `2026-W46`, one of its days (`2026-11-12`), or `last`, before the job's time."""

    week: str = Field(default="last", max_length=20)

    @field_validator("week")
    @classmethod
    def _is_one(cls, week: str) -> str:
        try:
            week_named(week, datetime.now(UTC).date())
        except InvalidInput:
            raise ValueError(
                "this is no week: write 2026-W46, one of its days (2026-11-12), or last"
            ) from None
        return week


@job(
    "make_digest",
    DigestOf,
    description="Makes the page of what a runner's week came to. No model is asked.",
    timeout=timedelta(minutes=10),
    concurrency_key=lambda owner_id, data: f"make_digest/{owner_id}",
    whose="owner",
    permission="edit",
)
async def make_digest(context: JobContext, data: DigestOf) -> dict[str, Any]:
    """Make the digest of an owner's week.

    Raises:
        InvalidInput: that is no week.
        StepError: the object store does not take the page.
    """
    at = context.nominal_time or datetime.now(UTC)
    return await asyncio.to_thread(_make, context.settings, context.owner_id, data.week, at)


def _make(settings: Settings, owner_id: int | None, week: str, at: datetime) -> dict[str, Any]:
    with connect(database_url(settings)) as connection:
        runner = find_owner(connection, str(owner_id))
        monday = week_named(week, at.astimezone(runner.zone).date())
        made = make_digests(connection, open_objects(settings), runner, [monday])
    return {"week": monday.isoformat(), "digests": made}

"""Jobs of a family."""

import asyncio
from datetime import timedelta

from pydantic import Field

from keepsake.database import connect, database_url
from keepsake.errors import InvalidInput
from keepsake.family.response import count_mentions, delete_member, find_member
from keepsake.job_types.records import delete_records, sweep_objects
from keepsake.jobs.context import JobContext
from keepsake.jobs.registry import JobData, Retry, job
from keepsake.jobs.rows import Fence, hold_blocking
from keepsake.settings import Settings


class PersonOf(JobData):
    """Which member of the family, by id."""

    member_id: int = Field(ge=1, le=2**63 - 1)


@job(
    "delete_person",
    PersonOf,
    description="Deletes a member of a family with all that they told. There is no way back.",
    retry=Retry(attempts=30, min_seconds=2, max_seconds=60),
    timeout=timedelta(hours=6),
    whose="owner",
    irreversible=True,
)
async def delete_person(context: JobContext, data: PersonOf) -> dict[str, int]:
    """Delete a member's records one by one, then the member. A cancel leaves the rest.

    What others told stays as they told it, also where it names the person: that is counted.

    Raises:
        InvalidInput: the family has no such member.
        RetryableError: a run works on a record, or the store does not delete objects.
    """
    assert context.owner_id is not None  # noqa: S101  # the type says so
    return await asyncio.to_thread(
        _delete, context.settings, context.fence, context.owner_id, data.member_id
    )


def _delete(settings: Settings, fence: Fence, owner_id: int, member_id: int) -> dict[str, int]:
    records = mentions = 0
    with connect(database_url(settings)) as connection:
        member = find_member(connection, owner_id, member_id)
        # A former attempt may have deleted the member, and died before it could say so.
        if member is None and fence.attempt == 1:
            raise InvalidInput(
                f"the family has no member {member_id}: GET /api/members lists those it has"
            )
        gone = member is None
        while not gone:
            records += delete_records(
                connection,
                settings,
                fence,
                owner_id,
                "SELECT record_id FROM responses WHERE owner_id = %s AND member_id = %s",
                (owner_id, member_id),
            )
            with connection.transaction():
                hold_blocking(connection, fence)
                gone = delete_member(connection, owner_id, member_id)
        if member is not None:
            mentions = count_mentions(connection, owner_id, member.name)
        objects = sweep_objects(connection, settings)
    return {"records": records, "objects": objects, "records_that_mention_them": mentions}

"""Routes by which people decide which stories are in the feed."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from keepsake.family.feed import approval
from keepsake.http.callers import RecordCaller, for_record

router = APIRouter(tags=["family"])


class Decision(BaseModel):
    """What a person decides of a story."""

    state: approval.State | None = Field(
        description="`approved`, `hidden`, or null: the family's policy decides again.",
        examples=["hidden"],
    )


@router.get("/api/records/{record_id}/feed")
async def read_visibility(
    caller: Annotated[RecordCaller, for_record("read")],
) -> approval.Visibility:
    """Whether a story is in the family's podcast feed."""
    return await caller.call(approval.visibility, caller.owner_id, caller.record_id)


@router.put("/api/records/{record_id}/feed")
async def decide_visibility(
    decision: Decision, caller: Annotated[RecordCaller, for_record("edit")]
) -> approval.Visibility:
    """Approve a story for the family's podcast feed, or hide it; it holds at once."""
    return await caller.call(
        approval.decide, caller.principal, caller.owner_id, caller.record_id, decision.state
    )

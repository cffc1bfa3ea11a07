"""Batches over HTTP: what came in together, and how far it is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from keepsake.database import Connection
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.cursors import Cursor, decode, encode, link_next
from keepsake.http.problems import Problem
from keepsake.records.batches import batches, find_batch
from keepsake.records.progress import StepProgress, progress, time_left

router = APIRouter(prefix="/api/batches", tags=["progress"])

MOST = 200  # batches of one page


class StepCounts(BaseModel):
    """How many records are how far in one step. Each counts in one of the numbers."""

    model_config = ConfigDict(from_attributes=True)

    line: str = Field(examples=["bookmarks"])
    step: str = Field(examples=["summaries"])
    pending: int = Field(description="To be made, or made again, now or after a pause.")
    running: int
    done: int
    failed: int = Field(description="For good, until they are retried.")
    waiting: int = Field(description="For a step they need, a schedule or a backfill.")
    beyond_tier: int
    switched_off: int
    over_budget: int = Field(description="Put off to the next month.")
    per_minute: float = Field(description="Finished lately.")
    seconds_left: float | None = Field(description="At that rate; null: not known.")


class Progress(BaseModel):
    """How far records are."""

    seconds_left: float | None = Field(description="Until nothing is open; null: not known.")
    steps: list[StepCounts]


class Batch(BaseModel):
    """Records that were taken in together."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    owner: str = Field(description="Short name.", examples=["the-marlows"])
    line: str
    name: str = Field(description="Of the file or folder.", examples=["bookmarks.html"])
    created: int = Field(description="New records.")
    duplicates: int = Field(description="Recognised as there already.")
    rejected: int = Field(description="No record could be made of them.")
    started_at: datetime
    job_id: int | None = Field(description="Of the job that takes it in; null: there is none.")
    taken_in_at: datetime | None = Field(description="When the import was over; null: it is not.")
    completed_at: datetime | None = Field(description="When all its records were found done.")


class BatchWithProgress(Batch):
    """A batch, and how far its records are."""

    progress: Progress


class BatchPage(BaseModel):
    """Some batches, the newest first."""

    batches: list[Batch]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last.")


class BatchCursor(Cursor):
    """Where a page of batches begins."""

    list: Literal["batches"] = "batches"
    id: int = Field(ge=1, le=2**63 - 1)


@router.get("")
async def list_batches(
    request: Request,
    response: Response,
    caller: Annotated[OwnerCaller, for_owner("read")],
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> BatchPage:
    """The batches of an owner. The header `Link` names the next page."""
    before = None if cursor is None else decode(BatchCursor, cursor, caller.owner_id).id
    found = await caller.call(
        lambda connection: batches(
            connection, owner_id=caller.owner_id, before=before, limit=limit + 1
        )
    )
    page = [Batch.model_validate(each) for each in found[:limit]]
    more = len(found) > limit
    following = encode(BatchCursor(owner=caller.owner_id, id=page[-1].id)) if more else None
    link_next(request, response, following)
    return BatchPage(batches=page, next=following)


@router.get("/{batch_id}")
async def read_batch(
    batch_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    caller: Annotated[OwnerCaller, for_owner("read")],
) -> BatchWithProgress:
    """A batch, and how far its records are."""
    return await caller.call(_read, caller.owner_id, batch_id)


def _read(connection: Connection, owner_id: int, batch_id: int) -> BatchWithProgress:
    batch = find_batch(connection, owner_id, batch_id)
    if batch is None:
        raise Problem("not_found", f"there is no batch {batch_id}")
    steps = progress(connection, owner_id=owner_id, batch_id=batch_id)
    return BatchWithProgress.model_validate({**vars(batch), "progress": counted(steps)})


def counted(steps: Iterable[StepProgress]) -> Progress:
    """Progress as it is answered."""
    steps = list(steps)
    return Progress(
        seconds_left=time_left(steps), steps=[StepCounts.model_validate(step) for step in steps]
    )

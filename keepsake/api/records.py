"""Records of any line: one record with its steps."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from keepsake.database import Connection
from keepsake.http.callers import RecordCaller, for_record
from keepsake.owners.owners import find_owner
from keepsake.pipeline.ledger.states import record_steps
from keepsake.records.progress import record_head

router = APIRouter(prefix="/api/records", tags=["records"])


class Step(BaseModel):
    """How far a record is in one step."""

    step: str = Field(examples=["transcripts"])
    status: str = Field(examples=["succeeded"])
    made: bool = Field(description="Whether there is a result.")
    attempts: int
    due_at: datetime | None
    cost: Decimal | None = Field(description="USD; null: not known.")
    seconds: float | None
    error_type: str | None
    error_message: str | None
    started_at: datetime | None
    finished_at: datetime | None


class Record(BaseModel):
    """A record with its steps."""

    id: int
    line: str = Field(examples=["family"])
    owner: str = Field(description="Short name.", examples=["the-marlows"])
    status: str = Field(description="Derived from its steps.", examples=["COMPLETED"])
    recorded_at: datetime
    received_at: datetime
    priority: int
    batch_id: int | None
    steps: list[Step]


@router.get("/{record_id}")
async def read_record(caller: Annotated[RecordCaller, for_record("read")]) -> Record:
    """A record: its status, and each of its steps."""
    return await caller.call(_read, caller.owner_id, caller.record_id)


def _read(connection: Connection, owner_id: int, record_id: int) -> Record:
    head = record_head(connection, owner_id, record_id)
    steps = [
        Step.model_validate(row, extra="ignore")
        for row in record_steps(connection, owner_id, record_id)
    ]
    owner = find_owner(connection, str(owner_id)).slug
    return Record.model_validate({**vars(head), "owner": owner, "steps": steps}, extra="ignore")

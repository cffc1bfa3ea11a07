"""What is answered when something was added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from keepsake.records.adding import Added


@dataclass(frozen=True)
class Answer:
    """An answer that can be given once more: JSON all through."""

    status: int
    body: Mapping[str, Any]
    location: str | None = None

    def response(self) -> JSONResponse:
        """The answer as it is sent."""
        headers = {"Location": self.location} if self.location else {}
        return JSONResponse(self.body, self.status, headers)


class AddedRecord(BaseModel):
    """A record that was added, or was there."""

    id: int = Field(examples=[12])
    status: str = Field(
        description="Of the record; one that is new is `PENDING`.", examples=["PENDING"]
    )
    created: bool = Field(description="False: what was sent is a duplicate of this record.")


class StartedBatch(BaseModel):
    """An import that has begun."""

    id: int = Field(description="Of the batch.", examples=[3])
    status: str = Field("TAKING_IN", examples=["TAKING_IN"])
    job_id: int = Field(description="Of the job that takes it in.", examples=[17])


ADDED: dict[int | str, dict[str, Any]] = {
    200: {"model": AddedRecord, "description": "It was there already."},
    201: {"model": AddedRecord, "description": "It is new."},
}


def answer_added(added: Added, status: str) -> Answer:
    """201 for a new record, 200 for one that was there; with the record's status."""
    return Answer(
        201 if added.created else 200,
        {"id": added.record_id, "status": status, "created": added.created},
        f"/api/records/{added.record_id}",
    )


def answer_batch(batch_id: int, job_id: int) -> Answer:
    """202: the batch says how far it is."""
    body = {"id": batch_id, "status": "TAKING_IN", "job_id": job_id}
    return Answer(202, body, f"/api/batches/{batch_id}")

"""What is answered when a record was added."""

from fastapi import Response
from pydantic import BaseModel, Field

from keepsake.records.adding import Added


class AddedRecord(BaseModel):
    """A record that was added, or was there."""

    id: int = Field(examples=[12])
    status: str = Field(description="Of a new record.", examples=["PENDING"])
    created: bool = Field(description="False: what was sent is a duplicate of this record.")


def answer_added(response: Response, added: Added) -> AddedRecord:
    """The answer, with its `Location`: 201 for a new record, 200 for one that was there."""
    response.headers["Location"] = f"/api/records/{added.record_id}"
    response.status_code = 201 if added.created else 200
    return AddedRecord(id=added.record_id, status="PENDING", created=added.created)

"""Which records an owner has, page by page."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from keepsake.api.records import Status
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.cursors import Cursor, decode, encode, link_next
from keepsake.http.problems import Problem
from keepsake.records.adding import PRIORITIES
from keepsake.search.record_pages import Wanted, record_page

router = APIRouter(prefix="/api/records", tags=["records"])

MOST = 200  # records of one page


class RecordFilters(BaseModel):
    """Which records to list; those that are absent hold for all."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    line: str | None = Field(None, examples=["family"])
    status: Status | None = None
    batch: int | None = Field(None, ge=1, le=2**63 - 1)
    tag: str | None = Field(None, max_length=200, pattern=r"^[^\x00]*$", examples=["courage"])
    text: str | None = Field(None, max_length=500, description="Words that begin so.")
    since: date | None = Field(
        None, alias="from", description="Recorded on this day (UTC), or later."
    )
    until: date | None = Field(
        None, alias="to", description="Recorded on this day (UTC), or before."
    )
    priority: Literal["low", "normal", "urgent"] | None = None


class Asked(RecordFilters):
    """A request for a page."""

    owner: str | None = None  # read by `for_owner`, and of the document there
    cursor: str | None = Field(None, description="`next` of the page before, without filters.")
    limit: int = Field(50, ge=1, le=MOST)


class RecordCursor(Cursor):
    """Where a page of records begins."""

    list: Literal["records"] = "records"
    filters: RecordFilters
    moment: datetime
    id: int = Field(ge=1, le=2**63 - 1)


class ListedRecord(BaseModel):
    """A record in a list."""

    id: int
    line: str = Field(examples=["family"])
    title: str | None = Field(description="Its title, or what it came as.")
    status: Status
    recorded_at: datetime
    priority: int
    batch_id: int | None
    failed_step: str | None = Field(description="The first step that failed.")
    error: str | None = Field(description="Why it did.")


class RecordPage(BaseModel):
    """Some records, those recorded last first. Of a status there may be fewer than the limit."""

    records: list[ListedRecord]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last.")


@router.get("")
async def list_records(
    request: Request,
    response: Response,
    asked: Annotated[Asked, Query()],
    caller: Annotated[OwnerCaller, for_owner("read")],
) -> RecordPage:
    """Records of an owner. The header `Link` names the next page."""
    filters, after = _where(asked, caller.owner_id)
    wanted = _wanted(filters)
    async with caller.transaction() as connection:
        page = await record_page(
            connection, caller.owner_id, wanted, after=after, limit=asked.limit
        )
    cursor = _cursor(page.next, filters, caller.owner_id) if page.next else None
    link_next(request, response, cursor)
    records = [ListedRecord.model_validate(vars(row)) for row in page.records]
    return RecordPage(records=records, next=cursor)


def _where(asked: Asked, owner_id: int) -> tuple[RecordFilters, tuple[datetime, int] | None]:
    """The filters, and after which record the page begins.

    Raises:
        Problem: the cursor is none, or comes with filters.
    """
    given = asked.model_dump(include=set(RecordFilters.model_fields), exclude_none=True)
    if asked.cursor is None:
        return RecordFilters(**given), None
    if given:
        raise Problem("invalid_input", "cursor: it has the filters inside: give it without any")
    cursor = decode(RecordCursor, asked.cursor, owner_id)
    return cursor.filters, (cursor.moment, cursor.id)


def _wanted(filters: RecordFilters) -> Wanted:
    """The filters as the library has them.

    Raises:
        InvalidInput: no record can match.
    """
    return Wanted(
        line=filters.line,
        status=filters.status,
        batch=filters.batch,
        tag=filters.tag,
        words=filters.text,
        since=filters.since,
        until=filters.until,
        priority=None if filters.priority is None else PRIORITIES[filters.priority],
    )


def _cursor(after: tuple[datetime, int], filters: RecordFilters, owner_id: int) -> str:
    moment, record_id = after
    return encode(RecordCursor(owner=owner_id, filters=filters, moment=moment, id=record_id))

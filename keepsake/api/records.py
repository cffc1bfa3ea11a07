"""A record of any line over HTTP: its steps and attempts, what was made of it, its files."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from keepsake import lines
from keepsake.changes.edits import edits
from keepsake.changes.versions import version_of
from keepsake.database import Connection
from keepsake.http.callers import RecordCaller, for_record
from keepsake.http.etags import answer_versioned
from keepsake.http.files import object_response
from keepsake.http.problems import Problem
from keepsake.line_module import LineModule, RecordView
from keepsake.pipeline.ledger.attempts import timeline
from keepsake.pipeline.ledger.states import record_steps
from keepsake.records.progress import RecordHead, record_head
from keepsake.show import why_unmade
from keepsake.show.document import title_of
from keepsake.show.page import TYPES

router = APIRouter(prefix="/api/records", tags=["records"])

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "PARTIAL_SUCCESS", "FAILED"]

# A file of any other kind is only ever downloaded: a page that was saved runs no script here.
_MEDIA_TYPES = TYPES | {".vtt": "text/vtt", ".json": "application/json"}

_MODELS = [module.load_results().model for module in lines.LINES if module.load_results]
if TYPE_CHECKING:
    LineResults = BaseModel
else:
    LineResults = Annotated[reduce(or_, _MODELS), Field(discriminator="line")]


class Attempt(BaseModel):
    """One attempt at a step."""

    attempt: int = Field(description="In its run, from 1.")
    started_at: datetime
    seconds: float
    outcome: Literal["succeeded", "retried", "deferred", "failed"] = Field(
        description="`retried`: the same run tried again. `deferred`: put off, to be tried again."
    )
    error_type: str | None
    models: list[str]
    calls: int
    cost: Decimal | None = Field(description="USD; null: not known.")


class Step(BaseModel):
    """How far a record is in one step."""

    step: str = Field(examples=["transcripts"])
    status: Literal["pending", "running", "succeeded", "failed"]
    made: bool = Field(description="Whether there is a result.")
    why: str | None = Field(
        description="Why there is no result that holds: `failed`, `nothing to make`, `held`, "
        "`not made yet`, `to be made again`; null: there is one.",
        examples=["not made yet"],
    )
    reason: str | None = Field(description="More of it, for people.", examples=["waits for pages"])
    due_at: datetime | None = Field(description="When it is to be made.")
    attempts: int = Field(description="Those that count against it.")
    history: list[Attempt] = Field(description="All that are still remembered.")
    models: list[str]
    cost: Decimal | None = Field(description="USD, of all attempts; null: not known.")
    seconds: float | None = Field(description="That the last attempt took.")
    error_type: str | None
    error_message: str | None
    started_at: datetime | None
    finished_at: datetime | None


class FileLink(BaseModel):
    """A file of the record."""

    kind: str = Field(examples=["episode"])
    name: str = Field(examples=["1-88d93bb865e4.mp3"])
    address: str = Field(examples=["/api/records/1/files/1-88d93bb865e4.mp3"])


class Edit(BaseModel):
    """A change by hand."""

    field: str = Field(examples=["title"])
    value: str | None = Field(description="Null: the change before was taken back.")
    previous: str | None
    edited_at: datetime


class Record(BaseModel):
    """A record: what it is, how far its steps are, and what was made of it."""

    id: int
    line: str = Field(examples=["family"])
    owner: str = Field(description="Short name.", examples=["the-marlows"])
    title: str | None = Field(description="Its title, or what it came as.")
    status: Status = Field(description="Derived from its steps.")
    recorded_at: datetime
    received_at: datetime
    priority: int = Field(description="-10 is low, 0 normal, 10 urgent.")
    batch_id: int | None
    cost: Decimal | None = Field(description="USD, of all its steps; null: not known.")
    steps: list[Step]
    results: LineResults | None = Field(description="What was made of it, as its line has it.")
    files: list[FileLink]
    edits: list[Edit] = Field(description="What people changed, the newest first.")


@router.get(
    "/{record_id}", response_model=Record, responses={304: {"description": "You have this one."}}
)
async def read_record(
    request: Request, caller: Annotated[RecordCaller, for_record("read")]
) -> Response:
    """A record with its steps, attempts, results and files. Its ETag is what changes ask for."""
    record, version = await caller.call(_read, caller)
    return answer_versioned(request, record, version)


@router.head("/{record_id}/files/{name}", include_in_schema=False)
@router.get(
    "/{record_id}/files/{name}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "You have this one."},
    },
)
async def read_file(
    request: Request,
    name: Annotated[str, Path(description="Its name, or its kind: `recording`, `episode`.")],
    caller: Annotated[RecordCaller, for_record("read")],
) -> Response:
    """A file of a record, or a part of it (`Range`)."""
    key = await caller.call(_key_of, caller, name)
    suffix = PurePosixPath(key).suffix
    headers = {} if suffix in _MEDIA_TYPES else {"Content-Disposition": "attachment"}
    return await object_response(
        request,
        caller.state.objects,
        key,
        _MEDIA_TYPES.get(suffix, "application/octet-stream"),
        headers,
    )


def _read(connection: Connection, caller: RecordCaller) -> tuple[Record, str]:
    """A record and its version."""
    this = (caller.owner_id, caller.record_id)
    version = version_of(connection, *this)
    head = record_head(connection, *this)
    steps = _steps(record_steps(connection, *this), timeline(connection, *this))
    module, view = _view(connection, head)
    costs = [step.cost for step in steps]
    record = Record(
        id=head.id,
        line=head.line,
        owner=head.slug,
        title=title_of(connection, *this),
        status=head.status,  # type: ignore[arg-type]  # checked by Pydantic
        recorded_at=head.recorded_at,
        received_at=head.received_at,
        priority=head.priority,
        batch_id=head.batch_id,
        cost=None if None in costs else sum(filter(None, costs), Decimal()),
        steps=steps,
        results=_results(module, view, head.id),
        files=_files(view, head.id),
        edits=[Edit(**vars(edit)) for edit in edits(connection, *this)],
    )
    return record, version


def _view(connection: Connection, head: RecordHead) -> tuple[LineModule | None, RecordView | None]:
    """The record's line, if it is registered still, and what it reads of the record."""
    module = next((each for each in lines.LINES if each.name == head.line), None)
    if module is None or module.load_view is None:
        return module, None
    return module, module.load_view().read(connection, head.owner_id, head.id)


def _results(module: LineModule | None, view: RecordView | None, record_id: int) -> Any:
    if module is None or view is None or module.load_results is None:
        return None
    return module.load_results().of(view, lambda key: _address(record_id, key))


def _files(view: RecordView | None, record_id: int) -> list[FileLink]:
    return [
        FileLink(kind=kind, name=_name(key), address=_address(record_id, key))
        for kind, key in (view.objects() if view else ())
    ]


def _name(key: str) -> str:
    return PurePosixPath(key).name


def _address(record_id: int, key: str) -> str:
    return f"/api/records/{record_id}/files/{_name(key)}"


def _key_of(connection: Connection, caller: RecordCaller, name: str) -> str:
    """The key of a file of the record, by its name or its kind.

    Raises:
        Problem: the record has none of that name.
    """
    _, view = _view(connection, record_head(connection, caller.owner_id, caller.record_id))
    objects = list(view.objects()) if view else []
    for kind, key in objects:
        if name in (_name(key), kind):
            return key
    kinds = ", ".join(sorted({kind for kind, _ in objects})) or "none"
    raise Problem("not_found", f"record {caller.record_id} has no such file (it has: {kinds})")


def _steps(rows: Iterable[Mapping[str, Any]], attempts: Iterable[Mapping[str, Any]]) -> list[Step]:
    history: dict[str, list[Mapping[str, Any]]] = {}
    for attempt in attempts:
        history.setdefault(attempt["step"], []).append(attempt)
    found = []
    for row in rows:
        unmade = why_unmade(row)
        found.append(
            Step.model_validate(
                {
                    **row,
                    "why": unmade and unmade.why,
                    "reason": (unmade and unmade.reason) or None,
                    "history": history.get(row["step"], []),
                },
                extra="ignore",
            )
        )
    return found

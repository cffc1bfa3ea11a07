"""A record's page, whatever its line: how each step went, and what people do about it."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from keepsake import lines
from keepsake.accounts.audit import record_write
from keepsake.api import changes
from keepsake.api.pages import TEMPLATES
from keepsake.changes import tags
from keepsake.database import Connection
from keepsake.http import jobs
from keepsake.http.callers import RecordCaller, for_record
from keepsake.http.jobs import Reach, forbidden
from keepsake.http.pages import OwnerPage, owner_page
from keepsake.jobs.submission import NewJob
from keepsake.records.progress import RecordHead, record_head
from keepsake.show.document import title_of
from keepsake.show.steps import Steps, read_steps

router = APIRouter(prefix="/records/{record_id}", include_in_schema=False)
Editor = Annotated[RecordCaller, for_record("edit")]


@router.get("")
async def show(
    request: Request, caller: Annotated[RecordCaller, for_record("read")], seen: str = ""
) -> Response:
    """How far a record is; to a script that has seen that already, nothing."""
    page = await owner_page(request, caller)
    head, title, steps = await caller.call(_read, caller.owner_id, caller.record_id)
    state = hashlib.sha256(repr(steps).encode()).hexdigest()[:16]
    if page.asks_for_part and seen == state:
        return Response(status_code=204)
    return page.render(
        TEMPLATES / ("steps.html.j2" if page.asks_for_part else "record.html.j2"),
        head=head,
        title=title,
        steps=steps,
        state=state,
        made=_made_at(page, head),
    )


def _read(
    connection: Connection, owner_id: int, record_id: int
) -> tuple[RecordHead, str | None, Steps]:
    head = record_head(connection, owner_id, record_id)
    steps = read_steps(connection, owner_id, record_id, head.line)
    return head, title_of(connection, owner_id, record_id), steps


def _made_at(page: OwnerPage, head: RecordHead) -> str | None:
    """Where what was made of it is shown; None: its line has no pages."""
    has_pages = any(module.name == head.line and module.section for module in lines.LINES)
    return f"{page.at}/{head.line}/{head.id}" if has_pages else None


@router.post("/retry")
async def retry(caller: Editor) -> Response:
    """Have what failed tried again."""
    await changes.retry(caller)
    return _back(caller)


@router.post("/process")
async def process(caller: Editor) -> Response:
    """Have it processed now, by a job; the page of the job is next."""
    kind = caller.state.registry.find("process_record")
    reach = Reach(caller.state, caller.principal, caller.owner_id)
    if not reach.may_submit(kind):
        raise forbidden(kind.permission)
    tag = f"process_record/{caller.record_id}"
    submission = await jobs.submit(reach, NewJob(kind, {"record_id": caller.record_id}, tag=tag))
    return RedirectResponse(f"/jobs/{submission.id}", 303)


class ToRedo(BaseModel):
    """A step to make again."""

    step: str


@router.post("/redo")
async def redo(caller: Editor, form: Annotated[ToRedo, Form()]) -> Response:
    """Have a step made again; its result stays until then."""
    await changes.redo(form.step, caller)
    return _back(caller)


class OneTag(BaseModel):
    """A tag to add or to take off."""

    tag: str


@router.post("/tag")
async def tag(request: Request, caller: Editor, form: Annotated[OneTag, Form()]) -> Response:
    """Add a tag by hand."""

    def change(connection: Connection) -> None:
        tags.tag(connection, caller.owner_id, caller.record_id, form.tag)
        _note(connection, caller, "record.tag")

    await caller.call(change)
    return await _to_what_was_made(request, caller)


@router.post("/untag")
async def untag(request: Request, caller: Editor, form: Annotated[OneTag, Form()]) -> Response:
    """Take a tag off."""

    def change(connection: Connection) -> None:
        tags.untag(connection, caller.owner_id, caller.record_id, [form.tag])
        _note(connection, caller, "record.untag")

    await caller.call(change)
    return await _to_what_was_made(request, caller)


def _note(connection: Connection, caller: RecordCaller, action: str) -> None:
    record_write(
        connection,
        caller.principal,
        action,
        owner_id=caller.owner_id,
        record_id=caller.record_id,
    )


def _back(caller: RecordCaller) -> Response:
    return RedirectResponse(f"/records/{caller.record_id}", 303)


async def _to_what_was_made(request: Request, caller: RecordCaller) -> Response:
    head = await caller.call(record_head, caller.owner_id, caller.record_id)
    made = _made_at(await owner_page(request, caller), head)
    return RedirectResponse(f"{made}#tags", 303) if made else _back(caller)

"""Changing records over HTTP: by hand, tags, priority, retries, deletion.

What a person may have read before it is changed asks for an ETag in `If-Match`; it is compared in
the transaction that changes the record, which no other change enters meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from keepsake.accounts.audit import record_write
from keepsake.changes import tags
from keepsake.changes.edits import edit_story, edit_title, edit_transcript
from keepsake.changes.priority import set_priority
from keepsake.changes.versions import hold, version_of
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.callers import OwnerCaller, RecordCaller, for_owner, for_record
from keepsake.http.etags import IfMatch, RequiredVersion
from keepsake.http.problems import Problem
from keepsake.http.state import State
from keepsake.pipeline.ledger import repair
from keepsake.records.deletion import RecordBusy, delete_record, sweep
from keepsake.records.lookup import check_names, check_record

router = APIRouter(prefix="/api", tags=["records"])

log = logging.getLogger(__name__)

Editor = Annotated[RecordCaller, for_record("edit")]
EditedField = Annotated[
    Literal["title", "transcript", "story"], Path(description="What is to be changed.")
]
Tag = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$", examples=["courage"])]


class NewValue(BaseModel):
    """A text by hand."""

    value: str = Field(examples=["The Night Boat"])


class NewPriority(BaseModel):
    """How urgent a record is among those of its owner and of others."""

    priority: Literal["low", "normal", "urgent"]


class Failures(BaseModel):
    """Which failures to retry; those that are absent hold for all."""

    line: str | None = Field(None, examples=["family"])
    step: str | None = Field(None, examples=["stories"])
    error_type: str | None = Field(None, pattern=r"^\w+$", examples=["PermanentError"])


class Changed(BaseModel):
    """That a record has been changed. The header ETag is the one for the next change."""

    id: int
    changed: bool = Field(description="False: it was so already.")


class Due(BaseModel):
    """What was made due again."""

    records: int = Field(description="How many records.")


@router.put("/records/{record_id}/priority")
async def put_priority(new: NewPriority, caller: Editor) -> Changed:
    """Have a record made before others, or after them."""

    def change(connection: Connection) -> bool:
        changed = set_priority(connection, caller.owner_id, caller.record_id, new.priority)
        _note(connection, caller, "record.priority", new.priority)
        return changed

    return Changed(id=caller.record_id, changed=await caller.call(change))


@router.put("/records/{record_id}/tags/{tag}")
async def put_tag(tag: Tag, caller: Editor, seen: RequiredVersion, response: Response) -> Changed:
    """Tag a record. No model takes the tag away."""
    return await _change(caller, seen, response, "record.tag", lambda db: _tag(db, caller, tag))


@router.delete("/records/{record_id}/tags/{tag}")
async def delete_tag(
    tag: Tag, caller: Editor, seen: RequiredVersion, response: Response
) -> Changed:
    """Take a tag off a record, one of a model too. No model puts it back."""
    return await _change(caller, seen, response, "record.untag", lambda db: _untag(db, caller, tag))


@router.put("/records/{record_id}/{field}")
async def put_field(
    field: EditedField, new: NewValue, caller: Editor, seen: RequiredVersion, response: Response
) -> Changed:
    """Change a text by hand. It stays when its step is made again; what depends on it follows."""
    return await _change(
        caller, seen, response, "record.edit", lambda db: edit(db, caller, field, new.value), field
    )


@router.delete("/records/{record_id}/{field}")
async def delete_field(
    field: EditedField, caller: Editor, seen: RequiredVersion, response: Response
) -> Changed:
    """Take a change by hand back: the step makes the text again."""
    return await _change(
        caller, seen, response, "record.revert", lambda db: edit(db, caller, field, None), field
    )


@router.delete("/records/{record_id}", status_code=204)
async def delete(caller: Editor, seen: RequiredVersion) -> None:
    """Delete a record, all that was made of it, and its files. There is no way back."""

    def change(connection: Connection) -> None:
        hold(connection, caller.record_id)
        seen.check(version_of(connection, caller.owner_id, caller.record_id))
        delete_record(connection, caller.owner_id, caller.record_id)
        _note(connection, caller, "record.delete")

    try:
        await caller.call(change)
    except RecordBusy as error:
        raise Problem(
            "conflict", f"{error}: try again in a moment", headers={"Retry-After": "10"}
        ) from None
    await asyncio.to_thread(_sweep, caller.state, caller.record_id)


@router.post("/records/{record_id}/retry", status_code=202)
async def retry(caller: Editor) -> Due:
    """Try the failed steps of a record again."""

    def change(connection: Connection) -> bool:
        _note(connection, caller, "record.retry")
        return repair.retry_record(connection, caller.owner_id, caller.record_id)

    return Due(records=int(await caller.call(change)))


@router.post("/records/{record_id}/steps/{step}/redo", status_code=202)
async def redo(
    step: Annotated[str, Path(pattern=r"^\w+$", max_length=100, examples=["stories"])],
    caller: Editor,
) -> Due:
    """Have a step of a record made again. The present result stays until then."""

    def change(connection: Connection) -> int:
        try:
            check_record(connection, caller.owner_id, caller.record_id, step=step)
        except InvalidInput as error:
            raise Problem("not_found", str(error)) from None
        _note(connection, caller, "record.redo", step)
        return repair.redo(connection, caller.owner_id, caller.record_id, step)

    if not await caller.call(change):
        raise Problem("conflict", f"{step} is held: it is beyond the tier, or switched off")
    return Due(records=1)


@router.post("/retry", status_code=202)
async def retry_failures(
    failures: Failures, caller: Annotated[OwnerCaller, for_owner("edit")]
) -> Due:
    """Try what failed of an owner's records again: all, or of a line, a step, a type of error."""

    def change(connection: Connection) -> int:
        check_names(connection, step=failures.step, line=failures.line)
        record_write(connection, caller.principal, "records.retry", owner_id=caller.owner_id)
        return repair.retry(connection, owner_id=caller.owner_id, **failures.model_dump())

    return Due(records=await caller.call(change))


async def _change(
    caller: RecordCaller,
    seen: IfMatch,
    response: Response,
    action: str,
    change: Callable[[Connection], bool],
    detail: str = "",
) -> Changed:
    """Change the version of a record that the caller has seen, and answer with the next."""
    changed, version = await caller.call(change_seen, caller, seen, action, change, detail)
    response.headers["ETag"] = f'"{version}"'
    return Changed(id=caller.record_id, changed=changed)


def change_seen(
    connection: Connection,
    caller: RecordCaller,
    seen: IfMatch,
    action: str,
    change: Callable[[Connection], bool],
    detail: str = "",
) -> tuple[bool, str]:
    """Change a record whose version the caller has seen, and note who did.

    Args:
        connection: in a transaction of the owner.
        caller: who changes which record.
        seen: the version that they have seen.
        action: for the audit log, such as `record.edit`.
        change: does it, and returns whether anything has changed.
        detail: for the audit log, too.

    Returns:
        Whether anything has changed, and the version that the record has now.

    Raises:
        Problem: somebody has changed it meanwhile.
        InvalidInput: there is no such record, or the change is no good.
    """
    hold(connection, caller.record_id)
    seen.check(version_of(connection, caller.owner_id, caller.record_id))
    changed = change(connection)
    if changed:
        _note(connection, caller, action, detail)
    return changed, version_of(connection, caller.owner_id, caller.record_id)


def _note(connection: Connection, caller: RecordCaller, action: str, detail: str = "") -> None:
    record_write(
        connection,
        caller.principal,
        action,
        owner_id=caller.owner_id,
        record_id=caller.record_id,
        detail=detail,
    )


def edit(connection: Connection, caller: RecordCaller, field: str, value: str | None) -> bool:
    """Change a text of a record by hand; None: take the change back. Whether anything changed.

    Raises:
        InvalidInput: there is no such record or field, or the text is no good.
    """
    this = (caller.owner_id, caller.record_id, value)
    match field:
        case "title":
            return edit_title(connection, *this)
        case "transcript":
            return edit_transcript(connection, caller.state.settings, *this)
    return edit_story(connection, caller.state.settings, *this)


def _tag(connection: Connection, caller: RecordCaller, value: str) -> bool:
    tags.tag(connection, caller.owner_id, caller.record_id, value)
    return True


def _untag(connection: Connection, caller: RecordCaller, value: str) -> bool:
    tags.untag(connection, caller.owner_id, caller.record_id, [value])
    return True


def _sweep(state: State, record_id: int) -> None:
    """Take the objects of a record that was deleted out of the store.

    An object may be another owner's, too: so this sees all. What is left is noted, and the next
    sweep goes on with it.
    """
    with state.blocking.connection() as connection:
        swept = asyncio.run(sweep(connection, state.objects, record_id=record_id))
    if swept.reason:
        log.warning("objects of record %s are left for the next sweep", record_id)

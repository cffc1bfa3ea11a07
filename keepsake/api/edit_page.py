"""The page where people correct a record of any line: its texts, its tags, what was changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from keepsake.api.changes import change_seen, edit
from keepsake.changes.edits import Edit, editable, edits
from keepsake.changes.tags import tag, tags_of, untag
from keepsake.changes.versions import version_of
from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.http.callers import RecordCaller
from keepsake.http.etags import IfMatch
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem
from keepsake.records.lookup import line_of

TEMPLATES = FilePath(__file__).parent / "templates"

router = APIRouter(prefix="/o/{owner}/records/{record_id}/edit", include_in_schema=False)

Editor = Annotated[OwnerPage, for_page("edit")]
RecordId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Version = Annotated[str, Form()]


@dataclass(frozen=True)
class _Editable:
    """What of a record can be changed, its version, and what was changed, the newest first."""

    line: str
    texts: dict[str, str]
    tags: list[str] | None
    version: str
    edits: Sequence[Edit]

    @property
    def by_hand(self) -> set[str]:
        """The fields with a change that can be taken back."""
        latest = {edit.field: edit.value for edit in reversed(self.edits)}
        return {field for field, value in latest.items() if value is not None}


@router.get("")
async def edit_page(page: Editor, record_id: RecordId, saved: str = "") -> Response:
    """The forms."""
    return await _page(page, record_id, saved=saved)


@router.post("/tags")
async def change_tags(
    page: Editor,
    record_id: RecordId,
    version: Version,
    add: Annotated[str, Form(max_length=200)] = "",
    remove: Annotated[str, Form()] = "",
) -> Response:
    """Add a tag, or take one off."""

    def change(connection: Connection) -> bool:
        if remove:
            untag(connection, page.owner_id, record_id, [remove])
        else:
            tag(connection, page.owner_id, record_id, add)
        return True

    action = "record.untag" if remove else "record.tag"
    return await _change(page, record_id, version, action, change, "tags", add)


@router.post("/{field}")
async def change_text(
    page: Editor,
    record_id: RecordId,
    field: str,
    version: Version,
    value: Annotated[str, Form()] = "",
    back: Annotated[bool, Form()] = False,
) -> Response:
    """Change a text; `back`: take the change before back."""
    caller = _caller(page, record_id)
    text = None if back else value.replace("\r\n", "\n")  # as browsers send lines

    def change(connection: Connection) -> bool:
        return edit(connection, caller, field, text)

    action = "record.revert" if back else "record.edit"
    return await _change(page, record_id, version, action, change, field, value)


async def _change(
    page: OwnerPage,
    record_id: int,
    version: str,
    action: str,
    change: Callable[[Connection], bool],
    field: str,
    typed: str,
) -> Response:
    """Change the version that was seen; where that fails, show why, and keep what was typed."""
    seen, caller = IfMatch(frozenset([version]), any=False), _caller(page, record_id)
    try:
        await page.call(change_seen, caller, seen, action, change, field)
    except Problem as problem:
        why = "Somebody changed this meanwhile. Look at what is there now, and save again."
        return await _page(page, record_id, problem.status_code, why=why, typed={field: typed})
    except InvalidInput as error:
        return await _page(page, record_id, 422, why=str(error), typed={field: typed})
    return RedirectResponse(f"{page.at}/records/{record_id}/edit?saved={field}", 303)


async def _page(page: OwnerPage, record_id: int, status: int = 200, **values: Any) -> Response:
    found = await page.call(_read, page.owner_id, record_id)
    shown = {"saved": "", "why": "", "typed": {}} | values
    return page.render(
        TEMPLATES / "edit.html.j2", status=status, record_id=record_id, record=found, **shown
    )


def _read(connection: Connection, owner_id: int, record_id: int) -> _Editable:
    try:
        line = line_of(connection, owner_id, record_id)
    except InvalidInput:
        raise Problem("not_found", f"there is no record {record_id}") from None
    return _Editable(
        line,
        editable(connection, owner_id, record_id),
        tags_of(connection, owner_id, record_id),
        version_of(connection, owner_id, record_id),
        edits(connection, owner_id, record_id),
    )


def _caller(page: OwnerPage, record_id: int) -> RecordCaller:
    return RecordCaller(page.owner_id, page.principal, page.state, record_id)

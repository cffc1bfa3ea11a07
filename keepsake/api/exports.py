"""Exports over HTTP: the archives that jobs of the type `export_owner` have made, to download.

What such an archive holds is not here (`keepsake/export/`), nor how a job is submitted.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from keepsake.http.callers import OwnerCaller, for_named_owner
from keepsake.http.files import object_response
from keepsake.http.problems import Problem
from keepsake.job_types.export import export_owner
from keepsake.jobs.files import JobFile, files_of

router = APIRouter(prefix="/api/owners/{owner}/exports", tags=["owners"])

Manager = Annotated[OwnerCaller, for_named_owner("manage")]


class Export(BaseModel):
    """An archive of all that an owner has."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(validation_alias="job_id", description="Of its job.", examples=[17])
    name: str = Field(examples=["the-marlows.zip"])
    size_bytes: int
    created_at: datetime
    remove_at: datetime | None = Field(description="When it is deleted, with its job.")


class Exports(BaseModel):
    """The archives that there are, the newest first."""

    exports: list[Export]


@router.get("")
async def list_exports(caller: Manager) -> Exports:
    """The archives that may be downloaded."""
    return Exports(exports=[Export.model_validate(each) for each in await _files(caller)])


@router.head("/{export_id}", include_in_schema=False)
@router.get(
    "/{export_id}",
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "You have this one."},
    },
)
async def read_export(
    request: Request,
    export_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[17])],
    caller: Manager,
) -> Response:
    """An archive, or a part of it (`Range`): a download that broke off goes on."""
    for file in await _files(caller):
        if file.job_id == export_id:
            headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
            return await object_response(
                request, caller.state.objects, file.key, "application/zip", headers
            )
    raise Problem("not_found", f"there is no export {export_id}: it may be deleted by now")


async def _files(caller: OwnerCaller) -> list[JobFile]:
    async with caller.transaction() as connection:
        return await files_of(connection, caller.owner_id, export_owner.name)

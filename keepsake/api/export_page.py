"""The page on which managers of an owner take all of it along: ask for an archive, download it."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.audit import record_write
from keepsake.api.pages import TEMPLATES
from keepsake.http.pages import OwnerPage, for_page
from keepsake.job_types.export import export_owner
from keepsake.jobs.files import files_of
from keepsake.jobs.listing import JobFilter, find_jobs
from keepsake.jobs.submission import NewJob, submit

SHOWN = 10  # exports, the newest

router = APIRouter(prefix="/o/{owner}/export", include_in_schema=False)

Managed = Annotated[OwnerPage, for_page("manage")]


@router.get("")
async def show(page: Managed) -> Response:
    """The archives that there are, and those that are being made."""
    async with page.transaction() as connection:
        wanted = JobFilter(type=export_owner.name, owner_id=page.owner_id)
        jobs = await find_jobs(connection, wanted, limit=SHOWN)
        files = await files_of(connection, page.owner_id, export_owner.name)
    return page.render(
        TEMPLATES / ("export_list.html.j2" if page.asks_for_part else "export.html.j2"),
        exports=[(job, {file.job_id: file for file in files}.get(job.id)) for job in jobs],
        is_open=any(job.finished_at is None for job in jobs),
    )


@router.post("")
async def ask(page: Managed) -> Response:
    """Have an archive made, unless one is about to be."""
    async with page.transaction() as connection:
        submitted = await submit(
            connection,
            NewJob(
                export_owner,
                owner_id=page.owner_id,
                user_id=page.principal.user_id,
                tag=export_owner.name,
            ),
        )
        if submitted.created:
            detail = f"job {submitted.id}"
            await record_write(
                connection, page.principal, "owner.export", owner_id=page.owner_id, detail=detail
            )
    return RedirectResponse(f"{page.at}/export", 303)

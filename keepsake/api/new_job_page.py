"""The page on which people submit a job: first its type, then what it is given."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from keepsake.api.job_forms import Errors, fields_of, read, read_moment, typed
from keepsake.api.job_view import ForJobs, JobsView
from keepsake.errors import InvalidInput
from keepsake.http import jobs
from keepsake.jobs.registry import JobType
from keepsake.jobs.rows import PRIORITIES
from keepsake.jobs.submission import NewJob, check_due, check_tag

router = APIRouter(prefix="/jobs/new", include_in_schema=False)


@router.get("")
async def choose(view: ForJobs) -> Response:
    """The types that the caller may submit."""
    return view.render("job_types.html.j2", then="/jobs/new")


@router.get("/{type_name}")
async def new_job(view: ForJobs, type_name: str) -> Response:
    """The form of a type."""
    return _form(view, view.kind(type_name), {}, Errors())


@router.post("/{type_name}")
async def submit(request: Request, view: ForJobs, type_name: str) -> Response:
    """Submit a job, and lead to it; to one that is pending, if that does its work."""
    kind = view.kind(type_name)
    said = await typed(request)
    new, errors = _read(view, kind, said)
    reach = await view.reach_to_submit(kind, said, errors)
    if reach is None or errors:
        return _form(view, kind, said, errors)
    try:
        submission = await jobs.submit(reach, new)
    except InvalidInput as error:  # a job of its tag is of another type
        return _form(view, kind, said, Errors(tag=str(error)))
    return RedirectResponse(
        f"/jobs/{submission.id}" + ("" if submission.created else "?told=there"), 303
    )


def _read(view: JobsView, kind: JobType[Any], said: Mapping[str, str]) -> tuple[NewJob, Errors]:
    """The job that was typed, and what of it is wrong."""
    data, errors = read(kind.data, said)
    due = tag = None
    with errors.of("due"):
        if text := said.get("due", ""):
            due = check_due(read_moment(text, view.zone))
    with errors.of("tag"):
        if text := said.get("tag", "").strip():
            tag = check_tag(text, "the tag")
    priority = said.get("priority", "normal")
    if priority not in PRIORITIES:
        errors["priority"] = f"this is none of {', '.join(PRIORITIES)}"
    return NewJob(kind, data, run_after=due, tag=tag, priority=priority), errors


def _form(view: JobsView, kind: JobType[Any], said: Mapping[str, str], errors: Errors) -> Response:
    return view.render(
        "job_new.html.j2",
        status=422 if errors else 200,
        kind=kind,
        fields=fields_of(kind.data),
        said=said,
        errors=errors,
        priorities=list(PRIORITIES),
    )

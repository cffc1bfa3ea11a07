"""The pages of a family: its stories, each to read and to hear."""

from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.family.feed.approval import decide, visibility
from keepsake.family.progress import Progress, progress_of
from keepsake.family.response import NewResponse, add_response, members
from keepsake.family.stories import ReadStory, newest_stories, read_home, read_story
from keepsake.family.weekly_prompts import interview_prompts
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem

TEMPLATES = FilePath(__file__).parent / "templates"
STORIES = 20  # on one page

router = APIRouter(prefix="/o/{owner}/family", include_in_schema=False)
RecordId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
async def home(page: Annotated[OwnerPage, for_page("read")]) -> Response:
    """The newest story, and ways to the others."""
    found = await page.call(read_home, page.owner_id)
    return page.render(TEMPLATES / "home.html.j2", home=found)


@router.get("/stories")
async def stories(
    page: Annotated[OwnerPage, for_page("read")],
    member: str | None = None,
    tag: str | None = None,
    before: int | None = None,
) -> Response:
    """All stories, a member's, or those with a value."""
    found = await page.call(
        newest_stories, page.owner_id, member=member, tag=tag, before=before, limit=STORIES + 1
    )
    return page.render(
        TEMPLATES / "stories.html.j2",
        stories=found[:STORIES],
        more=found[STORIES - 1].record_id if len(found) > STORIES else None,
        asked={"member": member, "tag": tag},
    )


@router.get("/tell")
async def tell(
    page: Annotated[OwnerPage, for_page("ingest")], prompt: int | None = None
) -> Response:
    """Where a story is recorded or written, perhaps as an answer to a question."""
    return await _tell(page, prompt)


@router.post("/tell")
async def add_written(
    page: Annotated[OwnerPage, for_page("ingest")],
    member: Annotated[str, Form(max_length=200)] = "",
    text: Annotated[str, Form()] = "",
    prompt: Annotated[int | None, Form()] = None,
) -> Response:
    """Take a written story, and lead to where it is seen."""
    new = NewResponse(member, datetime.now(UTC), text=text, prompt_id=prompt)
    try:
        added = await add_response(
            page.state.pool, page.state.objects, page.state.settings, page.owner_id, new
        )
    except InvalidInput as error:
        return await _tell(page, prompt, problem=str(error), member=member, text=text)
    return RedirectResponse(f"{page.at}/family/{added.record_id}", 303)


async def _tell(
    page: OwnerPage, prompt_id: int | None, *, problem: str = "", member: str = "", text: str = ""
) -> Response:
    known = await page.call(members, page.owner_id)
    prompts = await page.call(interview_prompts, page.owner_id)
    return page.render(
        TEMPLATES / "tell.html.j2",
        status=422 if problem else 200,
        members=known,
        prompt=next((prompt for prompt in prompts if prompt.id == prompt_id), None),
        problem=problem,
        # Who signs in under the name of a member most likely is that member.
        member=member or page.principal.name,
        text=text,
    )


@router.get("/{record_id}")
async def story(page: Annotated[OwnerPage, for_page("read")], record_id: RecordId) -> Response:
    """A story, or how far it is."""
    found, progress = await page.call(_read, page.owner_id, record_id)
    return page.render(
        TEMPLATES / "story.html.j2",
        story=found,
        made=found.made,
        record_id=record_id,
        progress=progress,
        feed=await page.call(visibility, page.owner_id, record_id),
    )


@router.post("/{record_id}/feed")
async def decide_feed(
    page: Annotated[OwnerPage, for_page("edit")],
    record_id: RecordId,
    state: Annotated[Literal["approved", "hidden"], Form()],
) -> Response:
    """Put a story into the family's podcast, or take it out."""
    await page.call(decide, page.principal, page.owner_id, record_id, state)
    return RedirectResponse(f"{page.at}/family/{record_id}", 303)


@router.get("/{record_id}/progress")
async def story_progress(
    page: Annotated[OwnerPage, for_page("read")], record_id: RecordId, told: bool = False
) -> Response:
    """How far a story is, as a part of its page. `told`: the page shows the story already."""
    progress = await page.call(_progress, page.owner_id, record_id)
    return page.render(
        TEMPLATES / "progress.html.j2",
        headers={"HX-Refresh": "true"} if progress.told and not told else None,
        record_id=record_id,
        progress=progress,
    )


def _read(connection: Connection, owner_id: int, record_id: int) -> tuple[ReadStory, Progress]:
    progress = _progress(connection, owner_id, record_id)
    return read_story(connection, owner_id, record_id), progress


def _progress(connection: Connection, owner_id: int, record_id: int) -> Progress:
    progress = progress_of(connection, owner_id, record_id)
    if progress is None:
        raise Problem("not_found", f"there is no story {record_id}")
    return progress

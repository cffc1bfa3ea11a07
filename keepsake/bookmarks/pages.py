"""The pages of bookmarks: the list, one to read, and saving another."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse, Response

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.bookmarks.shelf import frequent_tags, list_bookmarks
from keepsake.bookmarks.steps.media import MediaFile
from keepsake.bookmarks.views import read_bookmark
from keepsake.errors import InvalidInput
from keepsake.http.callers import OwnerCaller, SignedIn, owner_caller
from keepsake.http.files import object_response
from keepsake.http.pages import OwnerPage, for_page, render
from keepsake.http.problems import Problem
from keepsake.http.state import ForState

TEMPLATES = Path(__file__).parent / "templates"
ON_PAGE = 30
# What browsers show by themselves. All else is downloaded: a page in it would act as one of ours.
_PLAYED = re.compile(r"(audio|video)/[\w.+-]+|image/(jpeg|png|gif|webp|avif)")
_ADDRESS = re.compile(r"https?://\S+")

router = APIRouter(include_in_schema=False)
Id = Annotated[int, InPath(ge=1, le=2**63 - 1)]


@router.get("/o/{owner}/bookmarks")
async def home(
    page: Annotated[OwnerPage, for_page("read")],
    tag: str = "",
    site: str = "",
    q: str = "",
    state: Literal["", "due", "failed"] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """The bookmarks, the last saved first; those that pass the filters."""
    filters = {"tag": tag.strip(), "site": site.strip(), "q": q.strip(), "state": state}
    found = await page.call(
        list_bookmarks,
        page.owner_id,
        tag=filters["tag"] or None,
        site=filters["site"] or None,
        words=filters["q"] or None,
        state=state or None,
        before=before,
        limit=ON_PAGE + 1,
    )
    given = {name: value for name, value in filters.items() if value}
    more = None
    if len(found) > ON_PAGE:
        more = f"?{urlencode({**given, 'before': found[ON_PAGE - 1].record_id})}"
    return page.render(
        TEMPLATES / ("more.html.j2" if page.asks_for_part and before else "home.html.j2"),
        found=found[:ON_PAGE],
        more=more,
        filters=filters,
        filtered=bool(given),
        tags=[] if before or given else await page.call(frequent_tags, page.owner_id),
    )


@router.get("/o/{owner}/bookmarks/{record_id:int}")
async def read(page: Annotated[OwnerPage, for_page("read")], record_id: Id) -> Response:
    """A bookmark to read."""
    try:
        made = await page.call(read_bookmark, page.owner_id, record_id)
    except InvalidInput:
        raise _not_there(record_id) from None
    return page.render(
        TEMPLATES / "bookmark.html.j2",
        made=made,
        paragraphs=[part for part in (made.text or "").split("\n\n") if part.strip()],
    )


@router.api_route(
    "/o/{owner}/bookmarks/{record_id:int}/media/{position:int}", methods=["GET", "HEAD"]
)
async def medium(
    page: Annotated[OwnerPage, for_page("read")],
    record_id: Id,
    position: Annotated[int, InPath(ge=0, le=10_000)],
) -> Response:
    """A file of a bookmark, or a part of it, to play or to download."""
    try:
        made = await page.call(read_bookmark, page.owner_id, record_id)
        found = made.media[position]
    except (InvalidInput, IndexError):
        raise _not_there(record_id) from None
    return await object_response(
        page.request, page.state.objects, found.object_key, *_served_as(found)
    )


def _not_there(record_id: int) -> Problem:
    return Problem("not_found", f"there is no bookmark {record_id}")


def _served_as(medium: MediaFile) -> tuple[str, dict[str, str]]:
    """The media type, and the headers that keep what strangers made from acting as our page."""
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    if _PLAYED.fullmatch(medium.content_type):
        return medium.content_type, headers
    name = f"attachment; filename*=UTF-8''{quote(medium.name)}"
    return "application/octet-stream", {**headers, "Content-Disposition": name}


# -- saving ---------------------------------------------------------------------------------------


@router.get("/save")
async def ask_to_save(
    request: Request,
    caller: SignedIn,
    url: str = "",
    title: str = "",
    text: str = "",
    owner: str | None = None,
) -> Response:
    """The form, filled in with what a bookmarklet or a phone's share menu hands over.

    It saves nothing: any site could lead here. Phones put the address into the text.
    """
    address = url.strip() or next(iter(_ADDRESS.findall(text)), "")
    owners = sorted(each.slug for each in caller.owners.values() if "ingest" in each.permissions)
    if not owners and not (caller.operator and owner):
        raise Problem("forbidden", "you may save for nobody here: ask to be made an editor")
    return render(
        request,
        TEMPLATES / "save.html.j2",
        owners=owners or [owner],
        owner=owner,
        url=address,
        title=title,
        problem=None,
    )


@router.post("/save")
async def save(
    request: Request,
    caller: SignedIn,
    state: ForState,
    url: Annotated[str, Form()] = "",
    title: Annotated[str, Form()] = "",
    tags: Annotated[str, Form()] = "",
    owner: Annotated[str | None, Form()] = None,
) -> Response:
    """Save a bookmark for the owner that was chosen, and show what becomes of it."""
    saver = await owner_caller(state, caller, owner or None, "ingest")
    try:
        record_id = await _save(saver, url, title, tags)
    except InvalidInput as error:
        return render(
            request,
            TEMPLATES / "save.html.j2",
            status=422,
            owners=sorted(each.slug for each in caller.owners.values()) or [owner],
            owner=owner,
            url=url,
            title=title,
            problem=str(error),
        )
    whose = await saver.owner()
    return RedirectResponse(f"/o/{whose.slug}/bookmarks/{record_id}?saved", 303)


async def _save(saver: OwnerCaller, url: str, title: str, tags: str) -> int:
    new = NewBookmark(
        url=url,
        title=title.strip() or None,
        tags=[tag for part in tags.split(",") if (tag := part.strip())],
    )
    added = await add_bookmark(saver.state.pool, saver.state.settings, saver.owner_id, new)
    return added.record_id


@router.get("/o/{owner}/bookmarks/saving")
async def ways_to_save(page: Annotated[OwnerPage, for_page("ingest")]) -> Response:
    """How to save from a browser and from a phone."""
    return page.render(TEMPLATES / "saving.html.j2", script=bookmarklet(page))


def bookmarklet(page: OwnerPage) -> str:
    """An address that opens the form in a small window, for the page that a browser shows."""
    base = page.state.settings.base_url
    return (
        f"javascript:void(open('{base}/save?owner={page.slug}"
        "&url='+encodeURIComponent(location.href)"
        "+'&title='+encodeURIComponent(document.title),'keepsake','width=480,height=640'))"
    )

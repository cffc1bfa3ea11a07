"""The pages of a family: its stories."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response

from keepsake.family.stories import newest_stories
from keepsake.http.pages import OwnerPage, for_page

TEMPLATES = Path(__file__).parent / "templates"
STORIES = 12  # on one page

router = APIRouter(prefix="/o/{owner}/family", include_in_schema=False)


@router.get("")
async def home(page: Annotated[OwnerPage, for_page("read")]) -> Response:
    """The newest stories."""
    stories = await page.call(newest_stories, page.owner_id, limit=STORIES)
    return page.render(TEMPLATES / "home.html.j2", stories=stories)

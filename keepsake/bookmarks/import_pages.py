"""Importing a file of bookmarks by a page; another one shows how far that is.

What an import does is not here (`imports.py`).
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from keepsake.bookmarks.bookmark import LINE
from keepsake.bookmarks.imports import check_file
from keepsake.bookmarks.pages import TEMPLATES
from keepsake.http.bodies import receive_form
from keepsake.http.imports import keep_import
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem

router = APIRouter(prefix="/o/{owner}/bookmarks/import", include_in_schema=False)
Importer = Annotated[OwnerPage, for_page("ingest")]


@router.get("")
async def ask(page: Importer) -> Response:
    """The form."""
    return page.render(
        TEMPLATES / "import.html.j2",
        heading="Add many bookmarks",
        lead="The file that your browser exports, or the export of Pocket, Instapaper, Raindrop, "
        "Readwise, Pinboard, Omnivore, wallabag, Karakeep or Linkwarden.",
        several=False,
    )


@router.post("")
async def take_in(page: Importer) -> Response:
    """Accept a file, and lead to the page that shows how far it is taken in."""
    async with receive_form(
        page.request, page.state, file_field="files", otherwise="bookmarks"
    ) as form:
        if form.file is None:
            raise Problem("invalid_input", "choose a file of bookmarks to add")
        await asyncio.to_thread(check_file, form.file.path, form.file.name)
        batch_id = await keep_import(page, LINE, form.file)
    return RedirectResponse(f"{page.at}/batches/{batch_id}", 303)

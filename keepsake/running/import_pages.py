"""Importing by a page: files that were dropped there, taken in while another page shows how far.

However many they are, they become one archive, which is taken in like any other
(`keepsake/http/imports.py`).
"""

import asyncio
import hashlib
import shutil
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from keepsake.http.bodies import broken_off, file_name, room
from keepsake.http.body_limit import allow_body
from keepsake.http.imports import keep_import
from keepsake.http.pages import OwnerPage, for_page
from keepsake.http.problems import Problem
from keepsake.records.received import ReceivedFile
from keepsake.running.activity import LINE
from keepsake.running.archives import may_be_activity, may_be_archive
from keepsake.running.pages import TEMPLATES
from keepsake.text.counted import counted

MOST_FILES = 2_000  # in one form; more come as an archive
NAMED = 5  # files that cannot be added, in a message

router = APIRouter(prefix="/o/{owner}/running/import", include_in_schema=False)
Importer = Annotated[OwnerPage, for_page("ingest")]


@router.get("")
async def ask(page: Importer) -> Response:
    """The form."""
    return page.render(
        TEMPLATES / "import.html.j2",
        heading="Add activities",
        lead="FIT, GPX and TCX files of your watch, or the whole export of Strava or Garmin as it "
        "came: a ZIP.",
        several=True,
    )


@router.post("")
async def take_in(page: Importer) -> Response:
    """Accept files, and lead to the page that shows how far they are taken in."""
    settings = page.state.settings
    allow_body(page.request, settings.max_upload_mb * 1_000_000)
    archive = settings.incoming_folder / f"{uuid.uuid4().hex}.part"
    try:
        with room():
            name, sha256 = await _receive(page, archive)
        batch_id = await keep_import(page, LINE, ReceivedFile(archive, name, sha256))
    finally:
        archive.unlink(missing_ok=True)
    return RedirectResponse(f"{page.at}/batches/{batch_id}", 303)


async def _receive(page: OwnerPage, archive: Path) -> tuple[str, str]:
    """Put the files of the form into an archive: what people call them, and its SHA-256.

    Raises:
        Problem: there are none that can be taken in, or not all came.
    """
    try:
        async with page.request.form(max_files=MOST_FILES, max_fields=10) as form:
            parts = form.getlist("files")
            files = [file for file in parts if isinstance(file, UploadFile) and file.size]
            name = _check(files)
            return name, await asyncio.to_thread(_pack, files, archive)
    except ClientDisconnect:
        raise broken_off() from None


def _check(files: Sequence[UploadFile]) -> str:
    """What people call these files.

    Raises:
        Problem: there are none, or one of them cannot hold an activity.
    """
    names = [_name(file) for file in files]
    if not names:
        raise Problem("invalid_input", "choose the files of activities to add")
    if wrong := [name for name in names if not (may_be_activity(name) or may_be_archive(name))]:
        some = ", ".join(wrong[:NAMED]) + (" and others" if len(wrong) > NAMED else "")
        raise Problem(
            "invalid_input",
            "nothing was added: leave out what is no .fit, .gpx or .tcx file (gzipped or not) and "
            f"no ZIP archive: {some}",
        )
    return names[0] if len(names) == 1 else counted(len(names), "file")


def _pack(files: Sequence[UploadFile], archive: Path) -> str:
    """Put files into one archive; one that is an archive stays as it is. Returns its SHA-256."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    if len(files) == 1 and zipfile.is_zipfile(files[0].file):
        files[0].file.seek(0)
        with archive.open("xb") as copy:
            shutil.copyfileobj(files[0].file, copy)
    else:
        with zipfile.ZipFile(archive, "x") as packed:
            for at, file in enumerate(files, start=1):  # two may have one name
                with packed.open(f"{at}/{_name(file)}", "w", force_zip64=True) as member:
                    shutil.copyfileobj(file.file, member)
    with archive.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _name(file: UploadFile) -> str:
    return file_name(file.filename, "", "activity")

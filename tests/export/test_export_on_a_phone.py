"""An export that was unpacked, in a real browser: read and heard without a network."""

import asyncio
import wave
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import expect

from keepsake.clients.objects import FolderStore
from keepsake.database import connect
from keepsake.export import export_owner
from tests.browser import PHONE, barriers, opened, overflow
from tests.export.given import given_objects, given_owner


@pytest.fixture
def unpacked(database_url: str, tmp_path: Path) -> Path:
    """A folder with an export, in which the recording is two seconds long."""
    with connect(database_url) as db:
        owner_id = given_owner(db, "ada")
    store = FolderStore(tmp_path / "objects")
    asyncio.run(given_objects(store, "ada"))
    with wave.open(str(tmp_path / "objects/ada/audio.wav"), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(32_000))
    path = tmp_path / "ada.zip"
    asyncio.run(export_owner(database_url, store, owner_id, path))
    with ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_a_recording_is_found_and_heard(unpacked: Path) -> None:
    with opened(unpacked / "index.html", width=PHONE) as shown:
        page = shown.page
        assert barriers(page) == []
        assert overflow(page) == 0
        page.get_by_role("link", name="ada edited").click()
        sound = page.get_by_label("Recording", exact=True)
        expect(sound).to_have_js_property("duration", 2)
        assert barriers(page) == []
        assert overflow(page) == 0
        assert {address.partition(":")[0] for address in shown.fetched} == {"file"}

"""Taking all of an owner along by a page."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit

EXPORT = "/o/the-marlows/export"


@pytest.mark.usefixtures("worker")
def test_an_archive_is_made_and_downloaded(site: Door, visit: Visit, tmp_path: Path) -> None:
    page = visit("/o/the-marlows/access", width=PHONE).page
    page.get_by_role("link", name="Take all that is kept here along").click()
    assert barriers(page) == []
    page.get_by_role("button", name="Make an archive").click()
    archive = page.get_by_role("link", name="the-marlows.zip")
    expect(archive).to_be_visible(timeout=20_000)
    assert barriers(page) == []
    assert overflow(page) == 0
    with page.expect_download() as downloading:
        archive.click()
    assert downloading.value.suggested_filename == "the-marlows.zip"
    with ZipFile(BytesIO(Path(downloading.value.path()).read_bytes())) as opened:
        assert "The Marlows" in opened.read("index.html").decode()


def test_pressed_twice_it_is_made_once(site: Door) -> None:
    client = site.client(owner="the-others")
    answers = [client.post("/o/the-others/export") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    jobs = site.db.execute("SELECT FROM jobs WHERE owner_id = %s", (site.others.id,))
    assert jobs.rowcount == 1
    writes = site.db.execute(
        "SELECT FROM audit_log WHERE action = 'owner.export' AND owner_id = %s", (site.others.id,)
    )
    assert writes.rowcount == 1


@pytest.mark.parametrize("permission", ["read", "ingest", "edit"])
def test_who_does_not_manage_takes_nothing(site: Door, permission: str) -> None:
    client: httpx.Client = site.client(permission)
    assert client.get(EXPORT).status_code == client.post(EXPORT).status_code == 403

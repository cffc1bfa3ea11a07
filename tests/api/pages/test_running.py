"""The running journal as people look through it, and how files get there."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from keepsake.clients.objects import open_objects
from keepsake.owners.owners import find_owner
from keepsake.running.history import monday
from keepsake.running.monthly import make_trends
from keepsake.running.weekly import make_digests
from tests.acceptance.parts import eventually
from tests.api.conftest import Door
from tests.api.test_ingest_recordings import no_file_larger_than
from tests.browser import PHONE, barriers, overflow
from tests.running.journal import MORNING, archive, gpx, tcx

from .conftest import Visit
from .shelf_and_journal import given_activity

JOURNAL = "/o/the-marlows/running"
AS_PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def runs(site: Door, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Three runs of two weeks, the newest last, with their digests and trends."""
    folder = tmp_path_factory.mktemp("runs")
    ids = []
    for days in (7, 1, 0):
        file = folder / f"{days}.tcx"
        file.write_bytes(tcx(MORNING - timedelta(days=days), minutes=25))
        ids.append(given_activity(site, file, title=f"Run {days}", letter="You ran along the sea."))
    owner = find_owner(site.db, "the-marlows")
    weeks = [monday(MORNING.date() - timedelta(days=days)) for days in (7, 0)]
    with ThreadPoolExecutor(1) as thread:  # a browser may be open in this one
        thread.submit(make_digests, site.db, open_objects(site.settings), owner, weeks).result()
    make_trends(site.db, owner, [MORNING.date().replace(day=1)])
    return ids


def test_activities_are_listed_the_newest_first(site: Door, runs: list[int]) -> None:
    page = site.client().get(JOURNAL, headers=AS_PAGE).text
    assert page.index("Run 0") < page.index("Run 1") < page.index("Run 7")
    assert "<strong>5.0 km</strong>" in page
    assert "You ran along the sea." in page
    older = site.client().get(f"{JOURNAL}?before={runs[1]}", headers=AS_PAGE).text
    assert "Run 7" in older
    assert "Run 1" not in older


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_activity_is_read_on_a_phone(visit: Visit, runs: list[int], scheme: str) -> None:
    page = visit(f"{JOURNAL}/{runs[-1]}", width=PHONE, color_scheme=scheme).page
    expect(page.get_by_role("heading", name="Run 0")).to_be_visible()
    expect(page.get_by_role("img", name="Pace by kilometre: 5:00, 5:00")).to_be_visible()
    expect(page.get_by_role("img", name="Heart rate by kilometre: 148")).to_be_visible()
    page.get_by_text("The kilometres in numbers").click()
    assert overflow(page) == 0
    assert barriers(page) == []


def test_a_run_leads_to_its_week_and_the_week_to_all(visit: Visit, runs: list[int]) -> None:
    page = visit(f"{JOURNAL}/{runs[-1]}", width=PHONE).page
    page.get_by_role("link", name="Its week").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 June to 7 June 2026")
    expect(page.get_by_role("region", name="The runs")).to_contain_text("Run 1")
    page.wait_for_load_state()
    assert overflow(page) == 0
    assert barriers(page) == []
    page.get_by_role("link", name="Weeks", exact=True).click()
    expect(page.get_by_role("link", name="The week of 25 May 2026")).to_be_visible()


def test_months_are_counted(visit: Visit, runs: list[int]) -> None:
    page = visit(f"{JOURNAL}/months", width=PHONE).page
    expect(page.get_by_role("row", name="June 2026")).to_contain_text("10.0")
    assert overflow(page) == 0
    assert barriers(page) == []


@pytest.mark.parametrize("path", ["", "/{run}", "/weeks", "/weeks/2026-06-07", "/months"])
def test_a_journal_of_another_owner_is_not_there(site: Door, runs: list[int], path: str) -> None:
    otto = site.client(owner="the-others")
    answer = otto.get(JOURNAL + path.format(run=runs[0]), headers=AS_PAGE)
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/999999", "/weeks/2020-01-01"])
def test_what_is_not_there_is_said_so(site: Door, path: str) -> None:
    assert site.client().get(JOURNAL + path, headers=AS_PAGE).status_code == 404


# -- imports --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("worker")
def test_dropped_files_are_taken_in_while_a_page_shows_how_far(
    visit: Visit, tmp_path: Path
) -> None:
    (tmp_path / "one.gpx").write_bytes(gpx(MORNING - timedelta(days=20)))
    (tmp_path / "two.gpx").write_bytes(gpx(MORNING - timedelta(days=21)))
    (tmp_path / "cut.gpx").write_bytes(b"not a track")
    page = visit(f"{JOURNAL}/import", width=PHONE).page
    assert barriers(page) == []
    page.get_by_label("Files").set_input_files(sorted(tmp_path.glob("*.gpx")))
    page.get_by_role("button", name="Add them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 files")
    expect(page.get_by_role("status")).to_contain_text(
        "2 records added, 1 rejected", timeout=20_000
    )
    page.get_by_text("What was rejected, and why").click()
    page.wait_for_load_state()
    expect(page.get_by_text("cut.gpx")).to_be_visible()
    expect(page.get_by_role("progressbar", name="activities")).to_be_visible()
    assert overflow(page) == 0
    assert barriers(page) == []


@pytest.mark.usefixtures("worker")
def test_a_form_without_scripts_takes_an_archive_in(site: Door, tmp_path: Path) -> None:
    export = archive(tmp_path / "export.zip", {"a.gpx": gpx(MORNING - timedelta(days=30))})
    client = site.client()
    answer = client.post(f"{JOURNAL}/import", files={"files": ("export.zip", export.read_bytes())})
    assert answer.status_code == 303
    batch = answer.headers["Location"]
    eventually(lambda: "1 record added" in client.get(batch, headers=AS_PAGE).text, timeout=20)
    assert "export.zip" in client.get(batch, headers=AS_PAGE).text
    assert site.client(owner="the-others").get(batch, headers=AS_PAGE).status_code == 404


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "choose the files"),
        ([("files", ("cat.jpg", b"x")), ("files", ("a.gpx", b"x"))], "cat.jpg"),
    ],
    ids=["none", "a picture"],
)
def test_what_is_no_activity_is_refused_by_name(
    site: Door, files: list[tuple[str, tuple[str, bytes]]], said: str
) -> None:
    answer = site.client().post(f"{JOURNAL}/import", files=files or [("files", ("", b""))])
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert list(site.settings.incoming_folder.glob("*")) == []


def test_a_full_disk_is_told_and_nothing_is_left(site: Door) -> None:
    files = [("files", (f"{at}.gpx", os.urandom(600_000))) for at in range(3)]
    with no_file_larger_than(1_000_000):
        answer = site.client().post(f"{JOURNAL}/import", files=files)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert list(site.settings.incoming_folder.glob("*")) == []


def test_a_reader_adds_nothing(site: Door) -> None:
    reader = site.client("read")
    assert reader.get(f"{JOURNAL}/import").status_code == 403
    assert reader.post(f"{JOURNAL}/import", files={"files": ("a.gpx", b"x")}).status_code == 403

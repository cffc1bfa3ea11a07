"""Bookmarks as people look through them, read, tag and save them."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect

from keepsake.api.app import STATIC
from tests.api.conftest import Door
from tests.browser import PHONE, barriers, overflow

from .conftest import Visit
from .shelf_and_journal import NOON, failed, given_bookmark

SHELF = "/o/the-marlows/bookmarks"
AS_PAGE = {"Accept": "text/html"}


def titles(page: str) -> list[str]:
    return re.findall(r"<h2><a [^>]*>([^<]*)</a>", page)


def listed(site: Door, query: str) -> list[str]:
    return titles(site.client().get(f"{SHELF}?{query}", headers=AS_PAGE).text)


@pytest.fixture(scope="module")
def shelf(site: Door) -> dict[str, int]:
    """Some bookmarks by their titles, the last saved first."""
    pages = {
        "Bread needs time": ("The Slow Kitchen", ["bread"], "Feed the starter the evening before."),
        "Why tides turn": ("Sea Notes", ["sea"], "The moon pulls at the water."),
        "The lighthouse": ("Sea Notes", ["sea", "Light"], "Its keeper baked bread on Sundays."),
    }
    return {
        title: given_bookmark(
            site,
            f"https://pages.example/{at}",
            title=title,
            text=text,
            tags=tags,
            site_name=name,
            saved_at=NOON - timedelta(days=at),
        )
        for at, (title, (name, tags, text)) in enumerate(pages.items())
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Bread needs time", "Why tides turn", "The lighthouse"]),
        ("tag=SEA", ["Why tides turn", "The lighthouse"]),
        ("tag=light", ["The lighthouse"]),
        ("site=The+Slow+Kitchen", ["Bread needs time"]),
        ("q=bread", ["Bread needs time", "The lighthouse"]),
        ("q=%22no+such+words%22", []),
        ("state=due", []),
    ],
)
def test_the_list_shows_what_passes_its_filters(
    site: Door, shelf: dict[str, int], query: str, found: list[str]
) -> None:
    assert listed(site, query) == found


def test_the_list_goes_on_where_a_page_of_it_ends(site: Door, shelf: dict[str, int]) -> None:
    assert listed(site, f"before={shelf['Bread needs time']}") == [
        "Why tides turn",
        "The lighthouse",
    ]


def test_what_failed_is_found(site: Door) -> None:
    record = given_bookmark(
        site, "https://pages.example/broken", title="Broken", saved_at=NOON - timedelta(days=99)
    )
    failed(site.db, record, "summaries", "the model said nothing of use")
    assert listed(site, "state=failed") == ["Broken"]
    page = site.client().get(f"{SHELF}?state=failed", headers=AS_PAGE).text
    assert f'<a class="bad" href="/records/{record}">not all could be made</a>' in page


def test_a_bookmark_is_read_on_a_phone(visit: Visit, shelf: dict[str, int]) -> None:
    page = visit(SHELF, width=PHONE).page
    page.get_by_role("link", name="Bread needs time").click()
    expect(page.get_by_role("heading", name="Bread needs time")).to_be_visible()
    expect(page.get_by_role("region", name="Text")).to_contain_text("Feed the starter")
    page.wait_for_load_state()
    assert overflow(page) == 0
    assert barriers(page) == []


def test_tags_are_added_and_taken_off_by_hand(visit: Visit, shelf: dict[str, int]) -> None:
    page = visit(f"{SHELF}/{shelf['Why tides turn']}").page
    tag = page.get_by_role("textbox", name="Another tag")
    tag.fill("Moon & stars")
    tag.press("Enter")
    expect(page.get_by_role("link", name="Moon & stars")).to_be_visible()
    page.get_by_role("button", name="Take off Moon & stars").click()
    expect(page.get_by_role("link", name="Moon & stars")).not_to_be_visible()


def test_older_ones_come_without_leaving_the_page(visit: Visit, site: Door) -> None:
    for at in range(31):
        given_bookmark(
            site,
            f"https://old.example/{at}",
            title=f"Old {at}",
            tags=["old"],
            saved_at=NOON - timedelta(days=400 + at),
        )
    page = visit(f"{SHELF}?tag=old").page
    page.get_by_role("link", name="Older ones").click()
    expect(page.get_by_role("heading", name="Old 30")).to_be_visible()
    expect(page.get_by_role("heading", name="Old 0", exact=True)).to_be_visible()


# -- saving ---------------------------------------------------------------------------------------


def test_a_page_is_saved_by_a_press_and_never_by_an_address(visit: Visit, site: Door) -> None:
    def saved() -> int:
        row = site.db.execute(
            "SELECT count(*) FROM bookmarks WHERE url = 'https://new.example/a?b=c&d'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    page = visit(
        f"/save?url={quote('https://new.example/a?b=c&d', safe='')}&title=A%20%22new%22%20one",
        width=PHONE,
    ).page
    expect(page.get_by_label("Title")).to_have_value('A "new" one')
    assert saved() == 0
    assert barriers(page) == []
    page.get_by_label("Tags").fill("new, sea")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(page.get_by_role("link", name="sea", exact=True)).to_be_visible()
    assert saved() == 1


def test_a_phone_puts_the_address_into_the_text(visit: Visit) -> None:
    page = visit("/save?title=&text=Look%20at%20this%20https://new.example/b%20now").page
    expect(page.get_by_label("Address")).to_have_value("https://new.example/b")


def test_an_address_that_is_none_is_said_so_and_stays_in_the_form(site: Door) -> None:
    answer = site.client().post("/save", data={"url": "ftp://new.example", "title": "Kept"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'value="ftp://new.example"' in answer.text
    assert 'value="Kept"' in answer.text


def test_what_is_shared_survives_signing_in(site: Door) -> None:
    answer = httpx.get(f"{site.url}/save?url=https://new.example/c&title=C", headers=AS_PAGE)
    assert answer.status_code == 303
    assert answer.headers["Location"] == (
        "/sign-in?next=/save%3Furl%3Dhttps%3A//new.example/c%26title%3DC"
    )


def test_the_bookmarklet_opens_the_form_of_the_owner(visit: Visit) -> None:
    page = visit(f"{SHELF}/saving", width=PHONE).page
    address = page.get_by_role("link", name="Save to Keepsake").get_attribute("href") or ""
    opened = page.evaluate(
        "code => { let asked; const open = (url) => { asked = url }; eval(code); return asked }",
        address.removeprefix("javascript:"),
    )
    assert opened.startswith("https://keepsake.example/save?owner=the-marlows&url=http%3A%2F%2F")
    assert overflow(page) == 0
    assert barriers(page) == []


def test_the_share_menu_of_a_phone_leads_to_the_form(site: Door) -> None:
    answer = httpx.get(f"{site.url}/static/manifest.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    manifest = answer.json()
    assert manifest["share_target"]["action"] == "/save"
    for icon in manifest["icons"]:
        assert (STATIC / Path(icon["src"]).name).is_file()


# -- media ----------------------------------------------------------------------------------------


def given_media(site: Door, record: int, name: str, content_type: str) -> None:
    key = f"bookmarks/media/{name}"
    path = site.settings.objects_folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0123456789")
    site.db.execute(
        "INSERT INTO media (record_id, owner_id, position, kind, object_key, name, content_type,"
        " size_bytes, sha256) SELECT %s, %s, count(*), 'video', %s, %s, %s, 10, 'x' FROM media"
        " WHERE record_id = %s",
        (record, site.marlows.id, key, name, content_type, record),
    )


def test_media_are_given_in_parts_and_never_as_a_page(site: Door, shelf: dict[str, int]) -> None:
    record = shelf["The lighthouse"]
    given_media(site, record, "film.mp4", "video/mp4")
    given_media(site, record, "page.html", "text/html")
    client, at = site.client(), f"{SHELF}/{record}/media"
    part = client.get(f"{at}/0", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.text) == (206, "234")
    assert part.headers["Content-Type"] == "video/mp4"
    page = client.get(f"{at}/1")
    assert page.headers["Content-Type"] == "application/octet-stream"
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert client.get(f"{at}/2").status_code == 404


# -- whose ----------------------------------------------------------------------------------------


def test_bookmarks_of_another_owner_are_not_there(site: Door, shelf: dict[str, int]) -> None:
    record = shelf["The lighthouse"]
    otto = site.client(owner="the-others")
    for path in (SHELF, f"{SHELF}/{record}", f"/o/the-others/bookmarks/{record}"):
        assert otto.get(path, headers=AS_PAGE).status_code == 404
    assert otto.post(f"/records/{record}/tag", data={"tag": "mine"}).status_code == 404
    assert (
        otto.post("/save", data={"url": "https://a.example", "owner": "the-marlows"}).status_code
        == 404
    )


def test_who_may_only_read_is_offered_nothing_else(site: Door, shelf: dict[str, int]) -> None:
    reader = site.client("read")
    page = reader.get(f"{SHELF}/{shelf['The lighthouse']}", headers=AS_PAGE).text
    assert "Another tag" not in page
    assert "Save a page" not in reader.get(SHELF, headers=AS_PAGE).text
    assert reader.get("/save?url=https://a.example", headers=AS_PAGE).status_code == 403
    assert reader.post("/save", data={"url": "https://a.example"}).status_code == 403


# -- many -----------------------------------------------------------------------------------------

EXPORT = """<!DOCTYPE NETSCAPE-Bookmark-file-1><DL>
<DT><A HREF="https://many.example/1" ADD_DATE="1600000000">The first of many</A>
<DT><A HREF="https://many.example/2" ADD_DATE="1600000001">The second of many</A>
</DL>"""


@pytest.mark.usefixtures("worker")
def test_an_export_of_a_browser_is_taken_in(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "bookmarks.html"
    file.write_text(EXPORT)
    page = visit(f"{SHELF}/import", width=PHONE).page
    assert barriers(page) == []
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Add what is in it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("bookmarks.html")
    expect(page.get_by_role("status")).to_contain_text("2 records added", timeout=20_000)
    page.get_by_role("link", name="To all bookmarks").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bookmarks")


def test_a_file_of_something_else_is_said_to_be_so(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "letter.bin"
    file.write_bytes(b"\x00\x01Dear Rose")
    shown = visit(f"{SHELF}/import")
    shown.page.get_by_label("File", exact=True).set_input_files(file)
    shown.page.get_by_role("button", name="Add what is in it").click()
    expect(shown.page.get_by_role("alert")).to_contain_text("letter.bin is no file")
    expect(shown.page.get_by_role("button", name="Add what is in it")).to_be_enabled()
    shown.complaints.clear()  # a browser complains of every answer that is no success

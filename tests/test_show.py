"""`keepsake show`: one record in full, as text, as data and as a page in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from typer.testing import CliRunner, Result

from keepsake.cli import app
from keepsake.database import Connection, connect
from keepsake.owners.owners import add_owner
from tests.browser import opened


@pytest.fixture(autouse=True)
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KEEPSAKE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def keepsake(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def answer(*arguments: object) -> Any:
    result = keepsake(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def add(db: Connection, line: str) -> int:
    """A record whose steps have all failed for want of a model."""
    owner = add_owner(db, "Ada").id
    (record_id,) = db.execute(
        "WITH r AS (INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES (%(line)s, %(owner)s, 'a', '2026-05-04 12:30Z', '') RETURNING id), l AS (INSERT"
        " INTO ledger (record_id, owner_id, step, line, status, error_message)"
        " SELECT id, %(owner)s, name, line, 'failed', 'the model is gone' FROM r, steps"
        " WHERE line = %(line)s) SELECT id FROM r",
        {"line": line, "owner": owner},
    ).fetchone() or (0,)
    return int(record_id)


@pytest.fixture
def bookmark(db: Connection, tmp_path: Path) -> int:
    """A page in Hebrew, with marks and orders in its text, and a picture."""
    record_id = add(db, "bookmarks")
    db.execute(
        "INSERT INTO bookmarks (record_id, owner_id, url, title) VALUES (%s, 1, %s, %s)",
        (record_id, "https://example.org/bread", "On <b>bread</b> & time"),
    )
    db.execute(
        "INSERT INTO pages (record_id, owner_id, url, site, author, published_on, language, text,"
        " words, body_key) VALUES (%s, 1, '', 'Example', 'Noa', '2019-05-20', 'he', %s, 2,"
        " 'bookmarks/pages/ab')",
        (record_id, "לחם צריך זמן.\n\n<script>alert(1)</script><img src=x onerror=alert(2)>"),
    )
    db.execute("INSERT INTO summaries VALUES (%s, 'Bread takes a day.', 1)", (record_id,))
    db.execute("INSERT INTO keywords VALUES (%s, 1, 'slow food', 'human')", (record_id,))
    db.execute(
        "INSERT INTO media (record_id, owner_id, position, kind, object_key, name, content_type,"
        " size_bytes, sha256)"
        " VALUES (%s, 1, 0, 'image', 'media/a.png', 'a.png', 'image/png', 68, '')",
        (record_id,),
    )
    picture = tmp_path / "home/objects/media/a.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(PIXEL)
    db.execute("UPDATE ledger SET status = 'succeeded', output_fingerprint = 'x'"
               " WHERE step IN ('pages', 'summaries', 'media')")  # fmt: skip
    db.execute("UPDATE ledger SET status = 'succeeded' WHERE step = 'bookmark_embeddings'")
    return record_id


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
def activity(db: Connection) -> int:
    record_id = add(db, "running")
    db.execute(
        "INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format, sha256,"
        " title) VALUES (%s, 1, 'running/a.gpx', 'a.gpx', 'gpx', '', 'Lunch run')",
        (record_id,),
    )
    db.execute(
        "INSERT INTO activities (record_id, owner_id, sport, started_at, distance, elapsed,"
        " moving, splits, zones, best_efforts, issues) VALUES (%s, 1, 'running',"
        " '2026-05-04 12:30Z', 5000, 1500, 1500, '[]', '[]', '{}',"
        ' \'[{"kind": "no_time", "count": 3}]\')',
        (record_id,),
    )
    db.execute("INSERT INTO letters VALUES (%s, 'Dear Ada,\nwell run.', 1)", (record_id,))
    db.execute(
        "INSERT INTO coaching_insights VALUES (%s, 'Even.', 'Calm.', 'Rest.', 1)", (record_id,)
    )
    return record_id


def test_a_bookmark_as_text(bookmark: int, tmp_path: Path) -> None:
    shown = keepsake("show", bookmark).stdout
    for text in (
        "On <b>bread</b> & time\nhttps://example.org/bread\nExample, Noa, 20 May 2019\n"
        "Saved by Ada, 4 May 2026, 12:30 UTC\nKeywords: slow food (by hand)\n",
        "Bread takes a day.",
        f"Image, 0.0 MB: a.png\n  {tmp_path / 'home/objects/media/a.png'}",
        "Text, 2 words\nלחם צריך זמן.",
        "keywords: failed: the model is gone",
        "bookmark_embeddings: nothing to make",
    ):
        assert text in shown


def test_an_activity_as_text(activity: int, tmp_path: Path) -> None:
    shown = keepsake("show", activity).stdout
    for text in ("Lunch run\nAda, 4 May 2026", "distance: 5.00 km",
                 "in the file: 3 points have no time: left out",
                 "Letter\nDear Ada,\nwell run.", "Recommendation: Rest.",
                 str(tmp_path / "home/objects/running/a.gpx")):  # fmt: skip
        assert text in shown


def test_the_whole_document_as_data(bookmark: int, tmp_path: Path) -> None:
    shown = answer("show", bookmark)
    assert shown["record"]["line"] == "bookmarks"
    assert (shown["made"]["author"], shown["made"]["published_on"]) == ("Noa", "2019-05-20")
    picture = tmp_path / "home/objects/media/a.png"
    assert [(f["kind"], f["url"]) for f in shown["files"]][1] == ("image", str(picture))
    assert shown["files"][1]["link"] == picture.as_uri()
    assert {(u["step"], u["why"]) for u in shown["unmade"]} == {
        ("keywords", "failed"), ("bookmark_embeddings", "nothing to make"),
    }  # fmt: skip


def test_files_in_a_bucket_have_signed_addresses(
    bookmark: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("S3_BUCKET", "keeps"), ("S3_ACCESS_KEY", "a"), ("S3_SECRET_KEY", "b"),
                        ("S3_ENDPOINT", "http://127.0.0.1:1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    (page, _) = answer("show", bookmark)["files"]
    assert page["url"] == "s3://keeps/bookmarks/pages/ab"
    assert page["link"].startswith("http://127.0.0.1:1/keeps/bookmarks/pages/ab?")
    assert "Signature" in page["link"]


def test_a_page_shows_what_strangers_wrote_as_text_and_asks_nobody_for_anything(
    bookmark: int, tmp_path: Path
) -> None:
    done = keepsake("show", bookmark, "--output", "page.html")
    assert done.stdout == f"{tmp_path / 'page.html'}\n"
    assert (tmp_path / "page.html").stat().st_mode & 0o077 == 0
    with opened(tmp_path / "page.html", width=360) as shown:
        page = shown.page
        assert page.locator("h1").inner_text() == "On <b>bread</b> & time"
        assert "<script>alert(1)</script>" in page.locator("body").inner_text()
        assert page.locator("script, b, [onerror]").count() == 0
        assert page.get_by_role("link", name="https://example.org/bread").count() == 1
        assert page.locator("img").evaluate("image => image.naturalWidth") == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        first = page.locator(".read p").first
        assert first.evaluate("p => getComputedStyle(p).direction") == "rtl"
        assert "keywords" in page.locator("dl.warn").inner_text()
    assert shown.fetched == [(tmp_path / "page.html").as_uri()]
    assert shown.complaints == []


def brightness(page: Page, name: str) -> int:
    """The sum of red, green and blue of a colour of the body."""
    colour = str(page.locator("body").evaluate(f"body => getComputedStyle(body).{name}"))
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_readable_by_day_and_by_night(activity: int, scheme: Any) -> None:
    keepsake("show", activity, "--output", "page.html")
    with opened(Path("page.html").resolve(), width=1280) as shown:
        shown.page.emulate_media(color_scheme=scheme)
        ink, paper = (brightness(shown.page, name) for name in ("color", "backgroundColor"))
        assert (ink < paper) == (scheme == "light")
        assert abs(ink - paper) > 500
        assert "Dear Ada," in shown.page.locator("body").inner_text()
    assert shown.complaints == []


def test_without_a_screen_a_page_is_written_and_not_opened(
    activity: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail("it was opened"))
    done = keepsake("show", activity, "--html")
    written = tmp_path / f"home/pages/record-{activity}.html"
    assert "name another --output" in done.stderr  # without a data folder
    (tmp_path / "home").mkdir()
    done = keepsake("show", activity, "--html")
    assert done.stdout == f"{written}\n"
    assert "Dear Ada," in written.read_text()


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        (("7",), "there is no record 7 (there are none yet)"),
        (("7", "--json", "--html"), "choose one"),
    ],
)
def test_what_cannot_be_shown_is_refused(wrong: tuple[str, ...], because: str) -> None:
    result = keepsake("show", *wrong)
    assert (result.exit_code, because in result.stderr) == (2, True)


def test_a_page_that_cannot_be_written_is_refused(activity: int) -> None:
    result = keepsake("show", activity, "--output", "nowhere/page.html")
    assert (result.exit_code, "name another --output" in result.stderr) == (2, True)

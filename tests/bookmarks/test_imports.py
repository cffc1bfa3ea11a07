"""Imports: the exports of browsers and other programs, whole, resumable, and nothing lost."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from keepsake.bookmarks import imports
from keepsake.bookmarks.imports import Intake, import_bookmarks
from keepsake.errors import InvalidInput
from tests.given import in_pool

from .shelf import Shelf

BROWSER = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks</H1>
<DL><p>
    <DT><H3 ADD_DATE="1" PERSONAL_TOOLBAR_FOLDER="true">Bar</H3>
    <DL><p>
        <DT><H3>Baking &amp; more</H3>
        <DL><p>
            <DT><A HREF="https://bread.example/a?x=1&amp;y=2" ADD_DATE="1577880000" TAGS="bread,slow food">Slow <b>bread</b></A>
            <DD>What I tell
everybody.
        </DL><p>
        <DT><A HREF="https://milli.example/" ADD_DATE="1577880000123">Milli</A>
    </DL><p>
    <DT><A HREF="javascript:alert('hi')" ADD_DATE="1577880000000000">A little program</A>
    <DT><A HREF="place:sort=8" ADD_DATE="13222353600000000">Most visited</A>
    <DT><A HREF="https://nodate.example/">No date</A>
    <DT><A>No address</A>
</DL><p>
"""  # noqa: E501  # as browsers write it

POCKET = (
    "title,url,time_added,tags,status\n"
    '"Bread, slow",https://bread.example/a,1577880000,bread|slow food,unread\n'
    ",https://other.example/,1577880001,,archive\n"
    "No address,,1577880002,,unread\n"
)
RAINDROP = (
    "id,title,note,excerpt,url,folder,tags,created,cover\n"
    '1,Bread,My note,Its excerpt,https://bread.example/a,Baking,"bread, slow food",'
    "2020-01-01T12:00:00.000Z,\n"
)
KARAKEEP: dict[str, list[dict[str, Any]]] = {
    "bookmarks": [
        {
            "createdAt": 1577880000,
            "title": "Bread",
            "tags": ["bread", "slow food"],
            "content": {"type": "link", "url": "https://bread.example/a"},
            "note": "My note",
        },
        {
            "createdAt": 1577880000,
            "title": None,
            "tags": [],
            "content": {"type": "text", "text": "Knead, rest, bake."},
            "note": None,
        },
        {"createdAt": 1577880000, "title": "A lost file", "tags": [], "content": None},
    ]
}
LINKWARDEN = {
    "name": "Rose",
    "collections": [
        {
            "name": "Baking",
            "links": [
                {
                    "name": "Bread",
                    "url": "https://bread.example/a",
                    "description": "Its excerpt",
                    "tags": [{"name": "bread"}, {"name": "slow food"}],
                    "createdAt": "2020-01-01T12:00:00.000Z",
                }
            ],
        }
    ],
}
THEN = datetime(2020, 1, 1, 12, tzinfo=UTC)


def take_in(
    shelf: Shelf, folder: Path, text: str | dict[str, Any] | list[Any] | bytes, **more: Any
) -> Intake:
    """Import a file that holds this."""
    path = folder / "export"
    if isinstance(text, dict | list):
        text = json.dumps(text)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return in_pool(
        shelf.url, lambda pool: import_bookmarks(pool, shelf.settings, shelf.owner, path, **more)
    )


def stored(shelf: Shelf) -> list[dict[str, Any]]:
    """What came in, in order."""
    return shelf.rows(
        "SELECT b.*, recorded_at, priority, batch_id, ARRAY(SELECT keyword FROM keywords k"
        " WHERE k.record_id = b.record_id AND source = 'human' ORDER BY keyword) AS tags"
        " FROM bookmarks b JOIN records r ON r.id = b.record_id ORDER BY r.id"
    )


def test_what_a_browser_exports_comes_in_whole(shelf: Shelf, tmp_path: Path) -> None:
    intake = take_in(shelf, tmp_path, BROWSER)
    bread, milli, program, visited, undated = stored(shelf)
    assert (bread["url"], bread["title"]) == ("https://bread.example/a?x=1&y=2", "Slow bread")
    assert (bread["folder"], bread["content"]) == ("Bar / Baking & more", "What I tell\neverybody.")
    assert bread["tags"] == ["bread", "slow food"]
    assert bread["recorded_at"] == THEN
    assert (milli["recorded_at"].date(), milli["folder"]) == (date(2020, 1, 1), "Bar")
    assert (program["url"], program["recorded_at"]) == ("javascript:alert('hi')", THEN)
    assert (visited["url"], visited["recorded_at"]) == ("place:sort=8", THEN)
    assert undated["recorded_at"].date() == datetime.now(UTC).date()
    assert (intake.created, intake.duplicates, intake.rejected) == (5, 0, 1)
    (problem,) = intake.problems
    assert (problem.where, problem.why) == ("line 19", "it has neither an address nor a text")


@pytest.mark.parametrize(
    ("export", "refused"), [(POCKET, 1), (RAINDROP, 0), (KARAKEEP, 1), (LINKWARDEN, 0)]
)
def test_what_other_programs_export_comes_in_whole(
    shelf: Shelf, tmp_path: Path, export: str | dict[str, Any], refused: int
) -> None:
    intake = take_in(shelf, tmp_path, export)
    bread = stored(shelf)[0]
    assert (bread["url"], bread["recorded_at"]) == ("https://bread.example/a", THEN)
    assert bread["title"] in ("Bread", "Bread, slow")
    assert bread["tags"] == ["bread", "slow food"]
    assert intake.rejected == refused


def test_notes_folders_and_mere_texts_come_along(shelf: Shelf, tmp_path: Path) -> None:
    take_in(shelf, tmp_path, RAINDROP)
    (bread,) = stored(shelf)
    assert (bread["folder"], bread["content"]) == ("Baking", "My note\n\nIts excerpt")
    take_in(shelf, tmp_path, KARAKEEP)
    text = stored(shelf)[-1]
    assert (text["url"], text["content"]) == ("", "Knead, rest, bake.")


def test_folders_of_folders_and_the_first_date_come_along(shelf: Shelf, tmp_path: Path) -> None:
    shelves = [
        {"id": "a", "name": "Home", "parentId": "c"},
        {"id": "b", "name": "Baking", "parentId": "a"},
        {"id": "c", "name": "In a circle", "parentId": "a"},
        {"id": "d", "name": "Weekend", "parentId": None},
    ]
    entry = {**KARAKEEP["bookmarks"][0], "lists": ["b", "d", "gone"]}
    take_in(shelf, tmp_path, {"bookmarks": [entry], "lists": shelves})
    (bread,) = stored(shelf)
    assert bread["folder"].endswith("Home / Baking, Weekend")
    link = {"url": "https://b.example/", "createdAt": "2025-01-01T12:00:00Z",
            "importDate": "2020-01-01T12:00:00Z"}  # fmt: skip
    collections = [
        {"id": 1, "name": "Home", "parentId": None, "links": []},
        {"id": 2, "name": "Baking", "parentId": 1, "links": [link]},
    ]
    take_in(shelf, tmp_path, {"collections": collections})
    moved = stored(shelf)[-1]
    assert (moved["folder"], moved["recorded_at"]) == ("Home / Baking", THEN)


@pytest.mark.parametrize(
    "export",
    [
        "url;title\nhttps://bread.example/ä;Bäckerei\n".encode(),
        "url\ttitle\r\nhttps://bread.example/ä\tBäckerei\r\n".encode("utf-16"),
        "title,url\rBäckerei,https://bread.example/ä\r".encode("cp1252"),
        "<DL><DT><A HREF='https://bread.example/ä'>Bäckerei</A></DL>".encode("latin-1"),
        "<DL><DT><A HREF='https://bread.example/ä'>Bäckerei</A></DL>".encode("utf-16"),
        '[{"url": "https://bread.example/ä", "title": "Bäckerei"}]'.encode("utf-16"),
        b"\xef\xbb\xbf" + "url,title\nhttps://bread.example/ä,Bäckerei\n".encode(),
    ],
)
def test_tables_and_letters_of_every_program_are_read(
    shelf: Shelf, tmp_path: Path, export: bytes
) -> None:
    take_in(shelf, tmp_path, export)
    (bread,) = stored(shelf)
    assert (bread["url"], bread["title"]) == ("https://bread.example/ä", "Bäckerei")


def test_a_letter_cut_in_two_leaves_the_others_whole(shelf: Shelf, tmp_path: Path) -> None:
    take_in(shelf, tmp_path, "url,title\nhttps://bread.example/,Bä".encode() + "ä…".encode()[:-1])
    (bread,) = stored(shelf)
    assert bread["title"].startswith("Bää")


def test_a_text_too_long_or_broken_is_no_reason_to_lose_the_bookmark(
    shelf: Shelf, tmp_path: Path
) -> None:
    texts = ["x" * (shelf.settings.max_text_chars + 1), "half a \ud800 letter"]
    links = [{"url": f"https://a.example/{n}", "textContent": t} for n, t in enumerate(texts)]
    intake = take_in(shelf, tmp_path, {"collections": [{"name": "A", "links": links}]})
    assert intake.rejected == 0
    long, broken = stored(shelf)
    assert len(long["content"]) == shelf.settings.max_text_chars
    assert broken["content"] == "half a ? letter"


def test_broken_rows_are_listed_by_line_and_the_rest_comes_in(shelf: Shelf, tmp_path: Path) -> None:
    rows = ["url,title", "https://a.example/,A", ",nothing", f"https://b.example/{'x' * 70_000},B"]
    intake = take_in(shelf, tmp_path, "\n".join([*rows, 'https://c.example/,"C\x00"', ""]))
    assert (intake.created, intake.rejected) == (2, 2)
    assert [problem.where for problem in intake.problems] == ["line 3", "line 4"]
    assert "b.example" not in str(intake.problems)


def test_an_import_again_recognises_what_is_there(shelf: Shelf, tmp_path: Path) -> None:
    take_in(shelf, tmp_path, BROWSER)
    again = take_in(shelf, tmp_path, BROWSER)
    assert (again.created, again.duplicates) == (0, 5)
    assert len(stored(shelf)) == 5
    batches = shelf.rows("SELECT * FROM batches ORDER BY id")
    assert [(b["name"], b["created"], b["duplicates"], b["rejected"]) for b in batches] == [
        ("export", 5, 0, 1),
        ("export", 0, 5, 1),
    ]
    assert all(batch["taken_in_at"] for batch in batches)
    assert {row["batch_id"] for row in stored(shelf)} == {batches[0]["id"]}


def test_an_import_that_broke_off_goes_on(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "AT_ONCE", 10)
    rows = "\n".join(["url", *(f"https://a.example/{n}" for n in range(35))])

    def break_off(read: int, share: float) -> None:
        if read == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(shelf, tmp_path, rows, on_progress=break_off)
    assert len(stored(shelf)) == 20
    again = take_in(shelf, tmp_path, rows)
    assert (again.created, again.duplicates) == (15, 20)


def test_an_import_gives_way_to_what_is_saved_meanwhile(shelf: Shelf, tmp_path: Path) -> None:
    take_in(shelf, tmp_path, BROWSER)
    new = shelf.add("https://new.example/")
    rows = shelf.rows("SELECT id FROM records ORDER BY priority DESC, id LIMIT 1")
    assert rows == [{"id": new}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dear diary,\ntoday",
        '{"bookmarks": [',
        "name,age\nA,3\n",
        '{"roots": {"bookmark_bar": {"children": ["url"]}}}',  # Chrome's own file
        bytes(range(256)) * 300,
        b"a\rb\0\r",
    ],
)
def test_a_file_of_another_kind_is_refused(shelf: Shelf, tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(InvalidInput, match=r"export"):
        take_in(shelf, tmp_path, text)
    assert shelf.rows("SELECT * FROM batches") == []


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("<dl><dt><a href=https://a.example/>A<dt><a href='https://b.example/'>B</dl></dl>", 2),
        ("<DL><p><DT><H3>X<DL><A HREF=https://a.example/>A</A><A HREF=https://b.example/", 1),
        ("<dl><a href=https://a.example/>A <script></a><a href=https://b.example/>B <title></a>"
         "<a href=https://c.example/>C</a>", 3),
        ("<dl>" * 3000 + "<a href=https://a.example/>A</a><a href=https://b.example/>B</a>", 2),
    ],
)  # fmt: skip
def test_html_that_nobody_writes_well_is_read_leniently(
    shelf: Shelf, tmp_path: Path, text: str, added: int
) -> None:
    intake = take_in(shelf, tmp_path, text)
    assert stored(shelf)[0]["url"] == "https://a.example/"
    assert intake.created == added


def test_many_bookmarks_come_in_by_the_thousand(shelf: Shelf, tmp_path: Path) -> None:
    rows = "\n".join(["url,tags", *(f"https://a.example/{n},some|tag" for n in range(5000))])
    shares: list[float] = []
    started = perf_counter()
    intake = take_in(shelf, tmp_path, rows, on_progress=lambda _, share: shares.append(share))
    assert intake.created == 5000
    assert perf_counter() - started < 20  # a second or two where nobody else is at work
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

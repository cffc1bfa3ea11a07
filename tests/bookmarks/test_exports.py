"""What is read from the files that programs export; the small ones in `exports/` are made up."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepsake.bookmarks.exports import Entry, read_export, split_tags
from keepsake.bookmarks.imports import import_bookmarks
from tests.given import in_pool

from .shelf import Shelf
from .test_imports import stored, take_in

EXPORTS = Path(__file__).parent / "exports"


def read(text: Any) -> list[Entry]:
    """The bookmarks of a file that holds this."""
    written = text if isinstance(text, str) else json.dumps(text)
    return list(read_export(io.BytesIO(written.encode()), "export").entries)


def import_file(shelf: Shelf, name: str) -> Any:
    path = EXPORTS / name
    return in_pool(
        shelf.url, lambda pool: import_bookmarks(pool, shelf.settings, shelf.owner, path)
    )


def day(row: dict[str, Any]) -> str:
    return str(row["recorded_at"].astimezone(UTC).date())


def test_pinboard_comes_in_with_titles_tags_notes_and_days(shelf: Shelf) -> None:
    intake = import_file(shelf, "pinboard.json")
    moon, nets, plain = stored(shelf)
    assert [row["title"] for row in (moon, nets, plain)] == [
        "How the moon moves the sea",
        "Mending nets by hand",
        "Untagged",
    ]
    assert [row["tags"] for row in (moon, nets, plain)] == [
        ["for_children", "moon", "sea"],
        ["craft", "nets"],
        [],
    ]
    assert [day(row) for row in (moon, nets, plain)] == ["2019-03-04", "2021-11-23", "2014-01-02"]
    assert [row["content"] for row in (moon, nets, plain)] == [
        "Read with the children.",
        None,
        None,
    ]
    assert (intake.kind, intake.taken["title"]) == ("Pinboard (JSON)", ["description"])
    assert (intake.undated, intake.unread_dates) == (0, 0)


def test_omnivore_comes_in_with_its_days(shelf: Shelf) -> None:
    import_file(shelf, "omnivore-metadata_0_to_20.json")
    lights, knots = stored(shelf)
    assert (lights["title"], lights["tags"]) == ("Harbor lights", ["RSS", "sea"])
    assert lights["content"] == "Why they blink."
    assert [day(lights), day(knots)] == ["2023-06-01", "2022-02-03"]


def test_instapaper_comes_in_with_its_tags_and_folders(shelf: Shelf) -> None:
    import_file(shelf, "instapaper.csv")
    lights, knots = stored(shelf)
    assert (lights["tags"], knots["tags"]) == (["sea", "to read"], [])
    assert (lights["folder"], knots["folder"]) == ("Unread", "Archive")
    assert [day(lights), day(knots)] == ["2023-05-06", "2022-04-05"]


def test_wallabag_comes_in_as_text_without_markup(shelf: Shelf) -> None:
    import_file(shelf, "wallabag.json")
    (nets,) = stored(shelf)
    assert (nets["title"], nets["tags"], day(nets)) == (
        "Mending nets",
        ["craft", "sea"],
        "2018-09-08",
    )
    assert nets["content"].startswith(
        "Mending nets\nThe old man sat on the pier and mended his nets — every evening."
    )
    assert "base64" not in nets["content"]
    assert "<" not in nets["content"]


def test_addresses_that_a_script_tells_apart_are_different_bookmarks(shelf: Shelf) -> None:
    intake = import_file(shelf, "hash-addresses.html")
    assert (intake.created, intake.duplicates) == (6, 0)
    assert import_file(shelf, "hash-addresses.html").duplicates == 6


def test_a_plain_fragment_makes_no_other_bookmark(shelf: Shelf, tmp_path: Path) -> None:
    take_in(shelf, tmp_path, "url\nhttps://a.example/x\nhttps://a.example/x#part-2\n")
    assert len(stored(shelf)) == 1


def test_a_tree_of_firefox_is_read() -> None:
    links = [
        {"title": "Bread", "uri": "https://bread.example/", "dateAdded": 1577880000000000,
         "tags": "bread,slow food"},
        {"title": "", "uri": "place:sort=8"},
    ]  # fmt: skip
    menu = {"title": "menu", "children": [{"title": "Baking", "children": links}]}
    bread, _ = read({"guid": "root________", "title": "", "children": [menu]})
    assert (bread.url, bread.title, bread.folder) == (
        "https://bread.example/",
        "Bread",
        "menu / Baking",
    )
    assert (bread.tags, bread.saved) == (("bread", "slow food"), 1577880000000000)


def test_the_file_of_chrome_is_read() -> None:
    link = {"type": "url", "name": "Bread", "url": "https://bread.example/",
            "date_added": "13222353600000000"}  # fmt: skip
    bar = {"type": "folder", "name": "Bar", "children": [link]}
    (bread,) = read({"checksum": "x", "roots": {"bookmark_bar": bar, "synced": {"children": []}}})
    assert (bread.title, bread.folder, bread.saved) == ("Bread", "Bar", "13222353600000000")


def test_a_bookmark_deep_in_folders_is_found() -> None:
    tree: dict[str, Any] = {"url": "https://a.example/"}
    for _ in range(300):
        tree = {"children": [tree]}
    (entry,) = read(tree)
    assert entry.url == "https://a.example/"


@pytest.mark.parametrize(
    ("header", "row", "saved"),
    [
        ("Title,URL,ID,Document tags,Saved date", "A,https://a.example/,1,x,2023-06-01", True),
        ("Page URL,Page title", "https://a.example/,A", False),
        ("cover_url,link_url", "https://img.example/,https://a.example/", False),
        ("added_at,uri", "2023-06-01,https://a.example/", True),
    ],
)
def test_columns_are_known_by_what_programs_call_them(header: str, row: str, saved: bool) -> None:
    (entry,) = read(f"{header}\n{row}\n")
    assert (entry.url, bool(entry.saved)) == ("https://a.example/", saved)


def test_a_mere_list_of_addresses_is_read() -> None:
    found = read("https://a.example/,Bread\nhttps://b.example/,Milk\n")
    assert [(entry.url, entry.title) for entry in found] == [
        ("https://a.example/", "Bread"),
        ("https://b.example/", "Milk"),
    ]


def test_objects_within_an_object_are_found() -> None:
    (entry,) = read({"version": 2, "items": [{"url": "https://a.example/", "addedAt": 1577880000}]})
    assert (entry.url, entry.saved) == ("https://a.example/", 1577880000)


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ('["sea","to read"]', ("sea", "to read")),
        ("[]", ()),
        ("['sea', 'to read']", ("sea", "to read")),
        ("{sea,to read}", ("sea", "to read")),
        ("sea|to read", ("sea", "to read")),
        ("sea; to read", ("sea", "to read")),
        (["sea", {"label": "to read"}, {"name": "x"}, 7], ("sea", "to read", "x")),
        (None, ()),
    ],
)
def test_tags_are_read_however_they_are_written(written: Any, tags: tuple[str, ...]) -> None:
    assert split_tags(written) == tags


@pytest.mark.parametrize(
    "written",
    [
        "2020-01-01T12:00:00Z",
        "2020-01-01 12:00:00 UTC",
        "2020-01-01T12:00:00+0000",
        "2020/01/01 12:00:00",
        "Wed, 01 Jan 2020 12:00:00 GMT",
        "1577880000",
        "1577880000000",
        "13222353600000000",
    ],
)
def test_dates_are_read_however_they_are_written(
    shelf: Shelf, tmp_path: Path, written: str
) -> None:
    intake = take_in(shelf, tmp_path, [{"url": "https://a.example/", "savedAt": written}])
    (row,) = stored(shelf)
    assert row["recorded_at"] == datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert intake.unread_dates == 0


def test_dates_that_cannot_be_read_are_counted(shelf: Shelf, tmp_path: Path) -> None:
    dates = ["03/04/2021", "yesterday", "1812-01-01", "", "2021-03-04"]
    rows = [f"https://a.example/{n},{date}" for n, date in enumerate(dates)]
    intake = take_in(shelf, tmp_path, "\n".join(["url,date", *rows]))
    assert (intake.created, intake.undated, intake.unread_dates) == (5, 1, 3)


def test_what_joins_letters_stays_in_titles_tags_and_addresses(
    shelf: Shelf, tmp_path: Path
) -> None:
    title, tag = "نامه‌های پدربزرگ 👩‍👧", "خانه‌ها"
    take_in(
        shelf, tmp_path, [{"url": f"https://a.example/{tag}", "title": title, "tags": [tag, "‌"]}]
    )
    (row,) = stored(shelf)
    assert (row["title"], row["tags"]) == (title, [tag])
    assert row["url"].endswith(tag)

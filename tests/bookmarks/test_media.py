"""Media of bookmarks: which have some, what counts as a file, and where it is kept."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import APIC, ID3
from starlette.responses import HTMLResponse, Response

from keepsake.bookmarks.services import platform_of
from keepsake.bookmarks.steps.media import media_whole
from keepsake.clients.cobalt import LATER
from keepsake.database import connect
from keepsake.errors import PermanentError
from keepsake.local.ports import free_port
from keepsake.web.media import identify
from tests.bookmarks.conftest import OpensShelf
from tests.bookmarks.shelf import DAY, Shelf
from tests.doubles.cobalt import JPEG, Cobalt, Shown, film, song
from tests.doubles.server import Double
from tests.metrics.reading import times, total
from tests.recordings import record, tone

GIF = (  # one black point
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
)
LINK = "https://www.youtube.com/watch?v=bread"


class Host(Double):
    """A host of files: by path, as they are, and as whatever it calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, Response] = {}

    async def answer(self, request: Any) -> Response:
        return self.files[request.url.path]


@pytest.fixture
def cobalt(serve: Callable[[Double], str]) -> Cobalt:
    server = Cobalt()
    server.address = serve(server)
    return server


@pytest.fixture
def shelf(shelf_with: OpensShelf, cobalt: Cobalt) -> Shelf:
    """An empty shelf with a Cobalt."""
    return shelf_with(COBALT_URL=cobalt.address)


@pytest.fixture
def host(serve: Callable[[Double], str]) -> tuple[Host, str]:
    """A host of files, and its address."""
    host = Host()
    return host, serve(host)


def objects(shelf: Shelf) -> list[Path]:
    """The files of the object store."""
    return sorted(path for path in shelf.settings.objects_folder.rglob("*") if path.is_file())


# -- what is kept ---------------------------------------------------------------------------------


async def test_a_film_is_kept_by_its_content(shelf: Shelf, cobalt: Cobalt) -> None:
    cobalt.shows(LINK, Shown(film(), "Bread/in one hour.mp4"))
    record_id = shelf.add(LINK)
    report = await shelf.run("media")
    assert report.steps["media"].made == 1
    (row,) = shelf.of("media", record_id)
    checksum = sha256(film()).hexdigest()
    assert row == {
        "record_id": record_id,
        "owner_id": shelf.owner.id,
        "position": 0,
        "kind": "video",
        "object_key": f"media/{checksum}.mp4",
        "name": "Breadin one hour.mp4",
        "content_type": "video/mp4",
        "size_bytes": len(film()),
        "sha256": checksum,
        "duration": pytest.approx(1, abs=0.2),
    }
    assert [path.read_bytes() for path in objects(shelf)] == [film()]


async def test_all_of_a_picker_is_kept_in_order(shelf: Shelf, cobalt: Cobalt) -> None:
    files = [Shown(JPEG, type="photo"), Shown(film(), type="gif"), Shown(film(9))]
    cobalt.shows(LINK, *files, Shown(song(), "Song.mp3", type="audio"))
    record_id = shelf.add(LINK)
    await shelf.run("media")
    rows = shelf.of("media", record_id)
    assert [row["position"] for row in rows] == [0, 1, 2, 3]
    assert [row["kind"] for row in rows] == ["image", "video", "video", "audio"]
    assert [row["content_type"] for row in rows] == [
        "image/jpeg", "video/mp4", "video/mp4", "audio/mpeg",
    ]  # fmt: skip
    assert all(row["name"] for row in rows)


async def test_equal_content_is_one_object_whoever_saved_it(shelf: Shelf, cobalt: Cobalt) -> None:
    other = "https://vimeo.com/1"
    cobalt.shows(LINK, Shown(song(), "One.mp3"))
    cobalt.shows(other, Shown(song(), "Another.mp3"))
    ids = [shelf.add(LINK), shelf.add(other)]
    await shelf.run("media")
    (kept,) = objects(shelf)
    written = kept.stat().st_mtime_ns
    rows = [row for record_id in ids for row in shelf.of("media", record_id)]
    assert {row["object_key"] for row in rows} == {f"media/{sha256(song()).hexdigest()}.mp3"}
    assert {row["name"] for row in rows} == {"One.mp3", "Another.mp3"}
    await shelf.run("media", redo=True)
    assert kept.stat().st_mtime_ns == written, "what is there is not uploaded again"


# -- which bookmarks have media -------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "https://youtu.be/x", "https://m.youtube.com/watch?v=x", "https://vm.tiktok.com/x/",
        "https://X.com/a/status/1", "https://old.reddit.com/r/bread/comments/x",
        "https://clips.twitch.tv/x", "https://someone.tumblr.com/post/1",
    ],
)  # fmt: skip
async def test_links_of_the_services_are_known_by_their_host(
    shelf: Shelf, cobalt: Cobalt, link: str
) -> None:
    shelf.add(link)
    await shelf.run("media")
    assert len(cobalt.posts) == 1


async def test_the_sender_may_say_which_service_it_is(shelf: Shelf, cobalt: Cobalt) -> None:
    link = "https://short.example/x"
    cobalt.shows(link, Shown(film()))
    record_id = shelf.add(link, platform="TikTok")
    await shelf.run("media")
    assert shelf.of("media", record_id)


async def test_a_download_is_counted_with_its_size_and_so_is_the_stored_file(
    shelf: Shelf, cobalt: Cobalt, database_url: str
) -> None:
    data = film()
    cobalt.shows(LINK, Shown(data))
    shelf.add(LINK)
    await shelf.run("media")
    with connect(database_url) as db:
        assert total(db, "keepsake_media_download_bytes_sum") == {("youtube",): len(data)}
        assert times(db, "keepsake_media_download_duration_seconds") == {("youtube",): 1}
        assert total(db, "keepsake_object_upload_bytes_sum") == {("bookmarks",): len(data)}
        assert times(db, "keepsake_object_upload_duration_seconds") == {("bookmarks",): 1}
        assert total(db, "keepsake_records_added_total") == {("bookmarks", "youtube"): 1}
        owners = db.execute(
            "SELECT DISTINCT owner_id FROM owner_metrics"
            " WHERE metric = 'keepsake_media_download_bytes_sum'"
        ).fetchall()
    assert len(owners) == 1


@pytest.mark.parametrize(
    ("link", "platform", "name"),
    [
        ("https://youtu.be/x", None, "youtube"),
        ("https://m.youtube.com/x", "TikTok", "youtube"),
        ("https://short.example/x", "X", "twitter"),
        ("https://short.example/x", "Grandma's forum", "other"),
        ("https://short.example/x", "web", "web"),
        ("https://short.example/x", None, "web"),
        ("https://[", None, "web"),
        ("", None, "text"),
    ],
)
def test_the_platform_of_a_bookmark_is_one_of_a_few_words(
    link: str, platform: str | None, name: str
) -> None:
    assert platform_of(link, platform) == name


@pytest.mark.parametrize(
    "link", ["https://example.org/bread", "https://notyoutube.com/x", "https://netflix.com/a.b"]
)
async def test_most_bookmarks_have_none_and_nobody_is_asked(
    shelf: Shelf, cobalt: Cobalt, link: str
) -> None:
    record_id = shelf.add(link)
    report = await shelf.run("media")
    assert (report.steps["media"].made, report.steps["media"].nothing) == (0, 1)
    assert shelf.of("media", record_id) == []
    assert cobalt.seen == []


@pytest.mark.parametrize("code", ["link.unsupported", "link.invalid"])
async def test_a_page_of_a_service_that_is_no_post_has_none(
    shelf: Shelf, cobalt: Cobalt, code: str
) -> None:
    cobalt.refuses(LINK, code)
    record_id = shelf.add(LINK)
    await shelf.run("media")
    made = shelf.ledger(record_id)["media"]["status"] == "succeeded"
    assert made is (code == "link.unsupported")
    assert shelf.of("media", record_id) == []


@pytest.mark.parametrize("url", ["", "javascript://youtube.com/x", "http://[youtube.com/"])
async def test_what_is_no_link_has_none(shelf: Shelf, cobalt: Cobalt, url: str) -> None:
    record_id = shelf.add("https://example.org/")
    shelf.change("UPDATE bookmarks SET url = %s", url)
    await shelf.run("media")
    assert shelf.ledger(record_id)["media"]["status"] == "succeeded"
    assert cobalt.seen == []


async def test_a_page_that_failed_is_saved_by_media_and_by_nothing_else(
    shelf: Shelf, cobalt: Cobalt
) -> None:
    gone = f"http://127.0.0.1:{free_port()}/"
    cobalt.shows(f"{gone}film", Shown(film()))
    film_only = shelf.add(f"{gone}film", platform="tiktok")
    nothing = shelf.add(gone)
    await shelf.run()
    assert shelf.status(film_only) == "PARTIAL_SUCCESS"
    assert shelf.status(nothing) == "FAILED"


# -- files that are linked ------------------------------------------------------------------------


async def test_a_link_to_a_file_is_downloaded_without_cobalt(
    shelf: Shelf, cobalt: Cobalt, host: tuple[Host, str]
) -> None:
    server, address = host
    server.files["/Brot%20backen.MP3"] = server.files["/Brot backen.MP3"] = Response(
        song(), media_type="application/octet-stream"
    )
    record_id = shelf.add(f"{address}/Brot%20backen.MP3?from=feed")
    await shelf.run("media")
    (row,) = shelf.of("media", record_id)
    assert (row["kind"], row["name"]) == ("audio", "Brot backen.MP3")
    assert row["content_type"] == "audio/mpeg"
    assert cobalt.seen == []


async def test_a_link_into_a_private_network_is_refused(shelf: Shelf) -> None:
    record_id = shelf.add("http://example.org/a.mp3")
    shelf.change("UPDATE bookmarks SET url = 'http://10.0.0.1/a.mp3'")
    await shelf.run("media")
    assert shelf.error(record_id, "media")[0] == "AddressRefused"
    assert objects(shelf) == []


async def test_a_redirect_of_cobalt_into_a_private_network_is_refused(
    shelf: Shelf, cobalt: Cobalt
) -> None:
    cobalt.shows(LINK, Shown(elsewhere="http://169.254.169.254/latest/meta-data"))
    record_id = shelf.add(LINK)
    await shelf.run("media")
    assert shelf.error(record_id, "media")[0] == "AddressRefused"


# -- what does not count --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"<!doctype html><html><body>Sorry</body></html>", b"\0" * 5000, b"#EXTM3U\n/etc/x\n"]
)
async def test_what_is_no_media_is_refused_whatever_it_is_called(
    shelf: Shelf, cobalt: Cobalt, data: bytes
) -> None:
    cobalt.shows(LINK, Shown(data, "A film.mp4"))
    record_id = shelf.add(LINK)
    await shelf.run("media")
    kind, message = shelf.error(record_id, "media")
    assert kind == "PermanentError"
    assert "neither film, sound nor a picture" in message
    assert (shelf.of("media", record_id), objects(shelf)) == ([], [])


async def test_a_page_in_place_of_a_linked_file_is_refused(
    shelf: Shelf, host: tuple[Host, str]
) -> None:
    server, address = host
    server.files["/a.mp4"] = HTMLResponse("<html>Log in</html>")
    record_id = shelf.add(f"{address}/a.mp4")
    await shelf.run("media")
    assert shelf.error(record_id, "media")[0] == "PermanentError"


async def test_two_gigabytes_are_refused_from_cobalt(shelf: Shelf, cobalt: Cobalt) -> None:
    cobalt.shows(LINK, Shown(film()))
    cobalt.trouble.append("huge")
    record_id = shelf.add(LINK)
    await shelf.run("media")
    kind, message = shelf.error(record_id, "media")
    assert kind == "PermanentError"
    assert "MAX_MEDIA_MB" in message


async def test_a_large_linked_file_is_refused(shelf: Shelf, host: tuple[Host, str]) -> None:
    server, address = host
    server.files["/a.mp4"] = Response(bytes(1_100_000))
    record_id = shelf.add(f"{address}/a.mp4")
    with shelf.under(MAX_MEDIA_MB="1") as small:
        await small.run("media")
    assert shelf.error(record_id, "media")[0] == "TooLarge"


# -- trouble --------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["empty", "broken", "short"])
async def test_a_tunnel_that_fails_is_asked_for_anew(
    shelf: Shelf, cobalt: Cobalt, trouble: str
) -> None:
    cobalt.shows(LINK, Shown(film()))
    cobalt.trouble.append(trouble)
    record_id = shelf.add(LINK)
    await shelf.run("media")
    assert shelf.of("media", record_id)
    assert (len(cobalt.posts), cobalt.downloads) == (2, 2)


async def test_tunnels_that_stay_empty_fail_this_bookmark_alone(
    shelf: Shelf, cobalt: Cobalt
) -> None:
    other = "https://vimeo.com/1"
    cobalt.shows(LINK, Shown(b""))
    cobalt.shows(other, Shown(film()))
    empty, well = shelf.add(LINK), shelf.add(other)
    await shelf.run("media")
    assert shelf.error(empty, "media")[0] == "RetryableError"
    assert shelf.ledger(empty)["media"]["status"] == "failed"
    assert shelf.of("media", well)


async def test_a_cobalt_that_is_gone_puts_bookmarks_off(shelf: Shelf) -> None:
    ids = [shelf.add(f"{LINK}{number}") for number in range(3)]
    with shelf.under(COBALT_URL=f"http://127.0.0.1:{free_port()}") as lonely:
        report = await lonely.run("media")
    assert (report.steps["media"].deferred, report.steps["media"].failed) == (3, 0)
    assert {shelf.ledger(i)["media"]["status"] for i in ids} == {"pending"}


async def test_what_a_service_refuses_today_is_tried_in_some_hours(
    shelf: Shelf, cobalt: Cobalt
) -> None:
    cobalt.refuses(LINK, "content.video.live")
    record_id = shelf.add(LINK)
    await shelf.run("media")
    row = shelf.ledger(record_id)["media"]
    assert row["status"] == "pending"
    assert row["due_at"] - row["finished_at"] == pytest.approx(
        timedelta(seconds=LATER), abs=timedelta(minutes=1)
    )


async def test_no_more_than_so_many_are_downloaded_at_once(shelf: Shelf, cobalt: Cobalt) -> None:
    for number in range(6):
        cobalt.shows(f"{LINK}{number}", Shown(film(number)))
        shelf.add(f"{LINK}{number}")
    cobalt.delay = 0.02
    report = await shelf.run("media")
    assert report.steps["media"].made == 6
    assert cobalt.peak <= 2


# -- looking into files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "content_type"),
    [
        ("a.m4a", "aac", "audio/mp4"),
        ("a.webm", "libopus", "audio/webm"),
        ("a.ogg", "libopus", "audio/ogg"),
        ("a.flac", "flac", "audio/flac"),
        ("a.wav", "pcm_s16le", "audio/wav"),
    ],
)
def test_sound_of_every_kind(tmp_path: Path, name: str, codec: str, content_type: str) -> None:
    found = identify(record(tone(1), tmp_path / name, codec=codec, rate=48_000))
    assert (found.kind, found.content_type) == ("audio", content_type)
    assert found.duration == pytest.approx(1, abs=0.1)


def test_a_song_with_its_cover_is_no_film(tmp_path: Path) -> None:
    path = record(tone(1), tmp_path / "a.mp3", codec="libmp3lame")
    tags = ID3()  # type: ignore[no-untyped-call]
    tags.add(APIC(mime="image/gif", type=3, data=GIF))  # type: ignore[no-untyped-call]
    tags.save(path)
    assert identify(path).kind == "audio"


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
    ],
)
def test_pictures_of_every_kind(tmp_path: Path, head: bytes, content_type: str) -> None:
    (tmp_path / "a").write_bytes(head + bytes(100))
    assert identify(tmp_path / "a").content_type == content_type


def test_a_film_cut_off_before_its_index(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(film()[: len(film()) // 2])
    with pytest.raises(PermanentError):
        identify(tmp_path / "a")


# -- the check ------------------------------------------------------------------------------------


async def test_the_check_finds_files_without_size_or_checksum(shelf: Shelf, cobalt: Cobalt) -> None:
    links = [f"{LINK}{number}" for number in range(3)]
    for link in links:
        cobalt.shows(link, Shown(film()))
    _, empty, unsummed = (shelf.add(link) for link in links)
    await shelf.run("media")
    with connect(shelf.url) as db:
        assert (media_whole(db, DAY).checked, media_whole(db, DAY).bad) == (3, [])
    shelf.change("UPDATE media SET size_bytes = 0 WHERE record_id = %s", empty)
    shelf.change("UPDATE media SET sha256 = '' WHERE record_id = %s", unsummed)
    with connect(shelf.url) as db:
        assert sorted(media_whole(db, DAY).bad) == sorted([empty, unsummed])

"""Reading activity files: what is recognised, what is refused, and what a beginning tells."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fit_tool.fit_file_builder import FitFileBuilder
from fit_tool.profile.messages.file_id_message import FileIdMessage
from fit_tool.profile.messages.record_message import RecordMessage
from fit_tool.profile.messages.session_message import SessionMessage
from fit_tool.profile.profile_type import FileType, Manufacturer, Sport

from keepsake.errors import PermanentError
from keepsake.running.files import read_start, read_track, unpack
from tests.running.activity_files import MORNING, Run, fit, fit_file, gpx, steady, tcx

WRITERS = pytest.mark.parametrize("write", [fit, gpx, tcx], ids=["fit", "gpx", "tcx"])
Writer = Callable[[Run], bytes]


@WRITERS
def test_a_file_is_known_by_its_content(write: Writer) -> None:
    start = read_start(write(steady()))
    assert (start.format, start.started_at) == (write.__name__, MORNING)


@WRITERS
def test_a_packed_file_is_unpacked(write: Writer) -> None:
    assert read_start(gzip.compress(write(steady()))).started_at == MORNING


@WRITERS
def test_the_beginning_of_a_file_tells_its_start(write: Writer) -> None:
    whole = write(steady(minutes=10))
    assert read_start(whole[: len(whole) // 2]).started_at == MORNING


@WRITERS
def test_the_track_has_every_point(write: Writer) -> None:
    track = read_track(write(steady(minutes=2, every=5)))
    assert len(track.seconds) == 25
    assert track.seconds[-1] == 120
    assert track.distance[-1] == pytest.approx(400, abs=0.02)
    assert set(track.heart_rate) == {150}
    assert track.sport == "running"
    assert track.issues == ()


def test_a_fit_file_of_another_writer_is_read() -> None:
    builder = FitFileBuilder(auto_define=True)
    head = FileIdMessage()
    head.type, head.manufacturer = FileType.ACTIVITY, Manufacturer.DEVELOPMENT.value
    head.time_created = round(MORNING.timestamp() * 1000)
    builder.add(head)
    for i in range(61):
        record = RecordMessage()
        record.timestamp = round(MORNING.timestamp() * 1000) + i * 1000
        record.position_lat, record.position_long = 52.5 + i * 1e-5, 13.4
        record.distance, record.heart_rate, record.enhanced_altitude = i * 3.0, 140, 34.0 + i
        builder.add(record)
    session = SessionMessage()
    session.sport, session.timestamp = Sport.RUNNING, round(MORNING.timestamp() * 1000) + 60_000
    builder.add(session)
    track = read_track(builder.build().to_bytes())
    assert (track.started_at, track.sport, track.seconds[-1]) == (MORNING, "running", 60)
    assert track.distance[-1] == pytest.approx(180)
    assert track.elevation[-1] == pytest.approx(94)


def test_a_fit_file_cut_before_its_first_point_says_how_much_of_it_is_there() -> None:
    whole = fit(steady())
    with pytest.raises(PermanentError, match=rf"breaks off after 60 of {len(whole):,} bytes"):
        read_track(whole[:60])


def test_padding_behind_a_fit_file_does_no_harm() -> None:
    assert len(read_track(fit(steady(minutes=2)) + bytes(10)).seconds) == 121


def test_bytes_that_are_no_messages_are_no_fit_file() -> None:
    with pytest.raises(PermanentError, match="cannot be decoded"):
        read_track(fit_file(b"\x07\xff\x00\x00" * 40))


@pytest.mark.parametrize("kind", [2, 5, 6])
def test_a_fit_file_that_holds_no_activity_is_refused(kind: int) -> None:
    definition = b"\x40\x00\x00\x00\x00\x01\x00\x01\x00"
    with pytest.raises(PermanentError, match="is no activity"):
        read_start(fit_file(definition + bytes([0, kind])))


def test_a_markup_file_that_breaks_off_before_its_first_point_says_so() -> None:
    with pytest.raises(PermanentError, match="breaks off in line"):
        read_track(gpx(steady(minutes=10))[:300])


def test_a_gpx_file_without_times_has_no_start() -> None:
    file = gpx(steady(minutes=1), times=False)
    for read in (read_start, read_track):
        with pytest.raises(PermanentError, match="the GPX file has no times"):
            read(file)


def test_a_gpx_file_without_points_says_so() -> None:
    with pytest.raises(PermanentError, match="the GPX file has no track points"):
        read_start(b"<gpx><wpt lat='1' lon='2'><time>2026-01-01T00:00:00Z</time></wpt></gpx>")


def test_a_course_in_a_tcx_file_is_no_activity() -> None:
    file = tcx(steady(minutes=1)).decode().replace("Activities>", "Courses>")
    course = file.replace('<Activity Sport="Running">', "<Course>").replace("Activity>", "Course>")
    for read in (read_start, read_track):
        with pytest.raises(PermanentError, match="is no activity: it holds a course"):
            read(course.encode())


@pytest.mark.parametrize(
    ("where", "with_another"),
    [
        ("<metadata>", '<metadata><link href="a"><type>text/html</type></link>'),
        ("<trk>", '<wpt lat="1" lon="2"><type>Flag</type></wpt><trk>'),
        ("<trk>", '<trk><link href="a"><type>text/html</type></link>'),
    ],
    ids=["metadata", "waypoint", "track"],
)
def test_the_sport_is_the_type_of_the_track_and_of_nothing_else(
    where: str, with_another: str
) -> None:
    file = gpx(steady(minutes=1)).decode().replace(where, with_another, 1)
    assert read_track(file.encode()).sport == "running"


def test_cluetrust_s_names_for_heart_rate_and_cadence_are_known() -> None:
    file = gpx(steady(minutes=1)).replace(b"gpxtpx:cad", b"gpxtpx:cadence")
    track = read_track(file.replace(b"TrackPointExtension/v1", b"GPXDATA/1/0"))
    assert (set(track.heart_rate), set(track.cadence)) == ({150}, {85})


def test_blanks_before_the_declaration_do_no_harm() -> None:
    assert read_start(b"          " + tcx(steady(minutes=1))).started_at == MORNING


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(encoding: str) -> None:
    text = gpx(steady(minutes=1)).decode().replace("UTF-8", encoding.removesuffix("-sig").upper())
    assert read_start(text.encode(encoding)).started_at == MORNING


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-09-06T05:30:00Z", MORNING),
        ("2026-09-06T05:30:00", MORNING),
        ("2026-09-06T07:30:00+02:00", MORNING),
        ("2026-09-06T05:30:00.250Z", MORNING + timedelta(milliseconds=250)),
    ],
)
def test_times_are_read_as_people_write_them(said: str, meant: datetime) -> None:
    file = (
        f"<gpx><trk><trkseg><trkpt lat='1' lon='2'><time>{said}</time></trkpt></trkseg></trk></gpx>"
    )
    assert read_start(file.encode()).started_at == meant.astimezone(UTC)


BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<gpx><trk><name>&lol1;</name></trk></gpx>"""
OUTSIDE = b'<!DOCTYPE gpx SYSTEM "file:///etc/passwd"><gpx/>'


@pytest.mark.parametrize("file", [BILLION_LAUGHS, OUTSIDE], ids=["laughs", "outside"])
def test_document_types_and_entities_are_refused(file: bytes) -> None:
    for read in (read_start, read_track):
        with pytest.raises(PermanentError, match="refused"):
            read(file)


def test_a_gzip_bomb_ends_early() -> None:
    bomb = gzip.compress(bytes(20_000_000))
    with pytest.raises(PermanentError, match="more than 1 MB unpacked"):
        unpack(bomb, most_bytes=1_000_000)


def test_a_gzip_file_that_breaks_off_gives_what_comes_before_and_says_so() -> None:
    whole = fit(steady())
    packed = gzip.compress(whole)
    found = unpack(packed[: len(packed) // 2])
    assert found.flaw == "cut_off"
    assert whole.startswith(found.data)
    with pytest.raises(PermanentError, match="damaged or empty"):
        unpack(packed[:12])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"hello, world", "none of FIT, GPX or TCX"),
        (b"<html><body>Sign in</body></html>", "neither GPX nor TCX"),
        (b"<kml><Placemark/></kml>", "neither GPX nor TCX"),
    ],
)
def test_what_is_no_activity_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        read_start(data)


def test_looking_at_a_start_loads_no_numpy() -> None:
    code = (
        "import sys, pathlib; from keepsake.running.files import read_start;"
        "from keepsake.running.facts import Facts;"
        "read_start(sys.stdin.buffer.read()); print('numpy' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        input=fit(steady(minutes=1)),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert said.stdout.strip() == b"False"

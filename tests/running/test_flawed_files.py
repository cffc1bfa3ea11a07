"""Activity files as people have them: what other programs take in is taken in, and said."""

import gzip
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keepsake.errors import PermanentError
from keepsake.running.compute import compute
from keepsake.running.facts import Facts, Issue
from keepsake.running.files import read_start, read_track
from keepsake.running.packed import examine
from keepsake.running.remarks import REMARKS, remarks
from tests.running.activity_files import (
    MORNING,
    Run,
    fit,
    fit_file,
    gpx,
    steady,
    tcx,
)
from tests.running.fit_messages import (
    FILE_ID,
    START,
    TRIATHLON,
    array,
    length,
    record,
    session,
    swim,
)

Writer = Callable[[Run], bytes]
FILES = Path(__file__).parent / "files"


def facts_of(name: str) -> Facts:
    return compute((FILES / name).read_bytes())


def issues(facts: Facts) -> dict[str, int]:
    return {issue.kind: issue.count for issue in facts.issues}


@pytest.mark.parametrize(
    ("name", "metres", "found"),
    [
        ("activity-then-settings.fit", 5985, {"file_behind": 1}),
        ("no-checksum-at-the-end.fit", 5985, {"not_closed": 1}),
        ("checksum-zero.fit", 5985, {"not_closed": 1}),
        ("ampersand-in-the-name.gpx", 787, {"bare_ampersand": 1, "no_heart_rate": 60}),
        ("bom-and-line-break.gpx", 787, {"no_heart_rate": 60}),
        ("prefix-not-declared.gpx", 787, {"undeclared_prefix": 1}),
        ("decimal-comma.gpx", 787, {"decimal_comma": 180, "no_heart_rate": 60}),
    ],
)
def test_a_file_with_a_flaw_is_read_and_the_flaw_is_told(
    name: str, metres: float, found: dict[str, int]
) -> None:
    facts = facts_of(name)
    assert facts.sport == "running"
    assert facts.distance == pytest.approx(metres, abs=0.5)
    assert issues(facts) == found


def test_heart_rates_under_a_prefix_that_is_not_declared_are_read() -> None:
    assert facts_of("prefix-not-declared.gpx").heart_rate == pytest.approx(134.6, abs=0.1)


def test_every_flaw_is_told_in_words() -> None:
    facts = facts_of("decimal-comma.gpx")
    assert remarks(facts.issues) == [
        "180 numbers have a decimal comma",
        "the file has no heart rate to go by",
    ]
    assert all("".join(words).isprintable() for words in REMARKS.values())


def test_one_of_a_kind_is_told_as_one() -> None:
    pauses = [Issue("pause", 1), Issue("pause", 2)]
    assert remarks(pauses) == ["1 pause", "2 pauses"]
    alone = remarks(Issue(kind, 1) for kind in REMARKS if kind != "part_of_file")
    assert [words for words in alone if re.search(r"\b1 (\w+s|times)\b", words)] == []


class TestWhatOnlyTheSessionKnows:
    def test_is_the_distance_of_a_pool(self) -> None:
        facts = facts_of("pool-swim.fit")
        assert (facts.sport, facts.distance, facts.moving) == ("swimming", 1200, 899)
        assert facts.pace == pytest.approx(749.2, abs=0.1)
        assert issues(facts) == {"distance_from_session": 1}

    def test_is_the_distance_of_a_treadmill_that_counts_as_a_race(self) -> None:
        indoors = replace(steady(minutes=25), latitude=None, longitude=None, distance=None)
        file = fit(indoors)
        at = file.rindex(struct.pack("<I", 0) + file[-2:])  # the session's distance is its last
        body = file[14:at] + struct.pack("<I", 499_000)
        facts = compute(fit_file(body))
        assert (facts.distance, facts.best_efforts) == (4990, {"5000": 1500})

    def test_is_the_time_of_records_without_times(self) -> None:
        facts = facts_of("records-without-times.fit")
        assert facts.started_at == datetime(2026, 5, 8, 6, tzinfo=UTC)
        assert (facts.sport, facts.distance, facts.elapsed) == ("swimming", 1000, 1100)
        assert issues(facts) == {"no_time": 40, "no_points": 1}

    def test_is_the_mean_heart_rate_of_a_swim(self) -> None:
        facts = compute(swim(records=[{}] * 60, heart_rate=131))
        assert (facts.heart_rate, facts.max_heart_rate, facts.zones) == (131, None, ())
        assert issues(facts)["heart_rate_from_session"] == 1


class TestAPoolSwim:
    # Two lengths in a minute, half a minute at the wall, two lengths in a minute.
    LENGTHS = (
        length(0, 30, swum=True),
        length(30, 30, swum=True),
        length(60, 30, swum=False),
        length(90, 30, swum=True),
        length(120, 30, swum=True),
    )

    def test_has_its_distance_length_by_length(self) -> None:
        facts = compute(swim([{"heart_rate": 120}] * 151, self.LENGTHS))
        assert (facts.distance, facts.elapsed, facts.moving) == (100, 150, 120)
        assert issues(facts) == {"distance_from_lengths": 1, "pause": 1}

    def test_of_which_only_the_lengths_were_recorded_is_one_too(self) -> None:
        facts = compute(fit_file(FILE_ID + b"".join(self.LENGTHS) + session(0, 150, 5, 100)))
        assert (facts.distance, facts.elapsed, facts.moving) == (100, 150, 120)

    def test_has_the_heart_rate_that_a_strap_stored_under_water(self) -> None:
        # The strap's clock showed 5,000 ticks of 1/1024 s at the start; a beat is told each second.
        first = array(
            132,
            (253, struct.pack("<I", START), 0x86),
            (9, struct.pack("<I", 5000), 0x86),
            (6, bytes([110]), 0x02),
        )
        ticks = [5000 + 1024 * second for second in range(1, 121)]
        later = []
        for at in range(0, 120, 8):
            packed = b"".join(
                bytes([a & 0xFF, (a >> 8 & 0x0F) | (b & 0x0F) << 4, b >> 4 & 0xFF])
                for a, b in zip(ticks[at : at + 8 : 2], ticks[at + 1 : at + 8 : 2], strict=True)
            )
            beats = bytes(111 + (at + i) // 12 for i in range(8))
            later.append(array(132, (10, packed, 0x0D), (6, beats, 0x02)))
        file = swim([{}] * 121, [first, *later])
        facts = compute(file)
        assert facts.max_heart_rate == 120
        assert facts.heart_rate == pytest.approx(115.5, abs=0.2)
        assert issues(facts)["heart_rate_from_strap"] == 1


class TestAFileThatBreaksOff:
    def test_gives_what_came_before_as_fit(self) -> None:
        whole = fit(steady(minutes=30))
        facts = compute(whole[: len(whole) // 2])
        assert 800 < facts.elapsed < 1000
        assert facts.distance == pytest.approx(facts.elapsed / 0.3, abs=0.1)
        assert issues(facts) == {"cut_off": 1, "no_sport": 1}  # its end would say

    @pytest.mark.parametrize("write", [gpx, tcx])
    def test_gives_what_came_before_as_markup(self, write: Writer) -> None:
        whole = write(steady(minutes=30))
        facts = compute(whole[: len(whole) // 2])
        assert 800 < facts.elapsed < 1000
        assert facts.distance == pytest.approx(facts.elapsed / 0.3, abs=0.1)
        assert issues(facts) == {"cut_off": 1}

    def test_gives_what_came_before_as_gzip(self) -> None:
        packed = gzip.compress(fit(steady(minutes=30)), mtime=0)
        facts = compute(packed[: len(packed) // 2])
        assert facts.elapsed > 300
        assert issues(facts) == {"cut_off": 1, "no_sport": 1}

    def test_because_the_device_lost_power_has_no_size_in_its_header(self) -> None:
        whole = bytearray(fit(steady(minutes=30)))
        whole[4:8] = bytes(4)
        facts = compute(bytes(whole[:-30]))
        assert facts.elapsed > 1790
        assert issues(facts)["cut_off"] == 1

    @pytest.mark.parametrize("write", [fit, gpx, tcx])
    def test_is_told_as_it_comes_in(self, write: Writer) -> None:
        whole = write(steady(minutes=2))
        assert examine(whole, most_bytes=10**7).whole
        assert not examine(whole[:-20], most_bytes=10**7).whole
        assert not examine(gzip.compress(whole)[:-20], most_bytes=10**7).whole

    def test_before_its_first_point_is_refused(self) -> None:
        with pytest.raises(PermanentError, match="breaks off"):
            compute(gpx(steady(minutes=1))[:300])


class TestDamage:
    def test_of_a_byte_is_told_by_the_checksum(self) -> None:
        damaged = bytearray(fit(steady(minutes=20)))
        damaged[500] ^= 1
        facts = compute(bytes(damaged))
        assert facts.elapsed == 1200
        assert issues(facts)["checksum_mismatch"] == 1

    def test_in_the_middle_of_a_fit_file_leaves_what_came_before(self) -> None:
        whole = fit(steady(minutes=20))
        half = len(whole) // 2
        facts = compute(whole[:half] + b"\x0f" * (len(whole) - half))  # messages of no definition
        assert 550 < facts.elapsed < 650
        assert issues(facts)["damaged"] == 1

    def test_in_the_middle_of_markup_leaves_what_came_before(self) -> None:
        whole = gpx(steady(minutes=20))
        half = whole.index(b"<trkpt", len(whole) // 2)
        facts = compute(whole[:half] + b"</wrong><" + whole[half:])
        assert 550 < facts.elapsed < 650
        assert issues(facts) == {"damaged": 1}

    def test_of_the_checksum_of_a_gzip_file_loses_nothing(self) -> None:
        packed = gzip.compress(fit(steady(minutes=20)), mtime=0)
        facts = compute(packed[:-8] + bytes(8))
        assert facts.elapsed == 1200
        assert issues(facts) == {"checksum_mismatch": 1}


class TestMarkupThatIsNotQuiteXml:
    RUN = gpx(steady(minutes=5))

    @pytest.mark.parametrize(
        ("found", "put", "kind"),
        [
            (b"A run", b"Rain & wind &nbsp; &uuml;ber", "bare_ampersand"),
            (b"A run", b"bell\x07 and null\x00", "forbidden_character"),
            (b"A run", "Strände".encode("latin-1"), "wrong_encoding"),
            (b'encoding="UTF-8"', b'encoding="utf-16"', "wrong_encoding"),
            (b'encoding="UTF-8"', b'encoding="klingon"', "wrong_encoding"),
            (b' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1"', b"",
             "undeclared_prefix"),
            (b"<ele>100.00</ele>", b"<ele>high</ele>", "unreadable_number"),
        ],
    )  # fmt: skip
    def test_is_read_as_other_programs_read_it(self, found: bytes, put: bytes, kind: str) -> None:
        assert found in self.RUN
        file = self.RUN.replace(found, put)
        facts = compute(file)
        assert facts.distance == pytest.approx(1000, abs=0.1)
        assert facts.heart_rate == 150
        assert list(issues(facts)) == [kind]
        assert read_start(file).started_at == MORNING

    def test_with_something_behind_its_end_is_read(self) -> None:
        facts = compute(self.RUN + b"\n</gpx>\n")
        assert facts.elapsed == 300

    @pytest.mark.parametrize(
        "hidden", [b'<!DOCTYPE gpx SYSTEM "file:///etc/passwd">', b'<!ENTITY a "b">']
    )
    def test_hides_no_entities_behind_a_fault(self, hidden: bytes) -> None:
        for file in (b"&" + hidden + self.RUN, self.RUN.replace(b"A run", b"a & b" + hidden)):
            for read in (read_start, compute):
                with pytest.raises(PermanentError):
                    read(file)

    def test_takes_no_time_that_grows_faster_than_the_file(self) -> None:
        # Whatever the prefixes and ampersands, the bytes are looked through a few times only.
        many = b"".join(b"<p%d:x>&</p%d:x>" % (at, at) for at in range(90)) * 250
        file = self.RUN.replace(b"A run", many)
        assert issues(compute(file))["bare_ampersand"] == 22_500


class TestLaps:
    def test_that_follow_each_other_are_no_pauses(self) -> None:
        facts = facts_of("laps-without-a-stop.tcx")
        assert (facts.elapsed, facts.moving) == (1290, 1290)
        assert issues(facts) == {"no_heart_rate": 216}

    def test_as_segments_of_a_gpx_track_add_their_distance_too(self) -> None:
        run = replace(steady(minutes=20, every=5), pauses=frozenset({60, 120, 180}))
        facts = compute(gpx(run))
        assert (facts.elapsed, facts.moving) == (1200, 1200)
        assert facts.distance == pytest.approx(4000, abs=0.1)
        assert facts.issues == ()

    @pytest.mark.parametrize("write", [fit, gpx, tcx])
    def test_marks_at_the_usual_step_are_none_in_any_format(self, write: Writer) -> None:
        run = replace(steady(minutes=20), pauses=frozenset({300, 600, 900}))
        facts = compute(write(run))
        assert (facts.moving, facts.issues) == (1200, ())

    def test_with_a_stop_between_them_are(self) -> None:
        def lap(start: int, metres: int) -> str:
            points = "".join(
                f"<Trackpoint><Time>{MORNING + timedelta(seconds=start + s):%Y-%m-%dT%H:%M:%SZ}"
                f"</Time><DistanceMeters>{metres + s * 3}</DistanceMeters></Trackpoint>"
                for s in range(0, 301, 5)
            )
            began = MORNING + timedelta(seconds=start)
            return (
                f'<Lap StartTime="{began:%Y-%m-%dT%H:%M:%SZ}"><TotalTimeSeconds>300'
                f"</TotalTimeSeconds><Track>{points}</Track></Lap>"
            )

        laps = lap(0, 0) + lap(300 + 7200, 900)  # two hours at a café, and a few steps within it
        file = f"<TrainingCenterDatabase><Activities><Activity Sport='Running'>{laps}"
        facts = compute(f"{file}</Activity></Activities></TrainingCenterDatabase>".encode())
        assert (facts.elapsed, facts.moving) == (7800, 600)
        assert issues(facts) == {"no_heart_rate": 122, "pause": 1}


class TestSeveralActivitiesInOneFile:
    def test_are_those_of_its_sessions_without_the_transitions(self) -> None:
        found = [compute(TRIATHLON, part=part) for part in (1, 2, 3)]
        assert [facts.sport for facts in found] == ["swimming", "cycling", "running"]
        assert [round(facts.distance) for facts in found] == [400, 11_900, 3600]
        assert [facts.started_at - MORNING for facts in found] == [
            timedelta(seconds=seconds) for seconds in (0, 660, 1860)
        ]
        assert all(issues(facts)["part_of_file"] == 3 for facts in found)

    def test_are_told_as_the_file_comes_in(self) -> None:
        found = examine(TRIATHLON, most_bytes=10**7)
        assert found.started_at == MORNING
        assert found.others == (MORNING + timedelta(seconds=660), MORNING + timedelta(seconds=1860))

    def test_are_no_more_than_there_are(self) -> None:
        with pytest.raises(PermanentError, match="no activity 4"):
            compute(TRIATHLON, part=4)

    def test_are_not_the_sessions_of_one_sport(self) -> None:
        points = b"".join(record(s, heart_rate=120) for s in range(0, 600, 10))
        two = FILE_ID + points + session(0, 300, 1, 900) + session(300, 300, 1, 800)
        facts = compute(fit_file(two))
        assert (facts.distance, facts.elapsed) == (1700, 590)
        assert examine(fit_file(two), most_bytes=10**7).others == ()

    def test_are_the_activities_of_chained_fit_files(self) -> None:
        later = MORNING + timedelta(hours=2)
        chained = fit(steady(minutes=2)) + fit(steady(later, minutes=3))
        assert [compute(chained, part=part).elapsed for part in (1, 2)] == [120, 180]
        assert examine(chained, most_bytes=10**7).others == (later,)

    def test_are_the_activities_of_a_tcx_file(self) -> None:
        later = MORNING + timedelta(days=1)
        one, two = (tcx(steady(start, minutes=m)) for start, m in ((MORNING, 2), (later, 3)))
        begin, end = b"<Activities>", b"</Activities>"
        second = two[two.index(begin) + len(begin) : two.index(end)]
        both = one.replace(end, second + end)
        assert [compute(both, part=part).elapsed for part in (1, 2)] == [120, 180]
        assert examine(both, most_bytes=10**7).others == (later,)

    def test_are_tracks_of_different_sports_in_a_gpx_file(self) -> None:
        later = MORNING + timedelta(hours=1)
        run, ride, more = (
            gpx(steady(start, minutes=2, sport=sport))
            for start, sport in (
                (MORNING, "running"), (later, "cycling"), (later + timedelta(hours=1), "cycling"),
            )
        )  # fmt: skip
        tracks = [file[file.index(b"<trk>") : file.index(b"</gpx>")] for file in (ride, more)]
        file = run.replace(b"</gpx>", b"".join(tracks) + b"</gpx>")
        assert examine(file, most_bytes=10**7).others == (later,)
        found = [compute(file, part=part) for part in (1, 2)]
        assert [(facts.sport, facts.moving) for facts in found] == [
            ("running", 120), ("cycling", 240),
        ]  # fmt: skip


def test_numbers_of_a_run_do_not_depend_on_how_its_file_was_mended() -> None:
    whole = gpx(steady(minutes=5))
    flawed = compute(whole.replace(b"A run", b"a & b"))
    assert replace(flawed, issues=()) == replace(compute(whole), issues=())


def test_a_file_of_nothing_but_faults_is_refused() -> None:
    for file in (b"<gpx>&&&&", b"<gpx:gpx><trk>", b"\xef\xbb\xbf\r\n<"):
        with pytest.raises(PermanentError):
            compute(file)


def test_a_run_by_hand_has_its_points_in_order() -> None:
    run = Run(MORNING, np.arange(0.0, 60), distance=np.arange(0.0, 60) * 3)
    assert read_track(tcx(run)).seconds[-1] == 59

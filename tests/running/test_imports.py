"""Taking activities in: what becomes a record, what is known already, what is refused."""

import asyncio
import gzip
import os
import stat
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepsake.cli import app
from keepsake.errors import InvalidInput
from keepsake.running import archives, imports
from keepsake.running.archives import MOST_GROWTH
from keepsake.worker_pool import WorkerFailed, WorkerPool

from .activity_files import fit_file, steady
from .activity_files import gpx as gpx_of
from .conftest import OpensJournal
from .fit_messages import TRIATHLON
from .journal import MORNING, Journal, archive, gpx, listing, tcx

FILES = Path(__file__).parent / "files"


def days(count: int) -> list[datetime]:
    return [MORNING + timedelta(days=day) for day in range(count)]


def test_a_file_becomes_a_record_of_its_start(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "run.gpx").write_bytes(gpx())
    added = journal.add(tmp_path / "run.gpx", title="Along  the river", priority="urgent")
    [file] = journal.files
    assert added.created
    assert (file["recorded_at"], file["priority"]) == (MORNING, 10)
    assert (file["format"], file["title"]) == ("gpx", "Along the river")
    assert journal.objects == [file["file_key"]]
    assert (journal.settings.objects_folder / file["file_key"]).read_bytes() == gpx()


def test_adding_a_file_again_says_which_record_it_is(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "run.gpx").write_bytes(gpx())
    first = journal.add(tmp_path / "run.gpx")
    (tmp_path / "run.gpx").rename(tmp_path / "renamed.xml")
    again = journal.add(tmp_path / "renamed.xml")
    assert (again.record_id, again.created) == (first.record_id, False)


@pytest.mark.parametrize("packed", [True, False])
def test_an_export_in_a_folder_of_another_keeps_its_titles(
    journal: Journal, tmp_path: Path, packed: bool
) -> None:
    members = {
        "export_1/activities.csv": listing(("", "Fast", "Ride", "activities/a.gpx")),
        "export_1/activities/a.gpx": gpx(),
        "__MACOSX/export_1/activities/._a.gpx": b"what macOS puts beside every file",
    }
    path = archive(tmp_path / "again.zip", members)
    if not packed:
        with zipfile.ZipFile(path) as opened:
            opened.extractall(path := tmp_path / "folder")
    imported = journal.take_in(path)
    assert (imported.created, imported.rejected) == (1, 0)
    [file] = journal.files
    assert (file["title"], file["sport"]) == ("Fast", "Ride")


def test_a_folder_is_not_added_but_imported(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder: `keepsake import activities`"):
        journal.add(tmp_path)


def test_a_folder_is_read_to_its_depths(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "2026"
    folder.mkdir(parents=True)
    one, two = days(2)
    (tmp_path / "runs" / "one.gpx").write_bytes(gpx(one))
    (folder / "two.TCX").write_bytes(tcx(two))
    (folder / "notes.txt").write_text("nothing")
    imported = journal.take_in(tmp_path / "runs")
    assert (imported.created, imported.rejected) == (2, 0)
    assert [f["format"] for f in journal.files] == ["gpx", "tcx"]
    assert {f["priority"] for f in journal.files} == {-10}


def test_an_export_gives_names_and_sports(journal: Journal, tmp_path: Path) -> None:
    file = archive(
        tmp_path / "export.zip",
        {
            "activities.csv": listing(
                ("Jun 7, 2026, 6:30:00\u202fAM", "Sunday, long", "Run", "activities/1.gpx.gz")
            ),
            "activities/1.gpx.gz": gpx(),
            "media/photo.jpg": b"no activity",
        },
    )
    imported = journal.take_in(file)
    [row] = journal.files
    assert (imported.created, imported.rejected) == (1, 0)
    assert (row["title"], row["sport"], row["file_name"]) == ("Sunday, long", "Run", "1.gpx.gz")
    assert row["file_key"].endswith(".gpx.gz")
    [batch] = journal.rows("SELECT * FROM batches")
    assert (batch["name"], batch["created"], batch["taken_in_at"] is None) == (
        "export.zip",
        1,
        False,
    )
    assert row["batch_id"] == batch["id"]


def test_an_export_in_another_language_is_read_by_its_columns(
    journal: Journal, tmp_path: Path
) -> None:
    german = listing(("07.06.2026, 06:30:00", "Sonntag", "Lauf", "activities/1.gpx"))
    german = german.replace(b"Filename", b"Dateiname").replace(b"Activity Name", b"Name")
    file = archive(tmp_path / "export.zip", {"activities.csv": german, "activities/1.gpx": gpx()})
    journal.take_in(file)
    assert [row["title"] for row in journal.files] == ["Sonntag"]


def test_facts_are_of_the_sport_that_an_export_names_where_the_file_names_none(
    journal: Journal, tmp_path: Path
) -> None:
    at_15_metres_a_second = gpx_of(steady(MORNING, 10, pace=1000 / 15))
    file = at_15_metres_a_second.replace(b"<type>running</type>", b"")
    members = {"activities.csv": listing(("", "Fast", "Ride", "a.gpx")), "a.gpx": file}
    journal.take_in(archive(tmp_path / "e.zip", members))
    journal.run("activities")
    [facts] = journal.rows("SELECT * FROM activities")
    assert (facts["sport"], facts["cadence"]) == ("cycling", 85)
    assert facts["distance"] == pytest.approx(9000, abs=0.5)


def test_there_are_no_zones_before_enough_is_known_of_the_heart(
    journal: Journal, tmp_path: Path
) -> None:
    *first, last = days(21)
    members = {f"{d:%d}.tcx": tcx(d, beats=200 if d == first[3] else 150) for d in first[:-1]}
    journal.take_in(archive(tmp_path / "e.zip", members))
    journal.run("activities")
    assert journal.rows("SELECT FROM activities WHERE zones <> '[]'") == []
    for day in (first[-1], last):
        (tmp_path / "run.tcx").write_bytes(tcx(day, beats=150))
        journal.add(tmp_path / "run.tcx")
        journal.run("activities")
    found = journal.rows(
        "SELECT zones, zone_maximum, zone_activities FROM activities WHERE zones <> '[]'"
        " ORDER BY started_at"
    )
    assert [row["zones"].index(720) for row in found] == [2, 2]  # 150 is 75 % of 200
    assert [(r["zone_maximum"], r["zone_activities"]) for r in found] == [(200, 20), (200, 21)]


def test_an_activity_that_is_computed_again_counts_once(journal: Journal, tmp_path: Path) -> None:
    members = {f"{d:%d}.tcx": tcx(d, beats=150) for d in days(20)}
    journal.take_in(archive(tmp_path / "e.zip", members))
    for _ in range(2):
        journal.run("activities", mode="all", redo=True, max_records=1000)
    rows = journal.rows("SELECT DISTINCT zone_activities FROM activities")
    assert rows == [{"zone_activities": 20}]


def test_an_import_that_broke_off_is_run_again(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "FILES_A_BATCH", 4)
    file = archive(tmp_path / "e.zip", {f"{d:%d}.gpx": gpx(d, minutes=1) for d in days(10)})

    def broken_off(so_far: imports.Imported) -> None:
        if so_far.created == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.take_in(file, on_progress=broken_off)
    assert len(journal.files) == 8
    again = journal.take_in(file)
    assert (again.created, again.duplicates) == (2, 8)
    assert len(journal.files) == len(journal.objects) == 10
    batches = journal.rows("SELECT created, duplicates, taken_in_at FROM batches ORDER BY id")
    assert [(b["created"], b["duplicates"]) for b in batches] == [(8, 0), (2, 8)]
    assert all(b["taken_in_at"] for b in batches)


def test_the_same_second_in_another_format_is_the_same_run(
    journal: Journal, tmp_path: Path
) -> None:
    members = {"a.gpx": gpx(), "b.tcx": tcx(), "c.gpx.gz": gpx(), "d.tcx": tcx(days(2)[1])}
    imported = journal.take_in(archive(tmp_path / "e.zip", members))
    assert (imported.created, imported.duplicates) == (2, 2)
    (tmp_path / "later.tcx").write_bytes(tcx(beats=150))
    assert journal.take_in(tmp_path / "later.tcx").duplicates == 1
    assert len(journal.objects) == 2


def test_another_owner_may_have_run_in_the_same_second(
    opens_journal: OpensJournal, tmp_path: Path
) -> None:
    (tmp_path / "run.gpx").write_bytes(gpx())
    journal = opens_journal()
    journal.add(tmp_path / "run.gpx")
    friend = journal.of("A friend")
    assert friend.add(tmp_path / "run.gpx").created


def test_a_file_that_cannot_be_read_is_kept_and_fails_in_its_step(
    journal: Journal, tmp_path: Path
) -> None:
    file = archive(
        tmp_path / "export.zip",
        {
            "activities.csv": listing(("Mar 1, 2026, 7:00:00 AM", "No times", "Run", "b.gpx")),
            "a.gpx": gpx()[: gpx().index(b"</trkpt>") + 8],  # a single point
            "b.gpx": gpx(times=False),
        },
    )
    imported = journal.take_in(file)
    assert (imported.created, imported.rejected) == (2, 0)
    listed, cut = journal.files
    assert cut["recorded_at"] == MORNING
    assert listed["recorded_at"] == datetime(2026, 3, 1, 7, tzinfo=UTC)
    journal.run("activities")
    for row in (listed, cut):
        entry = journal.ledger(row["record_id"])["activities"]
        assert (entry["status"], entry["error_type"]) == ("failed", "PermanentError")


def test_without_any_date_a_file_is_of_the_day_it_was_changed(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "run.gpx").write_bytes(gpx(times=False))
    os.utime(tmp_path / "run.gpx", (MORNING.timestamp(), MORNING.timestamp()))
    journal.add(tmp_path / "run.gpx")
    assert [row["recorded_at"] for row in journal.files] == [MORNING]


def test_a_whole_file_takes_the_place_of_a_broken_one(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "cut.gpx").write_bytes(gpx()[:3000])
    (tmp_path / "whole.tcx").write_bytes(tcx())
    broken = journal.add(tmp_path / "cut.gpx")
    assert not journal.add(tmp_path / "whole.tcx").created  # nobody knows yet that it is broken
    journal.run("activities")
    imported = journal.take_in(tmp_path / "whole.tcx")
    assert (imported.replaced, imported.created) == (1, 0)
    [row] = journal.files
    assert (row["record_id"], row["format"]) == (broken.record_id, "tcx")
    journal.run("activities")
    assert journal.ledger(broken.record_id)["activities"]["status"] == "succeeded"
    assert journal.take_in(tmp_path / "cut.gpx").duplicates == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.gpx", b"<html><body>log in first</body></html>"),
        ("empty.fit", b""),
        ("noise.fit", bytes(range(256)) * 20),
        ("entities.gpx", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'),
    ],
)
def test_what_is_no_activity_is_refused_and_named(
    journal: Journal, tmp_path: Path, name: str, content: bytes
) -> None:
    imported = journal.take_in(archive(tmp_path / "e.zip", {name: content, "run.gpx": gpx()}))
    assert (imported.created, imported.rejected) == (1, 1)
    assert [refused for refused, _ in imported.reasons] == [name]


def test_what_else_a_watch_keeps_is_no_activity(journal: Journal, tmp_path: Path) -> None:
    settings = fit_file(b"\x40\x00\x00\x00\x00\x01\x00\x01\x00" + bytes([0, 2]))
    imported = journal.take_in(archive(tmp_path / "e.zip", {"Settings.fit": settings}))
    assert (imported.created, len(journal.files)) == (0, 0)
    assert imported.reasons == [("Settings.fit", "the FIT file is no activity: it holds settings")]


def test_of_a_damaged_gzip_file_the_beginning_tells(journal: Journal, tmp_path: Path) -> None:
    packed = gzip.compress(gpx(), mtime=0)
    (tmp_path / "end.gpx.gz").write_bytes(packed[:-8] + bytes(8))
    (tmp_path / "head.gpx.gz").write_bytes(packed[:10] + bytes([0xFF]) * 40)
    imported = journal.take_in(tmp_path)
    assert [row["recorded_at"] for row in journal.files] == [MORNING]
    assert imported.reasons == [("head.gpx.gz", "the packed file (.gz) is damaged or empty")]
    journal.run("activities")
    [facts] = journal.rows("SELECT moving, issues FROM activities")
    assert facts["moving"] == 720
    assert {"kind": "checksum_mismatch", "count": 1} in facts["issues"]


def test_a_start_before_the_first_day_is_refused(journal: Journal, tmp_path: Path) -> None:
    old = datetime(1989, 12, 31, tzinfo=UTC)
    imported = journal.take_in(archive(tmp_path / "e.zip", {"old.gpx": gpx(old)}))
    [(_, reason)] = imported.reasons
    assert "FIRST_DAY" in reason


@pytest.mark.parametrize("name", ["../run.gpx", "/etc/run.gpx", "C:\\run.gpx", "a/..\\..\\r.gpx"])
def test_a_path_that_climbs_out_is_refused(journal: Journal, tmp_path: Path, name: str) -> None:
    file = archive(tmp_path / "e.zip", {name: gpx(), "run.gpx": gpx(days(2)[1])})
    imported = journal.take_in(file)
    assert (imported.created, imported.rejected) == (1, 1)
    assert "climbs out" in imported.reasons[0][1]


def test_a_link_in_an_archive_is_refused(journal: Journal, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("run.gpx")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    assert "climbs out" in journal.take_in(tmp_path / "e.zip").reasons[0][1]


def test_a_bomb_ends_as_an_error_of_its_member(opens_journal: OpensJournal, tmp_path: Path) -> None:
    journal = opens_journal(MAX_ACTIVITY_MB="8")
    file = archive(
        tmp_path / "e.zip",
        {
            "dense.gpx": bytes(7_000_000),
            "large.gpx": os.urandom(8_000_001),
            "packed.gpx.gz": bytes(9_000_000),
            "run.gpx": gpx(),
        },
    )
    imported = journal.take_in(file)
    reasons = dict(imported.reasons)
    assert imported.created == 1
    assert f"more than {MOST_GROWTH} times" in reasons["dense.gpx"]
    assert "MAX_ACTIVITY_MB" in reasons["large.gpx"]
    assert "MAX_ACTIVITY_MB" in reasons["packed.gpx.gz"]


def test_a_member_that_is_damaged_does_not_hold_back_the_others(
    journal: Journal, tmp_path: Path
) -> None:
    one, two = days(2)
    file = archive(tmp_path / "e.zip", {"a.gpx": gpx(one), "b.gpx": gpx(two)})
    data = bytearray(file.read_bytes())
    data[300:340] = bytes(40)
    file.write_bytes(bytes(data))
    imported = journal.take_in(file)
    assert (imported.created, imported.reasons[0][0]) == (1, "a.gpx")


def test_what_is_packed_in_a_way_that_cannot_be_bounded_is_refused(
    journal: Journal, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as file:
        file.writestr("bzip.gpx", gpx(), zipfile.ZIP_BZIP2)
        file.writestr("lzma.gpx", gpx(), zipfile.ZIP_LZMA)
        file.writestr("run.gpx", gpx(), zipfile.ZIP_DEFLATED)
    imported = journal.take_in(tmp_path / "e.zip")
    assert imported.created == 1
    assert {reason for _, reason in imported.reasons} == {
        "it is packed in another way than deflate"
    }


def test_a_name_that_is_no_text_harms_its_member_or_is_told_of_the_archive(
    journal: Journal, tmp_path: Path
) -> None:
    file = archive(tmp_path / "e.zip", {"r\u00fcn.gpx": gpx(), "run.gpx": gpx(days(2)[1])})
    name, broken = "r\u00fcn".encode(), b"r\xff\xffn"
    file.write_bytes(file.read_bytes().replace(name, broken, 1))  # where the member begins
    imported = journal.take_in(file)
    assert (imported.created, imported.rejected) == (1, 1)
    file.write_bytes(file.read_bytes().replace(name, broken))  # and in the table of contents
    with pytest.raises(InvalidInput, match="damaged archive"):
        journal.take_in(file)


def test_an_archive_of_a_later_kind_is_told_as_damaged(journal: Journal, tmp_path: Path) -> None:
    file = archive(tmp_path / "e.zip", {"run.gpx": gpx()})
    data = bytearray(file.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 99  # the version that it takes to unpack
    file.write_bytes(bytes(data))
    with pytest.raises(InvalidInput, match="damaged archive"):
        journal.take_in(file)


def test_names_that_are_no_text_do_no_harm(journal: Journal, tmp_path: Path) -> None:
    one, two = days(2)
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.gpx")).write_bytes(gpx(one))
    (folder / "red\x1b[31m.gpx").write_bytes(b"no activity")
    (folder / "activities.csv").write_bytes(listing(("", "Long", "Ru\0n", "two.gpx")))
    (folder / "two.gpx").write_bytes(gpx(two))
    imported = journal.take_in(folder)
    first, second = journal.files
    assert first["file_name"] == "caf\ufffd.gpx"
    assert (second["title"], second["sport"]) == ("Long", "Run")
    assert [name for name, _ in imported.reasons] == ["red\ufffd[31m.gpx"]


def test_large_files_are_not_held_together(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking: list[int] = []

    async def look(*_: object, **__: object) -> None:
        looking.append(looking[-1] + 1 if looking else 1)
        await asyncio.sleep(0.01)
        looking.append(looking[-1] - 1)
        raise WorkerFailed("that is all")

    monkeypatch.setattr(WorkerPool, "run", look)
    monkeypatch.setattr(imports, "BYTES_HELD", len(gpx()))
    journal.take_in(archive(tmp_path / "e.zip", {f"{d:%d}.gpx": gpx(d) for d in days(6)}))
    assert max(looking) == 2  # the one that is waited for, and the one read after it


def test_a_failure_that_nobody_foresaw_is_that_of_one_file(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise WorkerFailed("examine raised RecursionError")

    monkeypatch.setattr(WorkerPool, "run", fails)
    imported = journal.take_in(archive(tmp_path / "e.zip", {"run.gpx": gpx()}))
    assert imported.reasons == [("run.gpx", "examine raised RecursionError")]


def test_nothing_at_a_path_is_said_before_anything_begins(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file or folder"):
        journal.take_in(tmp_path / "nowhere")
    assert journal.rows("SELECT FROM batches") == []


def test_two_imports_at_once_add_a_run_once(journal: Journal, tmp_path: Path) -> None:
    archive(tmp_path / "a.zip", {f"{d:%d}.gpx": gpx(d, minutes=1) for d in days(6)})
    archive(tmp_path / "b.zip", {f"{d:%d}.tcx": tcx(d, minutes=1) for d in days(6)})

    async def both() -> list[imports.Imported]:
        return await asyncio.gather(
            *(asyncio.to_thread(journal.take_in, tmp_path / name) for name in ("a.zip", "b.zip"))
        )

    one, two = asyncio.run(both())
    assert one.created + two.created == one.duplicates + two.duplicates == len(journal.files) == 6


def test_what_lies_beyond_the_tier_is_held_from_the_beginning(
    journal: Journal, tmp_path: Path
) -> None:
    journal.take_in(
        archive(tmp_path / "e.zip", {f"{d:%d}.gpx": gpx(d, minutes=1) for d in days(25)})
    )
    held = journal.rows(
        "SELECT r.recorded_at FROM ledger l JOIN records r ON r.id = record_id"
        " WHERE step = 'letters' AND hold_reason = 'tier' ORDER BY 1"
    )
    assert [row["recorded_at"] for row in held] == days(5)
    assert journal.rows("SELECT FROM ledger WHERE step = 'activities' AND due_at IS NULL") == []


class TestAFileThatBreaksOff:
    """Its beginning is taken in, until a whole one of the same run comes."""

    @pytest.fixture
    def cut(self, journal: Journal, tmp_path: Path) -> int:
        (tmp_path / "cut.gpx").write_bytes(gpx()[:3000])
        record_id = journal.add(tmp_path / "cut.gpx").record_id
        journal.run("activities")
        return record_id

    def test_gives_way_to_a_whole_one(self, journal: Journal, tmp_path: Path, cut: int) -> None:
        [before] = journal.rows("SELECT moving, issues FROM activities")
        assert {"kind": "cut_off", "count": 1} in before["issues"]
        (tmp_path / "whole.tcx").write_bytes(tcx())
        added = journal.add(tmp_path / "whole.tcx")
        assert (added.record_id, added.created) == (cut, True)
        journal.run("activities")
        [after] = journal.rows("SELECT moving, issues FROM activities")
        assert (before["moving"], after["moving"], after["issues"]) == (155, 720, [])

    def test_stays_where_another_breaks_off_too(
        self, journal: Journal, tmp_path: Path, cut: int
    ) -> None:
        (tmp_path / "cut.tcx").write_bytes(tcx()[:5000])
        added = journal.add(tmp_path / "cut.tcx")
        assert (added.record_id, added.created) == (cut, False)

    def test_does_not_come_back(self, journal: Journal, tmp_path: Path, cut: int) -> None:
        (tmp_path / "whole.gpx").write_bytes(gpx())
        journal.add(tmp_path / "whole.gpx")
        journal.run("activities")
        assert not journal.add(tmp_path / "cut.gpx").created
        assert [row["format"] for row in journal.rows("SELECT format FROM activity_files")] == [
            "gpx"
        ]


class TestSeveralSportsInOneFile:
    def test_become_several_activities(self, journal: Journal, tmp_path: Path) -> None:
        imported = journal.take_in(archive(tmp_path / "e.zip", {"tri.fit": TRIATHLON}))
        assert (imported.created, imported.rejected) == (3, 0)
        journal.run("activities")
        rows = journal.rows(
            "SELECT a.sport, distance, part FROM activities a JOIN activity_files USING (record_id)"
            " ORDER BY started_at"
        )
        assert [(row["sport"], row["part"]) for row in rows] == [
            ("swimming", 1),
            ("cycling", 2),
            ("running", 3),
        ]
        assert [round(row["distance"]) for row in rows] == [400, 11_900, 3600]
        assert len(journal.objects) == 1

    def test_are_known_when_they_come_again(self, journal: Journal, tmp_path: Path) -> None:
        (tmp_path / "tri.fit").write_bytes(TRIATHLON)
        first = journal.add(tmp_path / "tri.fit")
        assert [each.created for each in (first, *first.others)] == [True] * 3
        again = journal.take_in(tmp_path / "tri.fit")
        assert (again.created, again.duplicates) == (0, 3)
        packed = journal.take_in(archive(tmp_path / "e.zip", {"tri.fit.gz": TRIATHLON}))
        assert (packed.created, packed.duplicates) == (0, 3)

    def test_of_a_file_that_was_taken_for_one_the_others_are_added(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        (tmp_path / "tri.fit").write_bytes(TRIATHLON)
        journal.add(tmp_path / "tri.fit")
        journal.rows("DELETE FROM records WHERE external_id LIKE '%%#%%' RETURNING id")
        again = journal.take_in(tmp_path / "tri.fit")
        assert (again.created, again.duplicates) == (2, 1)

    def test_all_come_in_or_none(self, opens_journal: OpensJournal, tmp_path: Path) -> None:
        journal = opens_journal(FIRST_DAY="2026-09-07")
        (tmp_path / "tri.fit").write_bytes(TRIATHLON)
        imported = journal.take_in(tmp_path / "tri.fit")
        assert (imported.created, imported.rejected, journal.files) == (0, 1, [])


class TestAnArchiveWithinAnArchive:
    def test_is_opened(self, journal: Journal) -> None:
        imported = journal.take_in(FILES / "garmin-account-export.zip")
        assert (imported.created, imported.rejected) == (1, 0)
        journal.run("activities")
        [facts] = journal.rows("SELECT sport, distance FROM activities")
        assert facts == {"sport": "running", "distance": 5985}

    def test_in_a_folder_is_opened_too(self, journal: Journal, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        (folder / "uploaded").mkdir(parents=True)
        archive(folder / "uploaded" / "part1.zip", {"a.gpx": gpx()})
        (folder / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
        imported = journal.take_in(folder)
        assert imported.created == 1
        assert imported.reasons == [
            ("broken.zip", "it is a damaged archive: fetch it again"),
        ]

    def test_is_refused_and_named_where_it_is_damaged_or_too_deep(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        file = archive(tmp_path / "0.zip", {"deep.gpx": gpx()})
        for depth in (1, 2, 3):
            file = archive(tmp_path / f"{depth}.zip", {f"{depth - 1}.zip": file.read_bytes()})
        members = {
            "3.zip": file.read_bytes(),
            "damaged.zip": b"no archive",
            "run.gpx": gpx(days(2)[1]),
        }
        imported = journal.take_in(archive(tmp_path / "e.zip", members))
        assert imported.created == 1
        assert dict(imported.reasons) == {
            "3.zip/2.zip/1.zip": "it lies in more than 2 archives around each other",
            "damaged.zip": "it is a damaged archive: fetch it again",
        }

    def test_that_unpacks_to_far_more_than_it_takes_up_is_refused(
        self, journal: Journal, tmp_path: Path
    ) -> None:
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as stored:
            stored.writestr("zeros.bin", bytes(4_000_000))
        members = {"in.zip": (tmp_path / "in.zip").read_bytes(), "run.gpx": gpx()}
        imported = journal.take_in(archive(tmp_path / "e.zip", members))
        assert imported.created == 1
        assert imported.reasons == [
            ("in.zip", "it unpacks to more than 20 times its size: it is no archive of tracks")
        ]

    def test_counts_with_the_others_for_what_comes_out(
        self, opens_journal: OpensJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "MOST_ARCHIVES", 2)
        inner = {f"{d:%d}.zip": d for d in days(3)}
        members = {
            name: archive(tmp_path / name, {"run.gpx": gpx(day)}).read_bytes()
            for name, day in inner.items()
        }
        imported = opens_journal().take_in(archive(tmp_path / "e.zip", members))
        assert (imported.created, imported.rejected) == (2, 1)
        assert "more than 2 archives" in imported.reasons[0][1]


def test_a_german_export_says_running_and_cycling(journal: Journal) -> None:
    assert journal.take_in(FILES / "strava-export-german.zip").created == 2
    journal.run("activities")
    rows = journal.rows(
        "SELECT a.sport, title FROM activities a JOIN activity_files USING (record_id)"
        " ORDER BY started_at"
    )
    assert [(row["sport"], row["title"]) for row in rows] == [
        ("running", "Runde am Fluss"),
        ("cycling", "Zur Arbeit"),
    ]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"photo.jpg": b"x"}, "ends in .fit, .gpx or .tcx"),
        ({"a.gpx": b"<html>"}, "rejected a.gpx"),
    ],
)
def test_an_import_that_takes_nothing_ends_with_1_and_says_why(
    journal: Journal, tmp_path: Path, members: dict[str, bytes], said: str
) -> None:
    file = archive(tmp_path / "e.zip", members)
    shown = CliRunner().invoke(app, ["import", "activities", str(file), "--owner", "ada-runner"])
    assert shown.exit_code == 1
    assert said in shown.output


def test_an_import_of_what_is_known_ends_well(journal: Journal, tmp_path: Path) -> None:
    file = archive(tmp_path / "e.zip", {"run.gpx": gpx()})
    journal.take_in(file)
    shown = CliRunner().invoke(app, ["import", "activities", str(file), "--owner", "ada-runner"])
    assert (shown.exit_code, "1 duplicate" in shown.output) == (0, True)

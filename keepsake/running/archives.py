"""The activity files in a folder or in an archive, one after the other.

An archive is somebody else's: nothing in it is written to disk under its own name, a path that
climbs out is refused, and so is what unpacks to far more than it takes up. What such files hold is
not looked at here.
"""

import csv
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from keepsake.errors import InvalidInput

SUFFIXES = tuple(f".{kind}{packed}" for kind in ("fit", "gpx", "tcx") for packed in ("", ".gz"))
LISTING = "activities.csv"
# Deflate makes 1,030 bytes of one at most; tracks are made of three to twenty.
MOST_GROWTH = 250
_FROM_GROWTH_ON = 1_000_000  # bytes: what is smaller does no harm, however well it packs
_LISTED_DATES = ("%b %d, %Y, %I:%M:%S %p", "%d %b %Y, %H:%M:%S", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Entry:
    """A file that may hold an activity.

    Attributes:
        name: as people find it: its path in the folder or the archive.
        read: gives its bytes, packed as they are; raises InvalidInput when it may not be read.
        date: when it was recorded, as a listing says, or last changed.
        title: the runner's own name for the activity.
        sport: as a listing says.
    """

    name: str
    read: Callable[[], bytes]
    date: datetime | None = None
    title: str | None = None
    sport: str | None = None


@dataclass(frozen=True)
class Listed:
    """What a Strava export says of a file beside it."""

    date: datetime | None
    title: str | None
    sport: str | None


def entries(path: Path, *, most_bytes: int) -> Iterator[Entry]:
    """What may be activity files: in a folder and those below it, in an archive, or `path` itself.

    In a folder and an archive they are told by their suffix; a file of one's own naming is taken
    for what it holds.

    Args:
        path: of a folder, an archive or a file.
        most_bytes: the largest file that is read, unpacked.

    Raises:
        InvalidInput: there is nothing at `path`, or the archive is damaged.
    """
    if path.is_dir():
        return _in_folder(path, most_bytes)
    if path.is_file() and zipfile.is_zipfile(path):
        return _in_archive(path, most_bytes)
    return iter([file_entry(path, most_bytes=most_bytes)])


def file_entry(path: Path, *, most_bytes: int) -> Entry:
    """One file, whatever its name.

    Raises:
        InvalidInput: there is none, or it is a folder.
    """
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder: `keepsake import activities` takes those")
    if not path.is_file():
        raise InvalidInput(f"there is no file or folder {path}")
    return Entry(path.name, partial(_read_file, path, most_bytes), _changed(path))


def _in_folder(folder: Path, most_bytes: int) -> Iterator[Entry]:
    listed: dict[str, Listed] = {}
    for listing in folder.rglob(LISTING):
        base = listing.parent.relative_to(folder)
        listed |= _listed_in(base.as_posix(), _read_file(listing, most_bytes))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if may_be_activity(name) and path.is_file():
            entry = file_entry(path, most_bytes=most_bytes)
            yield _with_listing(replace(entry, name=name), listed)


def may_be_activity(name: str) -> bool:
    """Whether a file is one by its name; `._` begins what macOS puts beside every file."""
    return name.lower().endswith(SUFFIXES) and not PurePosixPath(name).name.startswith("._")


def _read_file(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InvalidInput(f"it cannot be read ({error.strerror})") from None
    return _within(data, most_bytes)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _within(data: bytes, most_bytes: int) -> bytes:
    if len(data) > most_bytes:
        raise InvalidInput(f"it is larger than {most_bytes // 1_000_000} MB (MAX_ACTIVITY_MB)")
    return data


def _in_archive(path: Path, most_bytes: int) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(path) as opened:
            archive = _Archive(opened, path.stat().st_size, most_bytes)
            listed = archive.listing()
            for member in opened.infolist():
                if member.is_dir():
                    continue
                if may_be_activity(member.filename) or climbs(member):
                    entry = Entry(member.filename, partial(archive.read, member), _dated(member))
                    yield _with_listing(entry, listed)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        raise InvalidInput(f"{path.name} is a damaged archive: fetch it again") from None


@dataclass
class _Archive:
    """An open archive, and how much has come out of it."""

    opened: zipfile.ZipFile
    size: int
    most_bytes: int
    unpacked: int = 0

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """The bytes of a member.

        Raises:
            InvalidInput: it climbs out, unpacks to too much, is damaged or encrypted.
        """
        if climbs(member):
            raise InvalidInput("its path climbs out of the archive")
        if member.file_size > self.most_bytes:
            raise InvalidInput(
                f"it is larger than {self.most_bytes // 1_000_000} MB (MAX_ACTIVITY_MB)"
            )
        # Of the other packings the library bounds neither what comes out nor the memory for it.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidInput("it is packed in another way than deflate")
        self._check_growth(member.file_size, member.compress_size)
        # Members may overlap: all together they can be far more than each by itself.
        self._check_growth(self.unpacked + member.file_size, self.size)
        try:
            with self.opened.open(member) as file:
                data = file.read(self.most_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
            raise InvalidInput("it is damaged in the archive") from None
        except (RuntimeError, NotImplementedError):
            raise InvalidInput("it is encrypted or packed in an unknown way") from None
        self.unpacked += len(data)
        return _within(data, self.most_bytes)

    def listing(self) -> Mapping[str, Listed]:
        """What the archive's own list says of its files, wherever in it that is."""
        listed: dict[str, Listed] = {}
        for member in self.opened.infolist():
            path = PurePosixPath(member.filename)
            if path.name == LISTING:
                with suppress(InvalidInput):
                    listed |= _listed_in(path.parent.as_posix(), self.read(member))
        return listed

    def _check_growth(self, unpacked: int, packed: int) -> None:
        if unpacked > _FROM_GROWTH_ON and unpacked > MOST_GROWTH * max(packed, 1):
            raise InvalidInput(
                f"it unpacks to more than {MOST_GROWTH} times its size: it is no archive of tracks"
            )


def climbs(member: zipfile.ZipInfo) -> bool:
    """Whether a member points out of the archive: by its path, or as a link."""
    parts = (PurePosixPath(member.filename), PureWindowsPath(member.filename))
    outside = any(p.is_absolute() or p.anchor or ".." in p.parts for p in parts)
    return outside or stat.S_ISLNK(member.external_attr >> 16)


def _dated(member: zipfile.ZipInfo) -> datetime | None:
    """When a member was last changed; 1980 is what archives say that do not know."""
    try:
        date = datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None
    return date if date.year > 1980 else None


def _with_listing(entry: Entry, listed: Mapping[str, Listed]) -> Entry:
    row = listed.get(entry.name)
    if row is None:
        return entry
    return replace(entry, date=row.date or entry.date, title=row.title, sport=row.sport)


def _listed_in(base: str, data: bytes) -> dict[str, Listed]:
    """The rows of a listing in the folder `base`, by the path of their file from the top."""
    return {
        (PurePosixPath(base) / name).as_posix(): row for name, row in read_listing(data).items()
    }


def read_listing(data: bytes) -> dict[str, Listed]:
    """The rows of a Strava export's `activities.csv`, by the path of their file.

    Strava writes the headings in the language of the account; then the columns are told by their
    place, which is the same in all.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = next(rows, [])
        date, title, sport, file = (
            header.index(name) if name in header else place
            for name, place in (
                ("Activity Date", 1), ("Activity Name", 2), ("Activity Type", 3), ("Filename", 12),
            )
        )  # fmt: skip
        return {
            row[file]: Listed(_listed_date(row[date]), row[title] or None, row[sport] or None)
            for row in rows
            if len(row) > max(date, title, sport, file) and row[file]
        }
    except csv.Error:
        return {}


def _listed_date(text: str) -> datetime | None:
    """A date as Strava lists it, in UTC; None where it is written in another language."""
    text = " ".join(text.split())  # a narrow space stands before AM and PM
    for pattern in _LISTED_DATES:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None

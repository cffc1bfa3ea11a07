"""The activity files in a folder or in an archive, one after the other.

An archive is somebody else's: nothing in it is written to disk under its own name, a path that
climbs out is refused, and so is what unpacks to far more than it takes up. What such files hold is
not read here.
"""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryFile
from typing import IO

from keepsake.errors import InvalidInput
from keepsake.running.listings import LISTING, SUFFIXES, Listed, read_listing

# Garmin's export has archives in an archive. An unpacked copy of such a one lies on the disk, under
# no name, while its files are read.
DEEPEST = 2
MOST_ARCHIVES = 1_000
MOST_ARCHIVE_GROWTH = 20  # archives hardly pack
_COPIED_AT_ONCE = 1 << 20  # bytes
# Deflate makes 1,030 bytes of one at most; tracks are made of three to twenty.
MOST_GROWTH = 250
_FROM_GROWTH_ON = 1_000_000  # bytes: what is smaller does no harm, however well it packs


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


def entries(path: Path, *, most_bytes: int) -> Iterator[Entry]:
    """What may be activity files: in a folder and those below it, in an archive, or `path` itself.

    Archives in a folder or an archive are opened too.

    In a folder and an archive their suffix identifies them; a file of one's own naming is taken
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
        if not path.is_file():
            continue
        if may_be_activity(name):
            entry = file_entry(path, most_bytes=most_bytes)
            yield _with_listing(replace(entry, name=name), listed)
        elif may_be_archive(name):
            yield from _archive_in_folder(path, name, most_bytes)


def _archive_in_folder(path: Path, name: str, most_bytes: int) -> Iterator[Entry]:
    try:
        with path.open("rb") as file:
            yield from _members(file, _Unpacked(path.stat().st_size, most_bytes), f"{name}/")
    except InvalidInput as error:
        yield _refused(name, str(error))
    except OSError as error:
        yield _refused(name, f"it cannot be read ({error.strerror})")


def may_be_activity(name: str) -> bool:
    """Whether a file is one by its name; `._` begins what macOS puts beside every file."""
    return name.lower().endswith(SUFFIXES) and not PurePosixPath(name).name.startswith("._")


def may_be_archive(name: str) -> bool:
    """Whether a file is an archive by its name."""
    return name.lower().endswith(".zip") and not PurePosixPath(name).name.startswith("._")


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
        with path.open("rb") as file:
            yield from _members(file, _Unpacked(path.stat().st_size, most_bytes))
    except InvalidInput:
        raise InvalidInput(f"{path.name} is a damaged archive: fetch it again") from None


def _members(
    file: IO[bytes], unpacked: "_Unpacked", within: str = "", depth: int = 0
) -> Iterator[Entry]:
    """What may be activities in an open archive, and in those that lie in it.

    Args:
        file: the archive.
        unpacked: what has come out so far, of all archives.
        within: its path in the archive around it.
        depth: archives around it.

    Raises:
        InvalidInput: it is damaged.
    """
    try:
        with zipfile.ZipFile(file) as opened:
            archive = _Archive(opened, unpacked)
            listed = archive.listing()
            for member in opened.infolist():
                name = f"{within}{member.filename}"
                if member.is_dir():
                    continue
                if may_be_activity(member.filename) or climbs(member):
                    entry = Entry(member.filename, partial(archive.read, member), _dated(member))
                    yield replace(_with_listing(entry, listed), name=name)
                elif may_be_archive(member.filename):
                    yield from _nested(archive, member, name, depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        raise InvalidInput("it is a damaged archive: fetch it again") from None


def _nested(archive: "_Archive", member: zipfile.ZipInfo, name: str, depth: int) -> Iterator[Entry]:
    """What may be activities in an archive within another; one that cannot be read is refused."""
    try:
        if depth > DEEPEST:
            raise InvalidInput(f"it lies in more than {DEEPEST} archives around each other")
        with TemporaryFile() as file:
            archive.copy(member, file)
            yield from _members(file, archive.unpacked, f"{name}/", depth)
    except InvalidInput as error:
        yield _refused(name, str(error))


def _refused(name: str, reason: str) -> Entry:
    def read() -> bytes:
        raise InvalidInput(reason)

    return Entry(name, read)


@dataclass
class _Unpacked:
    """How much has come out of an archive and of all within it, against what that may be.

    Attributes:
        size: of the outermost archive, in bytes.
        most_bytes: the largest file that is read.
        files: bytes of files so far; `archives`: of the archives within, and `count` of them.
    """

    size: int
    most_bytes: int
    files: int = 0
    archives: int = 0
    count: int = 0

    def check_file(self, member: zipfile.ZipInfo) -> None:
        """Whether a file may be unpacked.

        Raises:
            InvalidInput: it is too large, or unpacks to far more than it takes up.
        """
        if member.file_size > self.most_bytes:
            raise InvalidInput(
                f"it is larger than {self.most_bytes // 1_000_000} MB (MAX_ACTIVITY_MB)"
            )
        _check_growth(member.file_size, member.compress_size, MOST_GROWTH)
        # Members may overlap: all together they can be far more than each by itself.
        _check_growth(self.files + member.file_size, self.size, MOST_GROWTH)

    def check_archive(self, member: zipfile.ZipInfo) -> None:
        """Whether an archive within may be copied to the disk, to be opened there.

        Raises:
            InvalidInput: it is one of too many, or unpacks to far more than it takes up.
        """
        self.count += 1
        if self.count > MOST_ARCHIVES:
            raise InvalidInput(f"it is one of more than {MOST_ARCHIVES:,} archives within another")
        _check_growth(self.archives + member.file_size, self.size, MOST_ARCHIVE_GROWTH)


def _check_growth(unpacked: int, packed: int, most: int) -> None:
    if unpacked > _FROM_GROWTH_ON and unpacked > most * max(packed, 1):
        raise InvalidInput(
            f"it unpacks to more than {most} times its size: it is no archive of tracks"
        )


@dataclass
class _Archive:
    """An open archive, and how much has come out of it and those around it."""

    opened: zipfile.ZipFile
    unpacked: _Unpacked

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """The bytes of a member.

        Raises:
            InvalidInput: it climbs out, unpacks to too much, is damaged or encrypted.
        """
        self._check(member)
        self.unpacked.check_file(member)
        most = self.unpacked.most_bytes
        with _opening(self.opened, member) as file:
            data = file.read(most + 1)
        self.unpacked.files += len(data)
        return _within(data, most)

    def copy(self, member: zipfile.ZipInfo, to: IO[bytes]) -> None:
        """Copy a member, no more of it than it is said to be.

        Raises:
            InvalidInput: it climbs out, unpacks to too much, is damaged or encrypted.
        """
        self._check(member)
        self.unpacked.check_archive(member)
        left = member.file_size
        with _opening(self.opened, member) as file:
            while data := file.read(min(_COPIED_AT_ONCE, left)):
                to.write(data)
                left -= len(data)
        self.unpacked.archives += member.file_size - left
        to.seek(0)

    def listing(self) -> Mapping[str, Listed]:
        """What the archive's own list says of its files, wherever in it that is."""
        listed: dict[str, Listed] = {}
        for member in self.opened.infolist():
            path = PurePosixPath(member.filename)
            if path.name == LISTING:
                with suppress(InvalidInput):
                    listed |= _listed_in(path.parent.as_posix(), self.read(member))
        return listed

    def _check(self, member: zipfile.ZipInfo) -> None:
        if climbs(member):
            raise InvalidInput("its path climbs out of the archive")
        # Of the other packings the library bounds neither what comes out nor the memory for it.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidInput("it is packed in another way than deflate")


@contextmanager
def _opening(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """A member, open to be read.

    Raises:
        InvalidInput: it is damaged or encrypted.
    """
    try:
        with opened.open(member) as file:
            yield file
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise InvalidInput("it is damaged in the archive") from None
    except (RuntimeError, NotImplementedError):
        raise InvalidInput("it is encrypted or packed in an unknown way") from None


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

"""The folder of backups: what is in it, and who may change it."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from keepsake.errors import InvalidInput, KeepsakeError, RetryableError

FORMAT = 1
DUMP, INDEX, _MANIFEST, _VERIFIED = (
    "database.dump",
    "objects.jsonl.gz",
    "manifest.json",
    "verified.json",
)
_NAME = "%Y%m%dT%H%M%SZ"
_DAMAGED = ".damaged"


class BackupError(KeepsakeError):
    """A backup cannot be made or used. The message says why, and what to do."""


class BackupBusy(RetryableError):
    """Another process works on the backups of the folder."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileHash(_Document):
    """A file of a backup."""

    bytes: int
    sha256: str


class Manifest(_Document):
    """What a backup holds.

    Attributes:
        format: of the backup itself.
        keepsake: the version that made it.
        migration: the last one that its database has.
        pg_dump: major version of the program that dumped the database.
        made_at: when the snapshot was taken.
        seconds: how long it took.
        rows: of each table.
        files: by name.
        objects: how many keys the snapshot names.
        object_bytes: of their contents.
        added_bytes: of the contents that no former backup had.
        lost: objects that were not in the store although rows still named them.
    """

    format: int = FORMAT
    keepsake: str
    migration: int
    pg_dump: int
    made_at: datetime
    seconds: float
    rows: dict[str, int]
    files: dict[str, FileHash]
    objects: int
    object_bytes: int
    added_bytes: int
    lost: int


class Verified(_Document):
    """How a verification went. It is well if there are no problems."""

    at: datetime
    seconds: float
    rows: int
    objects: int
    searched: bool
    problems: list[str]


@dataclass(frozen=True)
class Backup:
    """A backup that was made to its end."""

    name: str
    path: Path
    manifest: Manifest
    verified: Verified | None

    @property
    def complete(self) -> bool:
        """Whether no object was missing when it was made."""
        return not self.manifest.lost

    @property
    def bytes(self) -> int:
        """Of all that a restore needs."""
        return self.manifest.object_bytes + sum(f.bytes for f in self.manifest.files.values())


class Folder:
    """The backups of one place. It is made if it is not there, for its user alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BackupError(
                f"backups cannot be kept in {root}: {error.strerror}; see BACKUP_DIR"
            ) from None

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep others from changing backups; unless it is shared, from reading them as well.

        Raises:
            BackupBusy: another process has the lock.
        """
        file = os.open(self.root / "lock", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupBusy(
                f"another process makes, verifies, restores or prunes backups in {self.root}: "
                "try again when it is done"
            ) from None
        finally:
            os.close(file)

    def begin(self, at: datetime) -> Path:
        """An empty folder for a backup that is about to be made."""
        name, number = at.strftime(_NAME), 1
        while (self.root / name).exists():
            number += 1
            name = f"{at.strftime(_NAME)}-{number}"
        making = self.root / f".{name}"
        (making / "objects").mkdir(parents=True)
        return making

    def publish(self, making: Path, manifest: Manifest) -> Backup:
        """Make it a backup: before this it is none, whatever breaks off.

        Contents go to those of all backups first. If that breaks off, they are named by none, and
        `remove_unnamed` takes them.
        """
        (making / _MANIFEST).write_text(manifest.model_dump_json(indent=2))
        for content in (making / "objects").iterdir():
            target = self.content(content.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            content.replace(target)
        (making / "objects").rmdir()
        path = making.replace(self.root / making.name.removeprefix("."))
        return Backup(path.name, path, manifest, None)

    def content(self, sha256: str) -> Path:
        """Where the content of that hash is."""
        return self.root / "objects" / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether there is such a content, going by its size."""
        try:
            return self.content(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def all(self) -> tuple[list[Backup], list[str]]:
        """The backups, the newest first; and why others cannot be read."""
        found, problems = [], []
        for path in self.folders():
            try:
                found.append(self._read(path))
            except BackupError as error:
                problems.append(str(error))
        found.sort(key=lambda each: (each.manifest.made_at, each.name), reverse=True)
        return found, problems

    def folders(self) -> list[Path]:
        """The folders of the backups, whether they can be read or not."""
        return sorted(
            path
            for path in self.root.iterdir()
            if path.is_dir() and path.name[0] != "." and path.name != "objects"
        )

    def find(self, name: str | None) -> Backup:
        """The backup of that name; None: the newest.

        Raises:
            InvalidInput: there is none.
            BackupError: it cannot be read.
        """
        if name is None:
            found, problems = self.all()
            if not found:
                raise InvalidInput(
                    "; ".join(problems)
                    or f"there is no backup in {self.root}: `keepsake backup create` makes one; "
                    "BACKUP_DIR or --in names another folder"
                )
            return found[0]
        path = self.root / name
        if path.parent != self.root or not (path / _MANIFEST).exists():
            raise InvalidInput(
                f"there is no backup {name!r} in {self.root}: see `keepsake backup list`"
            )
        return self._read(path)

    def _read(self, path: Path) -> Backup:
        try:
            manifest = Manifest.model_validate_json((path / _MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            what = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise BackupError(
                f"{path / _MANIFEST} cannot be read ({what}): use another backup, and move "
                f"{path.name} out of {self.root}"
            ) from None
        if manifest.format > FORMAT:
            raise BackupError(
                f"the backup {path.name} was made by Keepsake {manifest.keepsake}, whose format "
                "this one does not know: install that version"
            )
        try:
            verified = Verified.model_validate_json((path / _VERIFIED).read_bytes())
        except (OSError, ValidationError):
            verified = None
        return Backup(path.name, path, manifest, verified)

    def note_verified(self, backup: Backup, verified: Verified) -> None:
        """Keep how a verification went."""
        new = backup.path / f".{_VERIFIED}"
        new.write_text(verified.model_dump_json(indent=2))
        new.replace(backup.path / _VERIFIED)

    def remove(self, backup: Backup) -> None:
        """Remove a backup; contents that no other has are left to `remove_unnamed`."""
        shutil.rmtree(backup.path.replace(self.root / f".{backup.name}"))

    def remove_unfinished(self) -> None:
        """Remove what was broken off. To be called with the lock."""
        for path in self.root.glob(".*"):
            if path.is_dir():
                shutil.rmtree(path)

    def put_aside(self, sha256: str) -> None:
        """Take a damaged content out of the way: the next backup copies the object again."""
        content = self.content(sha256)
        content.replace(content.with_suffix(_DAMAGED))

    def remove_unnamed(self, named: set[bytes]) -> int:
        """Remove the contents that have none of these hashes; how many bytes that freed."""
        freed = 0
        for path in (self.root / "objects").glob("*/*"):
            ours = re.fullmatch(rf"([0-9a-f]{{64}})({re.escape(_DAMAGED)})?", path.name)
            if ours and (ours[2] or bytes.fromhex(ours[1]) not in named):
                freed += path.stat().st_size
                path.unlink()
        return freed

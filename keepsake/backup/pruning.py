"""Which backups are kept, and removing the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keepsake.backup.contents import read_index
from keepsake.backup.folder import INDEX, Backup, Folder
from keepsake.errors import InvalidInput
from keepsake.settings import BackupSettings


@dataclass(frozen=True)
class Keep:
    """How many backups are kept: the last ones, and the last one of so many days, weeks, months.

    Days, ISO weeks and months are those of UTC; only those that have a backup count.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


def keep_of(settings: BackupSettings) -> Keep:
    """What the settings keep, and the newest backup in any case."""
    return Keep(
        last=1,
        daily=settings.backup_keep_daily,
        weekly=settings.backup_keep_weekly,
        monthly=settings.backup_keep_monthly,
    )


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be, and what stays, by name; and the bytes of objects freed."""

    removed: list[str]
    kept: list[str]
    freed: int


def prune(root: Path, keep: Keep, *, dry_run: bool = False) -> Pruned:
    """Remove the backups that are not kept, and the contents that no other has.

    The newest complete backup is always kept.

    Raises:
        InvalidInput: nothing says what to keep.
        BackupBusy: another process works on the backups of the folder.
        BackupError: the index of a backup cannot be read, so what it needs is not known.
    """
    if keep == Keep():
        raise InvalidInput("say what to keep: --keep-last, --keep-daily, --keep-weekly or others")
    folder = Folder(root)
    with folder.locked():
        found, _ = folder.all()
        names = kept(found, keep)
        going = [each for each in found if each.name not in names]
        freed = 0
        if not dry_run:
            named = _hashes(folder, {each.path for each in going})
            folder.remove_unfinished()
            for each in going:
                folder.remove(each)
            freed = folder.remove_unnamed(named)
    return Pruned(
        [each.name for each in going], [each.name for each in found if each.name in names], freed
    )


def kept(found: Sequence[Backup], keep: Keep) -> set[str]:
    """The names of those that are kept, of backups of which the newest is the first."""
    periods: list[tuple[int, Callable[[datetime], object]]] = [
        (keep.last, lambda at: at),
        (keep.daily, lambda at: at.date()),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    ]
    names = {each.name for each in [each for each in found if each.complete][:1]}
    for number, period in periods:
        newest: dict[object, str] = {}
        for each in found:
            newest.setdefault(period(each.manifest.made_at.astimezone(UTC)), each.name)
        names |= set(list(newest.values())[:number])
    return names


def _hashes(folder: Folder, but: set[Path]) -> set[bytes]:
    """The contents that the backups need, other than those that go."""
    return {
        bytes.fromhex(entry.sha256)
        for path in folder.folders()
        if path not in but
        for entry in read_index(path / INDEX)
        if entry.sha256
    }

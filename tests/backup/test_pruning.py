"""Which backups are kept, and that what they need stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepsake.backup.folder import Backup, BackupError, Manifest
from keepsake.backup.pruning import Keep, kept, prune
from keepsake.errors import InvalidInput
from tests.backup.conftest import Kept

MONDAY = datetime(2026, 11, 30, 3, tzinfo=UTC)


def backup(at: datetime, lost: int = 0) -> Backup:
    manifest = Manifest(
        keepsake="0.1", migration=1, pg_dump=18, made_at=at, seconds=1, rows={}, files={},
        objects=0, object_bytes=0, added_bytes=0, lost=lost,
    )  # fmt: skip
    return Backup(f"{at:%m-%d %H}", Path(), manifest, None)


NIGHTLY = [backup(MONDAY - timedelta(days=days)) for days in range(70)]


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (Keep(last=2), ["11-29 03", "11-30 03"]),
        (Keep(daily=3), ["11-28 03", "11-29 03", "11-30 03"]),
        (Keep(weekly=3), ["11-22 03", "11-29 03", "11-30 03"]),  # the last one of each week
        (Keep(monthly=2), ["10-31 03", "11-30 03"]),
        (Keep(daily=1, monthly=2), ["10-31 03", "11-30 03"]),
    ],
)
def test_the_last_of_each_period_is_kept(keep: Keep, names: list[str]) -> None:
    assert sorted(kept(NIGHTLY, keep)) == names


def test_of_two_on_a_day_the_later_is_kept() -> None:
    evening = backup(MONDAY + timedelta(hours=12))
    assert kept([evening, *NIGHTLY], Keep(daily=2)) == {"11-30 15", "11-29 03"}


def test_the_newest_complete_one_is_always_kept() -> None:
    found = [backup(MONDAY, lost=1), backup(MONDAY - timedelta(days=1), lost=2), *NIGHTLY[2:]]
    assert kept(found, Keep(last=1)) == {"11-30 03", "11-28 03"}


def test_contents_that_only_removed_backups_have_go(kept: Kept) -> None:
    first = kept.back_up()
    key = kept.keys()[0]
    kept.put(key, b"said again")
    second = kept.back_up()
    would = prune(kept.root, Keep(last=1), dry_run=True)
    assert (would.removed, would.freed, first.path.exists()) == ([first.name], 0, True)
    done = prune(kept.root, Keep(last=1))
    assert (done.removed, done.kept) == ([first.name], [second.name])
    assert done.freed > 0
    assert len(kept.stored()) == len(set(kept.objects().values()))
    assert kept.problems() == []


def test_nothing_goes_while_what_another_needs_is_not_known(kept: Kept) -> None:
    kept.back_up()
    second = kept.back_up()
    (second.path / "objects.jsonl.gz").write_bytes(b"damaged")
    contents = kept.stored()
    with pytest.raises(BackupError, match="cannot be read"):
        prune(kept.root, Keep(last=1))
    assert kept.stored() == contents


def test_it_must_be_said_what_to_keep(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--keep-last"):
        prune(tmp_path, Keep())

"""Restoring a backup: the objects first, then the database, in one transaction.

Whatever breaks off, the database is as it was, and the same command goes on.
"""

import asyncio
import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from keepsake.accounts.first_user import EMAIL
from keepsake.backup.contents import (
    Entry,
    Progress,
    Report,
    hash_file,
    in_batches,
    read_index,
    silent,
)
from keepsake.backup.folder import DUMP, INDEX, Backup, BackupError, Folder
from keepsake.backup.programs import ensure_vector, find_programs, load
from keepsake.backup.verification import damage
from keepsake.clients.objects import OCTETS, MissingObject, ObjectStore, open_objects
from keepsake.concurrency import together
from keepsake.database import Connection, connect, migrate, migrations
from keepsake.embedded import postgres
from keepsake.errors import InvalidInput
from keepsake.settings import Settings
from keepsake.text.counted import counted

# A message that the backup has as pending may have been sent since, and none is sent twice.
_SETTLE_OUTBOX = (
    "UPDATE keepsake.outbox SET status = 'unknown', finished_at = now(),"
    " detail = 'was to be sent when the backup was made that was restored'"
    " WHERE status IN ('pending', 'sending');"
)


@dataclass(frozen=True)
class Restored:
    """What a restore came to; `lost` are the objects that the backup does not have whole."""

    backup: str
    rows: int
    objects: int
    lost: list[str]
    migrated: int


async def restore(
    settings: Settings,
    root: Path,
    name: str | None = None,
    *,
    replace: bool = False,
    report: Report = silent,
) -> Restored:
    """Restore a backup, the newest if none is named, to the database and store in force.

    Nobody is signed in afterwards. The schema is brought up to date. Objects that the backup lacks
    or has damaged are left out, and named.

    Args:
        settings: say where to. The embedded database is made if there is none.
        root: the folder of the backups.
        name: of the backup.
        replace: what is there already, if there is anything. Its objects stay in the store.
        report: told how far it is.

    Raises:
        InvalidInput: there is no such backup, or the database is not empty.
        BackupBusy: another process changes the backups of the folder.
        BackupError: the backup is damaged or from a newer Keepsake, the database is in use, or the
            server does not take it.
        StepError: the store of objects fails.
    """
    folder = Folder(root)
    with folder.locked(shared=True):
        backup = folder.find(name)
        await _check_backup(backup)
        url = settings.database_url or await asyncio.to_thread(
            postgres.ensure_running, settings.home
        )
        server = await asyncio.to_thread(_check_database, url, replace=replace)
        programs = await find_programs(max(server, backup.manifest.pg_dump))
        restored, lost = await _restore_objects(open_objects(settings), folder, backup, report)
        report(Progress("restoring the database", 0))
        await load(programs, backup.path / DUMP, url, last=_SETTLE_OUTBOX)
        migrated = await asyncio.to_thread(_bring_up_to_date, url)
    rows = sum(backup.manifest.rows.values())
    return Restored(backup.name, rows, restored, lost, migrated)


async def _check_backup(backup: Backup) -> None:
    if backup.manifest.migration > len(migrations()):
        raise BackupError(
            f"the backup {backup.name} was made by Keepsake {backup.manifest.keepsake} at migration"
            f" {backup.manifest.migration}, this one knows {len(migrations())}: install that "
            "version or a newer one"
        )
    for name in (DUMP, INDEX):
        if problem := await damage(backup, name):
            raise BackupError(
                f"in the backup {backup.name} {problem}: restore another, see "
                "`keepsake backup list`"
            )


def _check_database(url: str, *, replace: bool) -> int:
    """The major version of the server, whose database is empty or may be replaced.

    Raises:
        InvalidInput: it is not empty.
        BackupError: others use it.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone() or (0,)
        if row[0]:
            raise BackupError(
                f"{counted(row[0], 'connection')} to the database: stop `keepsake up`, or all parts"
                " of Keepsake and Dagster, and then restore"
            )
        lost = _lost(connection)
        if lost and not replace:
            raise InvalidInput(
                f"this Keepsake is not empty: a restore would remove {lost}. Back that up, or say "
                "--replace; nothing was changed"
            )
        ensure_vector(connection)
        return connection.info.server_version // 10_000


def _lost(connection: Connection) -> str:
    """What a restore would remove; nothing: the database is empty."""
    if connection.execute("SELECT to_regclass('keepsake.memberships')").fetchone() == (None,):
        return ""
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM owners), (SELECT count(*) FROM records),"
        " (SELECT count(*) FROM users WHERE email <> %s)",
        (EMAIL,),
    ).fetchone() or (0, 0, 0)
    if not any(counts):
        return ""
    return ", ".join(map(counted, counts, ("owner", "record", "user")))


async def _restore_objects(
    objects: ObjectStore, folder: Folder, backup: Backup, report: Report
) -> tuple[int, list[str]]:
    """Put the objects into the store: how many the store has then, and which are lost."""
    done = 0
    lost: list[str] = []
    for entries in in_batches(read_index(backup.path / INDEX)):
        report(Progress("objects", done + len(lost), backup.manifest.objects))
        put = await together(_put(objects, folder, entry) for entry in entries)
        done += sum(put)
        lost += [entry.key for entry, there in zip(entries, put, strict=True) if not there]
    return done, lost


async def _put(objects: ObjectStore, folder: Folder, entry: Entry) -> bool:
    """Put an object into the store, unless it is there. False: the backup does not have it."""
    if entry.sha256 is None:
        return False
    content = folder.content(entry.sha256)
    try:
        found = await asyncio.to_thread(hash_file, content)
    except OSError:
        return False
    if found.sha256 != entry.sha256:
        return False
    if not await _is_there(objects, entry):
        content_type = mimetypes.guess_type(entry.key)[0] or OCTETS
        await objects.put_file(entry.key, content, content_type)
    return True


async def _is_there(objects: ObjectStore, entry: Entry) -> bool:
    """Whether the store has the object with the same content."""
    try:
        stored = await objects.stat(entry.key)
        if stored.size != entry.size:
            return False
        digest = sha256()
        async with objects.open_range(entry.key, stored) as pieces:
            async for piece in pieces:
                digest.update(piece)
    except MissingObject:
        return False
    return digest.hexdigest() == entry.sha256


def _bring_up_to_date(url: str) -> int:
    applied = migrate(url)
    with connect(url) as connection:
        connection.execute("ANALYZE")  # searches are planned by what tables hold
    return len(applied)

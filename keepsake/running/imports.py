"""Activity files taken in: one, or thousands from a folder or an archive.

Files are checked in the worker pool while the ones before them are stored, a hundred in one
transaction; so memory stays flat, and an import that was broken off is simply run again. A file
that is an activity becomes a record even if no more than its beginning can be read: what is wrong
with it is then reported by its `activities` step. What is no activity is rejected and named.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from keepsake.clients.objects import ObjectStore
from keepsake.concurrency import together
from keepsake.database import Pool, owner_transaction
from keepsake.errors import InvalidInput, PermanentError
from keepsake.metrics import totals
from keepsake.metrics.counts import Counts, counting
from keepsake.owners.owners import Owner
from keepsake.records import adding as records
from keepsake.records import uploads
from keepsake.records.adding import PRIORITIES, Added, Also
from keepsake.records.batches import Hold, finish_batch, hold_nothing, start_batch
from keepsake.running import activity as activities
from keepsake.running.activity import LINE, ActivityFile
from keepsake.running.archives import Entry, entries, file_entry
from keepsake.running.files import GZIP
from keepsake.running.packed import examine
from keepsake.settings import Settings
from keepsake.text.names import clean_name
from keepsake.worker_pool import WorkerFailed, WorkerPool, open_worker_pool

IN_FLIGHT = 16  # files being checked or waiting for it
FILES_A_BATCH = 100
BYTES_HELD = 32_000_000  # packed: of those being checked, and again of those not yet stored
ANALYZE_FROM = 500  # new records; then whenever there are four times as many
CHECK_SECONDS = 60.0
REASONS_KEPT = 100


@dataclass
class Imported:
    """What an import has come to so far.

    Attributes:
        created: new records.
        replaced: records whose file could not be read and that have another one now.
        duplicates: files of records that were there already.
        rejected: files that no record could be made of.
        reasons: name and reason of the first rejected ones.
    """

    created: int = 0
    replaced: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def reject(self, name: str, reason: str) -> None:
        """Count a file that was rejected."""
        self.rejected += 1
        if len(self.reasons) < REASONS_KEPT:
            self.reasons.append((_shown(name), reason))


@dataclass(frozen=True)
class AddedActivity(Added):
    """The first activity of a file as a record, and the others, where it holds several."""

    others: tuple[Added, ...] = ()


@dataclass(frozen=True)
class _CheckedFile:
    """An activity in a file, with the file's bytes as they are kept."""

    file: ActivityFile
    data: bytes


async def import_activities(
    pool: Pool,
    objects: ObjectStore,
    settings: Settings,
    owner: Owner,
    path: Path,
    *,
    batch_id: int | None = None,
    hold: Hold = hold_nothing,
    on_progress: Callable[[Imported], None] | None = None,
) -> Imported:
    """Take in every activity of a folder, an archive or a file, as records of low priority.

    They belong to a batch that was started, or to a new one.

    Raises:
        InvalidInput: there is nothing at `path`, or the archive is damaged.
        StepError: the object store does not take the files. What was stored stays; run it again.
    """
    found = entries(path, most_bytes=_most_bytes(settings))
    if batch_id is None:
        async with owner_transaction(pool, owner.id) as connection:
            batch_id = await start_batch(connection, owner.id, LINE, _shown(path.name))
    imported = Imported()
    analyze_at = ANALYZE_FROM
    low = PRIORITIES["low"]
    intake = _Intake(pool, objects, settings, owner, low, imported, batch_id, hold)
    try:
        async with (
            open_worker_pool(settings) as workers,
            aclosing(intake.checked(found, workers)) as all,
        ):
            batch: list[_CheckedFile] = []
            async for checked in all:
                batch.extend(checked)
                held = sum(len(each.data) for each in batch)
                if len(batch) >= FILES_A_BATCH or held >= BYTES_HELD:
                    await intake.store(batch)
                    batch = []
                    if imported.created >= analyze_at:
                        async with pool.connection() as connection:  # as the tables' owner
                            await activities.analyze(connection)
                        analyze_at *= 4
                    if on_progress:
                        on_progress(imported)
            await intake.store(batch)
    finally:
        async with owner_transaction(pool, owner.id) as connection:
            await hold(connection)
            await finish_batch(
                connection,
                owner.id,
                batch_id,
                created=imported.created,
                duplicates=imported.duplicates + imported.replaced,
                rejected=imported.rejected,
                reasons=imported.reasons,
            )
    return imported


async def add_activity(
    pool: Pool,
    objects: ObjectStore,
    settings: Settings,
    owner: Owner,
    path: Path,
    *,
    name: str | None = None,
    title: str | None = None,
    priority: str = "normal",
    external_id: str | None = None,
    workers: WorkerPool | None = None,
    also: Also = records.nothing_more,
) -> AddedActivity:
    """Add one activity file. It counts as new when it takes the place of one that was broken.

    A file of several activities adds them all, or none.

    Args:
        pool: the database.
        objects: where files are kept.
        settings: what is accepted.
        owner: the runner.
        path: of the file.
        name: what its sender calls it, if not as `path` does.
        title: the runner's own name for the activity.
        priority: `low`, `normal` or `urgent`.
        external_id: the sender's name for it.
        workers: where it is checked; None: in a process for this call.
        also: see `Also`; it is given an `AddedActivity`.

    Raises:
        InvalidInput: it is no activity, too large, or of a day that is not kept.
        StepError: the object store does not take it.
    """
    entry = file_entry(path, most_bytes=_most_bytes(settings))
    entry = replace(
        entry, name=name or entry.name, title=None if title is None else clean_name(title)
    )
    number = records.check_priority(priority)
    external_id = records.check_external_id(external_id)
    intake = _Intake(pool, objects, settings, owner, number, Imported())
    data = await asyncio.to_thread(entry.read)
    if workers is not None:
        checked = await intake.check(entry, data, workers, external_id)
    else:
        async with open_worker_pool(settings, processes=1) as own:
            checked = await intake.check(entry, data, own, external_id)
    return _together(await intake.store(checked, also))


def _together(added: Sequence[Added]) -> AddedActivity:
    first, *others = added
    return AddedActivity(first.record_id, first.created, tuple(others))


def _most_bytes(settings: Settings) -> int:
    return settings.max_activity_mb * 1_000_000


@dataclass(frozen=True)
class _Intake:
    """One import: whose, to where, and what it has come to."""

    pool: Pool
    objects: ObjectStore
    settings: Settings
    owner: Owner
    priority: int
    imported: Imported
    batch_id: int | None = None
    hold: Hold = hold_nothing

    async def checked(
        self, found: Iterable[Entry], workers: WorkerPool
    ) -> AsyncGenerator[Sequence[_CheckedFile]]:
        """The activities of each entry, in order; a few ahead are being checked."""
        ahead: deque[tuple[asyncio.Task[Sequence[_CheckedFile]], int]] = deque()
        try:
            for entry in found:
                # Read now: an archive is closed when its last entry was given.
                if (data := self._read(entry)) is None:
                    continue
                check = asyncio.create_task(self._check_or_reject(entry, data, workers))
                ahead.append((check, len(data)))
                while len(ahead) == IN_FLIGHT or sum(size for _, size in ahead) > BYTES_HELD:
                    yield await ahead.popleft()[0]
            while ahead:
                yield await ahead.popleft()[0]
        finally:
            for task, _ in ahead:
                task.cancel()

    def _read(self, entry: Entry) -> bytes | None:
        try:
            return entry.read()
        except InvalidInput as error:
            self.imported.reject(entry.name, str(error))
            return None

    async def _check_or_reject(
        self, entry: Entry, data: bytes, workers: WorkerPool
    ) -> Sequence[_CheckedFile]:
        try:
            return await self.check(entry, data, workers)
        except (InvalidInput, PermanentError, WorkerFailed) as error:
            self.imported.reject(entry.name, str(error))
            return ()

    async def check(
        self, entry: Entry, data: bytes, workers: WorkerPool, external_id: str | None = None
    ) -> Sequence[_CheckedFile]:
        """Say what a file is: the activities in it, at least one.

        The first bears the name of the file, the others that name and their number: so they are
        known again, and a file that was taken for one activity gets the others beside it.

        Raises:
            InvalidInput: it is no activity, too large, or of a day that is not kept.
            PermanentError: the check took more memory or time than it may.
        """
        examined = await workers.run(
            examine, data, most_bytes=_most_bytes(self.settings), seconds=CHECK_SECONDS
        )
        packed = ".gz" if data.startswith(GZIP) else ""
        kind, digest = examined.format, examined.sha256
        first = ActivityFile(
            external_id=external_id or digest,
            name=_shown(PurePosixPath(entry.name).name),
            format=kind,
            sha256=digest,
            key=f"running/{self.owner.id}/files/{digest}.{kind}{packed}",
            recorded_at=self._recorded_at(examined.started_at, entry.date),
            starts=examined.started_at is not None,
            title=_title(entry.title),
            sport=_title(entry.sport),
            whole=examined.whole,
        )
        others = [
            replace(
                first,
                external_id=f"{first.external_id}#{part}",
                recorded_at=self._recorded_at(start, None),
                part=part,
            )
            for part, start in enumerate(examined.others, start=2)
        ]
        return [_CheckedFile(file, data) for file in (first, *others)]

    def _recorded_at(self, start: datetime | None, date: datetime | None) -> datetime:
        """When it began, as the file says; else as what lists it says, or the file's own date."""
        first_day = self.settings.first_day
        if start is not None:
            return records.check_recorded_at(start, first_day)
        try:
            return records.check_recorded_at(date or datetime.now(UTC), first_day)
        except InvalidInput:
            return datetime.now(UTC)

    async def store(
        self, checked: Sequence[_CheckedFile], also: Also = records.nothing_more
    ) -> list[Added]:
        """Add what is new, in one transaction; returns the records, new ones or not.

        The files are in the object store by then: no connection is held while they are stored.
        """
        files = activities.distinct(each.file for each in checked)
        data = {each.file.key: each.data for each in checked}
        uploaded: set[str] = set()
        stored = Counts()
        while True:
            async with owner_transaction(self.pool, self.owner.id) as connection:
                await self.hold(connection)
                await activities.lock_owner(connection, self.owner.id)
                known = await activities.recognise(connection, self.owner.id, files)
                found = list(zip(files, known, strict=True))
                new = [file for file, record in found if record is None]
                better = [
                    (file, record.record_id) for file, record in found if record and record.replace
                ]
                keys = {file.key for file in (*new, *(file for file, _ in better))}
                missing = await uploads.to_upload(connection, self.owner.id, keys, uploaded)
                if not missing:
                    for file, record_id in better:
                        await activities.replace_file(connection, self.owner.id, record_id, file)
                    ids = iter(
                        await activities.add(
                            connection,
                            self.settings,
                            self.owner.id,
                            new,
                            priority=self.priority,
                            batch_id=self.batch_id,
                        )
                    )
                    await uploads.named(connection, self.owner.id, keys)
                    added = [
                        Added(record.record_id, created=record.replace)
                        if record
                        else Added(next(ids), created=True)
                        for record in known
                    ]
                    if added:
                        await also(connection, _together(added))
                    await totals.add(connection, stored)
                    break
            with counting(LINE) as counts:
                await together(self.objects.put_bytes(key, data[key]) for key in missing)
            stored.merge(counts)
            uploaded.update(missing)
        self.imported.created += len(new)
        self.imported.replaced += len(better)
        self.imported.duplicates += len(checked) - len(new) - len(better)
        return added


def _shown(name: str) -> str:
    """A file's name as it can be stored and shown: file systems allow bytes that are no text."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _title(text: str | None) -> str | None:
    """A title, or a sport, as it is kept: printable, of one line and at most 200 characters."""
    try:
        return clean_name(text[:200]) if text else None
    except InvalidInput:
        return None

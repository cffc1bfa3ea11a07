"""Files full of bookmarks, as browsers and other programs export them, taken in.

The content gives the format, not by the name. A file holds hundreds of records, each
hundred in one transaction: an import that breaks off is run again, and recognises what is there.
Nothing is lost on the way: an address that cannot be fetched (`javascript:`, `file:`) is a bookmark
too, whose page then says why it has none. What cannot be stored at all is counted and listed, and
so is what had to be assumed. The formats are read in `exports.py`.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from keepsake.bookmarks.bookmark import LINE, NewBookmark, clean_tag, clean_title, store
from keepsake.bookmarks.exports import Entry, Export, read_export
from keepsake.clients.objects import ObjectStore
from keepsake.database import Pool, owner_transaction
from keepsake.errors import InvalidInput
from keepsake.owners.owners import Owner
from keepsake.records import adding as records
from keepsake.records.batches import Hold, finish_batch, hold_nothing, start_batch
from keepsake.settings import Settings
from keepsake.text.names import printable

AT_ONCE = 500
LARGEST = 256 * 1024 * 1024  # bytes of a file
LONGEST_ADDRESS = 65_536  # characters; some bookmarks are little programs
MOST_PROBLEMS = 100  # that are listed; all are counted


@dataclass(frozen=True)
class Problem:
    """A bookmark that could not be stored: where it is in the file, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Intake:
    """What became of a file.

    Attributes:
        kind: what the file was taken for.
        taken: from which columns the first entry was read; empty for HTML.
        undated: bookmarks without a date; it is assumed that they were saved now.
        unread_dates: the same for those whose date cannot be read, or is outside the partitions.
    """

    batch_id: int
    kind: str
    taken: Mapping[str, list[str]]
    created: int = 0
    duplicates: int = 0
    rejected: int = 0
    undated: int = 0
    unread_dates: int = 0
    problems: tuple[Problem, ...] = ()


async def import_bookmarks(
    pool: Pool,
    settings: Settings,
    owner: Owner,
    path: Path,
    *,
    batch_id: int | None = None,
    hold: Hold = hold_nothing,
    on_progress: Callable[[int, float], None] = lambda read, share: None,
) -> Intake:
    """Take in every bookmark of a file; `on_progress` hears how many, and the share of the file.

    They belong to a batch that was started, or to a new one, and get a low priority, so that a
    flood never holds back what is saved meanwhile.

    Raises:
        InvalidInput: it is too large, or none of the formats that are known. Nothing was stored.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Parsing takes the processor: it is done beside the event loop, 500 entries at a time.
        export = await asyncio.to_thread(read_export, file, path.name)
        if batch_id is None:
            async with owner_transaction(pool, owner.id) as connection:
                batch_id = await start_batch(connection, owner.id, LINE, path.name)
        intake = Intake(batch_id, export.kind, export.taken)
        while some := await asyncio.to_thread(_next_entries, export):
            intake = await _take_in(pool, settings, owner, some, intake, hold)
            read = intake.created + intake.duplicates + intake.rejected
            on_progress(read, 1.0 if file.closed else file.tell() / size)
    async with owner_transaction(pool, owner.id) as connection:
        await hold(connection)
        await finish_batch(
            connection,
            owner.id,
            batch_id,
            created=intake.created,
            duplicates=intake.duplicates,
            rejected=intake.rejected,
            reasons=[(problem.where, problem.why) for problem in intake.problems],
        )
    return intake


async def import_file(
    pool: Pool,
    objects: ObjectStore,
    settings: Settings,
    owner: Owner,
    path: Path,
    *,
    batch_id: int,
    hold: Hold,
) -> None:
    """Take in a file that was handed in. Nothing goes to the store: pages are fetched later."""
    await import_bookmarks(pool, settings, owner, path, batch_id=batch_id, hold=hold)


def check_file(path: Path, name: str) -> None:
    """See that a file is one of bookmarks, by its beginning.

    Raises:
        InvalidInput: it is too large, or none of the formats that are known.
    """
    with _opened(path) as file:
        read_export(file, name)


def _opened(path: Path) -> BinaryIO:
    """A file of bookmarks, open for reading.

    Raises:
        InvalidInput: it is too large.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise InvalidInput(
            f"{path.name} has {size / 1e6:,.0f} MB; at most {LARGEST / 1e6:,.0f} are accepted"
        )
    return path.open("rb")


def _next_entries(export: Export) -> list[Entry]:
    return list(islice(export.entries, AT_ONCE))


async def _take_in(
    pool: Pool, settings: Settings, owner: Owner, some: list[Entry], intake: Intake, hold: Hold
) -> Intake:
    good: list[NewBookmark] = []
    problems: list[Problem] = []
    undated = unread = 0
    now = datetime.now(UTC)
    for entry in some:
        moment = _moment(entry.saved, settings)
        try:
            good.append(_checked(entry, settings, moment or now))
        except InvalidInput as error:
            problems.append(Problem(entry.where, str(error)))
            continue
        undated += moment is None and not _has_date(entry)
        unread += moment is None and _has_date(entry)
    async with owner_transaction(pool, owner.id) as connection:
        await hold(connection)
        added = await store(connection, settings, owner.id, good, batch_id=intake.batch_id)
    created = sum(record.created for record in added)
    return replace(
        intake,
        created=intake.created + created,
        duplicates=intake.duplicates + len(added) - created,
        rejected=intake.rejected + len(problems),
        undated=intake.undated + undated,
        unread_dates=intake.unread_dates + unread,
        problems=(*intake.problems, *problems)[:MOST_PROBLEMS],
    )


def _checked(entry: Entry, settings: Settings, moment: datetime) -> NewBookmark:
    """The bookmark, fit to be stored.

    Raises:
        InvalidInput: it has neither address nor text, or one that cannot be stored.
    """
    address = printable(entry.url.strip())
    content = _content(entry.content, settings)
    if not address and not content:
        raise InvalidInput("it has neither an address nor a text")
    if len(address) > LONGEST_ADDRESS:
        raise InvalidInput(f"its address has {len(address):,} characters")
    return NewBookmark(
        url=address.encode("utf-8", "replace").decode(),
        title=clean_title(entry.title),
        content=content,
        tags=tuple(_tags(entry.tags)),
        folder=clean_title(entry.folder),
        recorded_at=moment,
        priority="low",
    )


def _content(text: str | None, settings: Settings) -> str | None:
    """The text that came along, as far as there is room. A note of mere ornaments is none."""
    plain = (text or "").replace("\x00", "").encode("utf-8", "replace").decode()
    plain = plain[: settings.max_text_chars]
    return records.check_text(plain, settings) if any(c.isalnum() for c in plain) else None


def _tags(tags: Iterable[str]) -> Iterator[str]:
    """The tags that are any; a program's idea of a tag is no reason to refuse a bookmark."""
    for tag in dict.fromkeys(tags):
        try:
            yield clean_tag(tag)
        except InvalidInput:
            continue


def _has_date(entry: Entry) -> bool:
    """Whether there is a date. A zero is what programs write for none."""
    return str(entry.saved or "0").strip() not in ("", "0")


def _moment(saved: str | float | None, settings: Settings) -> datetime | None:
    """When it was saved; None where no time can be read, or where it is outside the partitions."""
    try:
        return records.check_recorded_at(_read_moment(saved), settings.first_day)
    except (InvalidInput, ValueError, OverflowError):
        return None


def _read_moment(saved: str | float | None) -> datetime:
    """A time as programs write it: seconds and fractions of them, ISO 8601, or as in an e-mail.

    Raises:
        ValueError: it is none of these. Of `03/04/2021` it is unknown which is the month.
    """
    text = str(saved or "").strip()
    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return _of_number(float(text))
    if re.match(r"\w{3}, \d", text):
        moment = parsedate_to_datetime(text)
    else:
        plain = re.sub(r"\s*(?:UTC|GMT)$", "", text)
        moment = datetime.fromisoformat(re.sub(r"^(\d{4})[/.](\d\d)[/.](\d\d)", r"\1-\2-\3", plain))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_number(number: float) -> datetime:
    if number >= 1e16:  # microseconds since 1601, as Chrome counts
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    unit = 1e6 if number >= 1e14 else 1e3 if number >= 1e11 else 1  # of a second
    return datetime.fromtimestamp(number / unit, UTC)

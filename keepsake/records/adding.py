"""Adding records of any line, and checking what people hand in.

Adding a record is one transaction: its row in `records`, its row in its line's own table, and a
ledger row for each step of its line, which the owner's tier and the settings may hold. The lines'
own tables are written by the lines (`keepsake/family/`).
"""

import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.metrics import totals
from keepsake.metrics.counts import Counts
from keepsake.owners.tiers import apply_tier
from keepsake.settings import IntakeSettings, StepSettings

PRIORITIES = {"low": -10, "normal": 0, "urgent": 10}
LONGEST_EXTERNAL_ID = 500  # characters
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Added:
    """A record's id, and whether it was created; otherwise what was added is a duplicate of it."""

    record_id: int
    created: bool


Also = Callable[[AsyncConnection, Added], Awaitable[None]]
"""What is done as well in the transaction that adds a record; what it raises undoes all of it."""


async def nothing_more(_connection: AsyncConnection, _added: Added) -> None:
    """An `Also` that does nothing."""


@dataclass(frozen=True)
class NewRecord:
    """A record as its line hands it in.

    `external_id` is the sender's name for it, `platform` what metrics call the kind of thing it is.
    """

    external_id: str
    recorded_at: datetime
    content_hash: str
    priority: int
    platform: str = "other"


async def add_record(
    connection: AsyncConnection,
    settings: StepSettings,
    *,
    line: str,
    owner_id: int,
    external_id: str,
    recorded_at: datetime,
    content_hash: str,
    priority: int,
    batch_id: int | None = None,
) -> Added:
    """Add one record; see `add_records`."""
    new = NewRecord(external_id, recorded_at, content_hash, priority)
    (added,) = await add_records(
        connection, settings, line=line, owner_id=owner_id, rows=[new], batch_id=batch_id
    )
    return added


async def add_records(
    connection: AsyncConnection,
    settings: StepSettings,
    *,
    line: str,
    owner_id: int,
    rows: Sequence[NewRecord],
    batch_id: int | None = None,
) -> list[Added]:
    """Add records and their ledger rows, in the order given; call it inside a transaction.

    A step that the settings leave to a schedule is not due; one that they switch off is held. In a
    line with tiered steps, what lies beyond the owner's tier is held before a run can see it.

    Args:
        connection: inside a transaction.
        settings: which steps wait for a schedule, and which are switched off.
        line: of the records.
        owner_id: whose they are.
        rows: the records. Of those with one external id the first is added.
        batch_id: the import that they came with.
    """
    scheduled, off = list(settings.scheduled_steps), list(settings.switched_off_steps)
    cursor = await connection.execute(
        """
        WITH added AS (
            INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash, priority,
                                 batch_id)
            SELECT %(line)s, %(owner)s, external_id, recorded_at, content_hash, priority, %(batch)s
            FROM unnest(%(external_ids)s::text[], %(moments)s::timestamptz[], %(hashes)s::text[],
                        %(priorities)s::smallint[]) WITH ORDINALITY
                AS given(external_id, recorded_at, content_hash, priority, at)
            ORDER BY at
            ON CONFLICT (line, owner_id, external_id) DO NOTHING RETURNING id, external_id
        ), opened AS (
            INSERT INTO ledger (record_id, owner_id, step, line, hold_reason, due_at)
            SELECT id, %(owner)s, name, line, CASE WHEN name = ANY(%(off)s) THEN 'off' END,
                   CASE WHEN name <> ALL(%(scheduled)s) AND name <> ALL(%(off)s) THEN now() END
            FROM added, steps WHERE line = %(line)s
        )
        SELECT external_id, id,
               EXISTS (SELECT FROM steps WHERE line = %(line)s AND tiered) AS has_tiered_steps
        FROM added
        """,
        {
            "line": line,
            "owner": owner_id,
            "batch": batch_id,
            "external_ids": [row.external_id for row in rows],
            "moments": [row.recorded_at for row in rows],
            "hashes": [row.content_hash for row in rows],
            "priorities": [row.priority for row in rows],
            "scheduled": scheduled,
            "off": off,
        },
    )
    added = await cursor.fetchall()
    if any(has_tiered_steps for *_, has_tiered_steps in added):
        await apply_tier(connection, owner_id, line, later=scheduled, off=off)
    fresh: dict[str, int] = {external_id: record_id for external_id, record_id, _ in added}
    others = {row.external_id for row in rows} - set(fresh)
    known = dict(fresh)
    if others:  # a second query: another transaction may have added the same before us
        await cursor.execute(
            "SELECT external_id, id FROM records"
            " WHERE line = %s AND owner_id = %s AND external_id = ANY(%s)",
            (line, owner_id, list(others)),
        )
        known.update(await cursor.fetchall())
    result = [
        Added(known[row.external_id], created=fresh.pop(row.external_id, None) is not None)
        for row in rows
    ]
    await _count(
        connection, line, [row for row, one in zip(rows, result, strict=True) if one.created]
    )
    return result


async def _count(connection: AsyncConnection, line: str, rows: Sequence[NewRecord]) -> None:
    counts = Counts()
    for platform, by in Counter(row.platform for row in rows).items():
        counts.count("keepsake_records_added_total", by, line=line, platform=platform)
    await totals.add(connection, counts)


def check_recorded_at(moment: datetime, first_day: date) -> datetime:
    """The moment in UTC.

    Raises:
        InvalidInput: it has no time zone, lies in the future or before the first partition.
    """
    if moment.tzinfo is None:
        raise InvalidInput("the time has no time zone: add one, such as Z or +02:00")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{moment.date()} is no day of the calendar in UTC") from None
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise InvalidInput(f"{moment:%Y-%m-%d %H:%M} UTC is in the future")
    if moment.date() < first_day:
        raise InvalidInput(
            f"{moment.date()} is before {first_day}, the first day that is kept: "
            "set FIRST_DAY to an earlier day to keep older records"
        )
    return moment


def check_text(text: str, settings: IntakeSettings) -> str:
    """What people wrote, as it is stored: letters with accents in one form, on every system.

    Raises:
        InvalidInput: it is empty, too long, or has characters that no text has.
    """
    if "\x00" in text:
        raise InvalidInput("the text has NUL characters: it is not a text file")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InvalidInput("the text has characters that are no text: save it as UTF-8")
    text = unicodedata.normalize("NFC", text.strip().removeprefix("\ufeff").strip())
    if not any(c.isalnum() for c in text):
        raise InvalidInput("the text is empty: it has not one letter or digit")
    if len(text) > settings.max_text_chars:
        raise InvalidInput(
            f"the text has {len(text):,} characters; at most {settings.max_text_chars:,} are "
            "accepted (MAX_TEXT_CHARS): split it into several"
        )
    return text


def check_external_id(name: str | None) -> str | None:
    """The sender's own id for a record.

    Raises:
        InvalidInput: it is empty or longer than 500 characters, or has NUL characters.
    """
    if name is not None and (not 0 < len(name) <= LONGEST_EXTERNAL_ID or "\x00" in name):
        raise InvalidInput(
            f"an id of your own has 1 to {LONGEST_EXTERNAL_ID} characters, none of them NUL"
        )
    return name


def check_priority(name: str) -> int:
    """The number behind `low`, `normal` or `urgent`.

    Raises:
        InvalidInput: any other word.
    """
    if name not in PRIORITIES:
        raise InvalidInput(f"priority {name!r} is none of {', '.join(PRIORITIES)}")
    return PRIORITIES[name]

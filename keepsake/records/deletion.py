"""Deleting records, with everything that was made of them and the objects that nothing else names.

First the rows go, in one transaction that notes their objects in `loose_objects`; then `sweep`
takes objects out of the store that are noted and that no row names. Whatever breaks off in between
is known, and the next sweep goes on. Results that are made again note what they replace, likewise.

Owners may share an object. So a deletion decides nothing: it may see one owner's rows only. `sweep`
decides, with a connection that sees all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from keepsake.clients.objects import ObjectStore
from keepsake.database import AsyncConnection, Connection
from keepsake.delivery.outbox import forget_record
from keepsake.errors import KeepsakeError, StepError
from keepsake.pipeline.ledger.claims import RECORD_LOCKS
from keepsake.pipeline.line import Made
from keepsake.records.lookup import line_of, owner_of

# Every column that names an object of a record. Weeks and jobs of an owner name objects as well.
_OF_RECORDS = (
    ("responses", "audio_key"), ("quotes", "clip_key"), ("podcasts", "audio_key"),
    ("podcasts", "vtt_key"), ("podcasts", "chapters_key"), ("pages", "body_key"),
    ("media", "object_key"), ("activity_files", "file_key"),
)  # fmt: skip

_KEYS_OF = " UNION ".join(
    [
        *(
            f"SELECT record_id, {column} AS key FROM {table} WHERE record_id = ANY(%(ids)s)"  # noqa: S608
            f" AND {column} IS NOT NULL"
            for table, column in _OF_RECORDS
        ),
        "SELECT record_id, unnest(speech_keys) FROM podcasts WHERE record_id = ANY(%(ids)s)",
        "SELECT record_id, key FROM loose_objects WHERE record_id = ANY(%(ids)s)",
    ]
)

_NAMED = " OR ".join(
    [
        *(
            f"EXISTS (SELECT FROM {table} t WHERE t.{column} = k.key"
            " AND t.record_id <> ALL(%(ids)s))"
            for table, column in _OF_RECORDS
        ),
        "EXISTS (SELECT FROM podcasts t WHERE t.speech_keys @> ARRAY[k.key]"
        " AND t.record_id <> ALL(%(ids)s))",
        "EXISTS (SELECT FROM weekly_digests t WHERE t.page_key = k.key)",
        "EXISTS (SELECT FROM job_files t WHERE t.object_key = k.key)",
    ]
)

# A SELECT of every object that a row names, each once.
ALL_KEYS = " UNION ".join(
    [
        *(
            f"SELECT {column} AS key FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
            for table, column in _OF_RECORDS
        ),
        "SELECT unnest(speech_keys) FROM podcasts",
        "SELECT page_key FROM weekly_digests",
        "SELECT object_key FROM job_files",
    ]
)

_NOTES: LiteralString = (
    "SELECT owner_id, record_id, not_before <= now() FROM loose_objects"
    " WHERE key = %s ORDER BY owner_id"
)


class RecordBusy(KeepsakeError):
    """A run has the record in its hands."""


@dataclass(frozen=True)
class Doomed:
    """What deleting some records takes: objects that go with them, and those that others share."""

    records: tuple[int, ...]
    objects: tuple[str, ...]
    shared: tuple[str, ...]


@dataclass(frozen=True)
class Swept:
    """What a sweep came to: objects deleted; still to be deleted; why it stopped, if it did."""

    deleted: int
    left: int
    reason: str | None


def doomed(connection: Connection, owner_id: int | None, record_ids: Iterable[int]) -> Doomed:
    """What deleting these records of an owner would take; None: of any owners. Changes nothing.

    An object that another owner has too is not known to be shared within the owner's transaction.

    Raises:
        InvalidInput: one of them does not exist.
    """
    ids = sorted(set(record_ids))
    for record_id in ids:
        line_of(connection, owner_id or owner_of(connection, record_id), record_id)
    rows = connection.execute(_KEYS_OF.encode(), {"ids": ids}).fetchall()
    keys = sorted({key for _, key in rows})
    named = set(named_of(connection, keys, but=ids))
    return Doomed(tuple(ids), tuple(key for key in keys if key not in named), tuple(sorted(named)))


def delete_record(
    connection: Connection, owner_id: int, record_id: int, *, wait: bool = False
) -> None:
    """Delete a record with all its rows; its objects are noted for `sweep`.

    What was written about it in a week's digest and a month's trends goes too: they are made again.

    Args:
        connection: to the database.
        owner_id: whose record.
        record_id: of the record.
        wait: until a run that has it in its hands is done with it.

    Raises:
        InvalidInput: there is no such record.
        RecordBusy: a run has it in its hands, and `wait` is false.
    """
    with connection.transaction():
        line_of(connection, owner_id, record_id)
        _lock(connection, record_id, wait=wait)
        _note_record(connection, record_id)
        _forget_periods(connection, record_id)
        forget_record(connection, record_id)
        connection.execute(
            "DELETE FROM records WHERE id = %s AND owner_id = %s", (record_id, owner_id)
        )


def delete_owner(connection: Connection, owner_id: int) -> bool:
    """Delete an owner with all that is left of it once its records are deleted.

    Its pages are noted for `sweep`. False: it has records still, or again; nothing is deleted.
    """
    with connection.transaction():
        # From here on no record is added: that would refer to the owner.
        connection.execute("SELECT FROM owners WHERE id = %s FOR UPDATE", (owner_id,))
        left = connection.execute("SELECT FROM records WHERE owner_id = %s LIMIT 1", (owner_id,))
        if left.rowcount:
            return False
        connection.execute(
            "INSERT INTO loose_objects (key, owner_id) SELECT DISTINCT page_key, owner_id"
            " FROM weekly_digests WHERE owner_id = %s ON CONFLICT DO NOTHING",
            (owner_id,),
        )
        connection.execute("DELETE FROM owners WHERE id = %s", (owner_id,))
    return True


def _lock(connection: Connection, record_id: int, *, wait: bool) -> None:
    """Take the lock by which runs have a record in their hands, until the transaction ends."""
    lock = (RECORD_LOCKS + record_id,)
    if wait:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", lock)
        return
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", lock).fetchone()
    if row != (True,):
        raise RecordBusy(f"a run is working on record {record_id}")


def _note_record(connection: Connection, record_id: int) -> None:
    connection.execute(
        f"INSERT INTO loose_objects (key, owner_id, record_id)"  # noqa: S608
        f" SELECT DISTINCT k.key, r.owner_id, r.id FROM ({_KEYS_OF}) AS k"
        " JOIN records r ON r.id = k.record_id ON CONFLICT DO NOTHING".encode(),
        {"ids": [record_id]},
    )


def _forget_periods(connection: Connection, record_id: int) -> None:
    """Drop the digest and the trends that mention an activity: the schedules make them again."""
    for table, unit, key in (("weekly_digests", "week", "page_key"), ("trends", "month", None)):
        found = connection.execute(
            f"DELETE FROM {table} made USING activities a, owners o"  # noqa: S608
            " WHERE a.record_id = %s AND o.id = a.owner_id AND made.owner_id = a.owner_id"
            f" AND made.{unit} = date_trunc('{unit}', a.started_at AT TIME ZONE o.time_zone)::date"
            f" RETURNING {key or 'NULL'}, made.owner_id".encode(),
            (record_id,),
        ).fetchall()
        connection.cursor().executemany(
            "INSERT INTO loose_objects (key, owner_id, record_id) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(page, owner_id, record_id) for page, owner_id in found if page],
        )


async def note_replaced(
    connection: AsyncConnection, table: str, made: Sequence[Made[Any]], still: Iterable[str]
) -> None:
    """Note the objects of results that are about to be replaced, but for those `still` named.

    To be called by a step's `save`, before the old rows go.
    """
    columns = [column for name, column in _OF_RECORDS if name == table]
    keys = ", ".join(f"t.{column}" for column in columns)
    speech = " || t.speech_keys" if table == "podcasts" else ""
    await connection.execute(
        f"INSERT INTO loose_objects (key, owner_id, record_id)"  # noqa: S608
        f" SELECT DISTINCT key, r.owner_id, r.id FROM {table} t JOIN records r ON r.id ="
        f" t.record_id CROSS JOIN LATERAL unnest(ARRAY[{keys}]{speech}) AS key"
        " WHERE t.record_id = ANY(%s) AND key IS NOT NULL AND key <> ALL(%s)"
        " ON CONFLICT DO NOTHING".encode(),
        ([each.record_id for each in made], list(still)),
    )


async def sweep(
    connection: Connection, objects: ObjectStore, *, record_id: int | None = None
) -> Swept:
    """Delete the objects that are noted and that no row names.

    Stops when the store fails. What a run may be about to name again is left for the next time.

    Args:
        connection: sees the rows of all owners.
        objects: the store.
        record_id: only those noted of this record.
    """
    deleted, after = 0, ""
    reason = None
    while reason is None and (page := _noted(connection, after, record_id)):
        for key in page:
            try:
                deleted += await _sweep_one(connection, objects, key)
            except StepError as error:
                reason = str(error)
                break
        after = page[-1]
    row = connection.execute(
        "SELECT count(DISTINCT key) FROM loose_objects WHERE not_before <= now()"
    ).fetchone()
    return Swept(deleted, row[0] if row else 0, reason)


def _noted(
    connection: Connection, after: str, record_id: int | None, *, limit: int = 500
) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT key FROM loose_objects WHERE key > %(after)s AND not_before <= now()"
        " AND (%(record)s::bigint IS NULL OR record_id = %(record)s) ORDER BY key LIMIT %(limit)s",
        {"after": after, "record": record_id, "limit": limit},
    ).fetchall()
    return [key for (key,) in rows]


async def _sweep_one(connection: Connection, objects: ObjectStore, key: str) -> bool:
    """Delete one object, unless a row names it. Returns whether it was deleted."""
    with connection.transaction():
        notes = connection.execute(_NOTES, (key,)).fetchall()
        try:
            # A note of an upload has no record: no row came to name its object.
            for record_id in sorted({each for _, each, _ in notes if each is not None}):
                _lock(connection, record_id, wait=False)
        except RecordBusy:
            return False
        connection.execute(
            "SELECT FROM owners WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            ([owner_id for owner_id, _, _ in notes],),
        )
        # An object that is noted again meanwhile, to be stored (`uploads.py`), is no longer ours.
        now = connection.execute(f"{_NOTES} FOR UPDATE", (key,)).fetchall()
        if not now or now != notes or not all(ours for _, _, ours in now):
            return False
        unnamed = not named_of(connection, [key])
        if unnamed:
            await objects.delete(key)
        connection.execute("DELETE FROM loose_objects WHERE key = %s", (key,))
    return unnamed


def named_of(connection: Connection, keys: Sequence[str], *, but: Sequence[int] = ()) -> list[str]:
    """Those of the keys that a row names, other than rows of the records in `but`."""
    asked: dict[str, Any] = {"keys": list(keys), "ids": list(but)}
    rows = connection.execute(
        f"SELECT k.key FROM unnest(%(keys)s::text[]) AS k(key) WHERE {_NAMED}".encode(),  # noqa: S608
        asked,
    ).fetchall()
    return [row[0] for row in rows]

"""The family line's own tables: families, members, vocabularies, prompts and responses.

Adding is checked here, at the border. What is made of a response is with the step that makes
it, in `assets/family/`.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from keepsake.clients.objects import ObjectStore
from keepsake.database import AsyncConnection, Connection, Pool, owner_transaction
from keepsake.errors import InvalidInput, PermanentError
from keepsake.owners.owners import add_owner
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.records import adding as records
from keepsake.records import uploads
from keepsake.records.adding import Added, NewRecord
from keepsake.settings import AudioSettings, ModelSettings, Settings
from keepsake.text.names import clean_name

LINE = "family"

DEFAULT_VALUES = (
    "courage", "curiosity", "faith", "family", "fairness", "forgiveness", "friendship",
    "generosity", "gratitude", "hard work", "honesty", "hope", "humility", "humor",
    "independence", "kindness", "learning", "love", "loyalty", "patience", "perseverance",
    "responsibility", "simplicity", "tradition",
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A family as it is addressed."""

    id: int
    slug: str
    name: str
    time_zone: str
    language: str


@dataclass(frozen=True)
class Response:
    """What a member said or wrote: the source that every step of the line is made from."""

    record_id: int
    owner_id: int
    family: str
    member: str
    language: str
    recorded_at: datetime
    question: str | None
    text: str | None
    audio_key: str | None
    audio_name: str | None
    content_hash: str
    vocabulary: Sequence[str]
    edited_title: str | None  # what people changed by hand
    edited_transcript: str | None


@dataclass(frozen=True)
class NewResponse:
    """A response as it is handed in: either `text` or `audio`."""

    member: str
    recorded_at: datetime
    text: str | None = None
    audio: Path | None = None
    prompt_id: int | None = None
    priority: str = "normal"
    external_id: str | None = None


def add_family(
    connection: Connection,
    name: str,
    *,
    time_zone: str = "UTC",
    language: str = "en",
    values: Sequence[str] = (),
) -> Family:
    """Add a family with its vocabulary: the default values and its own.

    Raises:
        InvalidInput: the name is taken or empty, or the time zone or language is none.
    """
    if not (2 <= len(language) <= 3 and language.isalpha() and language.islower()):
        raise InvalidInput(f"{language!r} is no ISO 639 language code such as en or de")
    own = [clean_value(value) for value in values]
    with connection.transaction():
        owner_id = add_owner(connection, name, time_zone=time_zone).id
        connection.execute(
            "INSERT INTO families (owner_id, language) VALUES (%s, %s)", (owner_id, language)
        )
        connection.cursor().executemany(
            "INSERT INTO vocabulary (owner_id, value) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(owner_id, value) for value in (*DEFAULT_VALUES, *own)],
        )
    return find_family(connection, str(owner_id))


def find_family(connection: Connection, name: str) -> Family:
    """The family of that id, short name or name.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    with connection.cursor(row_factory=class_row(Family)) as cursor:
        families = cursor.execute(
            "SELECT f.owner_id AS id, o.slug, o.name, o.time_zone, f.language"
            " FROM families f JOIN owners o ON o.id = f.owner_id ORDER BY o.slug"
        ).fetchall()
    for family in families:
        if name.casefold() in (str(family.id), family.slug, family.name.casefold()):
            return family
    known = ", ".join(family.slug for family in families[:10]) or "none yet"
    raise InvalidInput(
        f"there is no family {name!r} (known: {known}): add it with `keepsake add family`"
    )


def clean_value(value: str) -> str:
    """A value as a vocabulary has it: lower case, at most 40 characters.

    Raises:
        InvalidInput: it is empty or longer.
    """
    cleaned = clean_name(value).lower()
    if len(cleaned) > 40:
        raise InvalidInput(f"a value has at most 40 characters, this one {len(cleaned)}")
    return cleaned


def add_member(connection: Connection, family: Family, name: str) -> int:
    """Add a member and return the id.

    Raises:
        InvalidInput: the name is empty, or the family has a member of that name.
    """
    name = clean_name(name)
    try:
        row = connection.execute(
            "INSERT INTO members (owner_id, name) VALUES (%s, %s) RETURNING id", (family.id, name)
        ).fetchone()
    except UniqueViolation:
        raise InvalidInput(f"{family.name} already has a member named {name!r}") from None
    assert row is not None  # noqa: S101  # RETURNING returns
    return int(row[0])


def tag(connection: Connection, owner_id: int, record_id: int, value: str) -> None:
    """Tag a response by hand. Adds the value to the vocabulary; no model ever takes the tag away.

    Raises:
        InvalidInput: there is no such response, or the value is no good.
    """
    value = clean_value(value)
    found = connection.execute(
        "SELECT FROM responses WHERE record_id = %s AND owner_id = %s", (record_id, owner_id)
    ).fetchone()
    if found is None:
        raise InvalidInput(f"there is no response {record_id}")
    with connection.transaction():
        connection.execute(
            "INSERT INTO vocabulary (owner_id, value, by_tag) VALUES (%s, %s, true)"
            " ON CONFLICT DO NOTHING",
            (owner_id, value),
        )
        connection.execute(
            "DELETE FROM removed_tags WHERE record_id = %s AND owner_id = %s AND tag = %s",
            (record_id, owner_id, value),
        )
        connection.execute(
            "INSERT INTO tags (record_id, owner_id, value, source)"
            " VALUES (%s, %s, %s, 'human')"
            " ON CONFLICT (record_id, value) DO UPDATE SET source = 'human'",
            (record_id, owner_id, value),
        )


@dataclass(frozen=True)
class Value:
    """A value of a vocabulary: on how many records, and whether a tag by hand added it."""

    value: str
    records: int
    by_tag: bool


def vocabulary(connection: Connection, family: Family) -> list[Value]:
    """The values that a family tags by."""
    with connection.cursor(row_factory=class_row(Value)) as cursor:
        return cursor.execute(
            "SELECT v.value, count(t.record_id) AS records, v.by_tag FROM vocabulary v"
            " LEFT JOIN tags t USING (owner_id, value)"
            " WHERE owner_id = %s GROUP BY v.owner_id, v.value ORDER BY v.value",
            (family.id,),
        ).fetchall()


def add_value(connection: Connection, family: Family, value: str) -> bool:
    """Add a value to a vocabulary, for good. Returns whether it is new.

    Raises:
        InvalidInput: the value is no good.
    """
    row = connection.execute(
        "INSERT INTO vocabulary AS v (owner_id, value) VALUES (%s, %s)"
        " ON CONFLICT (owner_id, value) DO UPDATE SET by_tag = false"
        " RETURNING xmax = 0",
        (family.id, clean_value(value)),
    ).fetchone()
    return bool(row and row[0])


def remove_value(connection: Connection, family: Family, value: str) -> int:
    """Take a value out of a vocabulary, and off all records. Returns off how many.

    Raises:
        InvalidInput: the vocabulary has no such value; the message lists those it has.
    """
    value = clean_value(value)
    with connection.transaction():
        found = connection.execute(
            "SELECT FROM vocabulary WHERE owner_id = %s AND value = %s FOR UPDATE",
            (family.id, value),
        ).fetchone()
        if found is None:
            known = ", ".join(each.value for each in vocabulary(connection, family)) or "none"
            raise InvalidInput(f"{family.name} has no value {value!r} (known: {known})")
        removed = connection.execute(
            "DELETE FROM tags WHERE owner_id = %s AND value = %s", (family.id, value)
        ).rowcount
        connection.execute(
            "DELETE FROM vocabulary WHERE owner_id = %s AND value = %s", (family.id, value)
        )
    return removed


def forget_unused(connection: Connection, owner_id: int, values: Sequence[str]) -> list[str]:
    """Drop those of the values that a tag by hand added and that no record has any more.

    Call it in the transaction that took them off a record. Returns what left the vocabulary.
    """
    # Locked first, by itself: the next statement then sees the tags of those we have waited for.
    connection.execute(
        "SELECT FROM vocabulary WHERE owner_id = %s AND value = ANY(%s) ORDER BY value FOR UPDATE",
        (owner_id, list(values)),
    )
    rows = connection.execute(
        """
        DELETE FROM vocabulary v WHERE owner_id = %s AND value = ANY(%s) AND by_tag
            AND NOT EXISTS (SELECT FROM tags t
                            WHERE t.owner_id = v.owner_id AND t.value = v.value)
        RETURNING value
        """,
        (owner_id, list(values)),
    ).fetchall()
    return sorted(row[0] for row in rows)


async def add_response(
    pool: Pool,
    objects: ObjectStore,
    settings: Settings,
    family: Family,
    new: NewResponse,
) -> Added:
    """Check a response, store its recording, then its rows; the sensor takes it from there.

    No connection of the pool is held during the upload.

    Raises:
        InvalidInput: anything about it is no good. Nothing was stored.
        StepError: the object store does not take the recording.
    """
    recorded_at = records.check_recorded_at(new.recorded_at, settings.first_day)
    priority = records.check_priority(new.priority)
    async with owner_transaction(pool, family.id) as connection:
        member_id, member = await _find_member(connection, family, new.member)
        question = await _find_question(connection, family, new.prompt_id)
    if (new.text is None) == (new.audio is None):
        raise InvalidInput("a response is either written or spoken: give a text or a recording")
    text = None if new.text is None else records.check_text(new.text, settings)
    digest, files = hashlib.sha256((text or "").encode()).hexdigest(), dict[str, Path]()
    if new.audio is not None:
        _check_language(family.language, settings)
        digest = await asyncio.to_thread(check_audio, new.audio, settings)
        files[f"family/{family.id}/audio/{digest}{new.audio.suffix.lower()}"] = new.audio
    record = NewRecord(
        external_id=new.external_id or f"{member_id}:{digest[:32]}",
        recorded_at=recorded_at,
        content_hash=fingerprint(digest, member, family.language, question),
        priority=priority,
    )
    uploaded: set[str] = set()
    while True:
        async with owner_transaction(pool, family.id) as connection:
            missing = await uploads.to_upload(connection, family.id, files, uploaded)
            if not missing:
                return await _insert(
                    connection,
                    settings,
                    family,
                    record,
                    {"member_id": member_id, "prompt_id": new.prompt_id, "text": text},
                    files,
                )
        for key in missing:
            await _store_once(objects, key, files[key])
            uploaded.add(key)


async def _insert(
    connection: AsyncConnection,
    settings: Settings,
    family: Family,
    record: NewRecord,
    columns: Mapping[str, Any],
    files: Mapping[str, Path],
) -> Added:
    """Write the rows of a response whose recording is in the store, unless it is there already."""
    (added,) = await records.add_records(
        connection, settings, line=LINE, owner_id=family.id, rows=[record]
    )
    if added.created:
        key, audio = next(iter(files.items()), (None, None))
        await connection.execute(
            "INSERT INTO responses (record_id, owner_id, member_id, prompt_id, text, audio_key,"
            " audio_name) VALUES (%(record_id)s, %(owner_id)s, %(member_id)s, %(prompt_id)s,"
            " %(text)s, %(audio_key)s, %(audio_name)s)",
            {
                **columns,
                "record_id": added.record_id,
                "owner_id": family.id,
                "audio_key": key,
                "audio_name": audio.name if audio else None,
            },
        )
        await uploads.named(connection, family.id, files)
    return added


async def _store_once(objects: ObjectStore, key: str, audio: Path) -> None:
    if not await objects.exists(key):
        await objects.put_file(key, audio, "application/octet-stream")


def check_audio(path: Path, settings: AudioSettings) -> str:
    """SHA-256 of a recording that can be decoded.

    Raises:
        InvalidInput: there is no such file, it is no audio, or it is too long.
    """
    from keepsake.audio.media import probe

    try:
        info = probe(path)
    except PermanentError as error:
        raise InvalidInput(str(error)) from None
    if info.duration is not None and info.duration > 60 * settings.max_audio_minutes:
        raise InvalidInput(
            f"{path.name} lasts {info.duration / 60:.0f} minutes; at most "
            f"{settings.max_audio_minutes:.0f} are accepted (MAX_AUDIO_MINUTES)"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_language(language: str, settings: ModelSettings) -> None:
    """Refuse a recording that is expected in a language the transcription model does not know."""
    from keepsake.clients.transcription import capabilities_of, language_refusal

    endpoint = settings.endpoint("transcription")
    if refused := language_refusal(endpoint.model, capabilities_of(endpoint), language):
        raise InvalidInput(refused)


async def _find_member(connection: AsyncConnection, family: Family, name: str) -> tuple[int, str]:
    cursor = await connection.execute(
        "SELECT id, name FROM members WHERE owner_id = %s ORDER BY name", (family.id,)
    )
    members = await cursor.fetchall()
    for member_id, known in members:
        if name.casefold() in (str(member_id), known.casefold()):
            return member_id, known
    known = ", ".join(row[1] for row in members[:10]) or "none yet"
    raise InvalidInput(
        f"{family.name} has no member {name!r} (known: {known}): "
        f"add one with `keepsake add member {family.slug} NAME`"
    )


async def _find_question(
    connection: AsyncConnection, family: Family, prompt_id: int | None
) -> str | None:
    if prompt_id is None:
        return None
    cursor = await connection.execute(
        "SELECT question FROM interview_prompts WHERE id = %s AND owner_id = %s",
        (prompt_id, family.id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise InvalidInput(
            f"{family.name} has no interview prompt {prompt_id}: "
            f"`keepsake prompts {family.slug}` lists those it has"
        )
    return str(row[0])


async def load_responses(connection: AsyncConnection, ids: Collection[int]) -> dict[int, Response]:
    """The sources of some records, each with its family's vocabulary."""
    async with connection.cursor(row_factory=class_row(Response)) as cursor:
        await cursor.execute(
            """
        SELECT r.record_id, r.owner_id, o.name AS family, m.name AS member, f.language,
               recorded_at, p.question, r.text, r.audio_key, r.audio_name, content_hash,
               ARRAY(SELECT value FROM vocabulary v WHERE v.owner_id = r.owner_id ORDER BY value)
               AS vocabulary,
               (SELECT value FROM edits e WHERE e.record_id = r.record_id AND e.field = 'title'
                ORDER BY e.id DESC LIMIT 1) AS edited_title,
               (SELECT value FROM edits e WHERE e.record_id = r.record_id
                AND e.field = 'transcript' ORDER BY e.id DESC LIMIT 1) AS edited_transcript
        FROM responses r
        JOIN records ON records.id = r.record_id
        JOIN families f ON f.owner_id = r.owner_id
        JOIN owners o ON o.id = r.owner_id
        JOIN members m ON m.id = r.member_id
        LEFT JOIN interview_prompts p ON p.id = r.prompt_id
        WHERE r.record_id = ANY(%s)
        """,
            (list(ids),),
        )
        return {response.record_id: response async for response in cursor}


def days_with_stories_without_podcast(connection: Connection, *, limit: int) -> list[date]:
    """Days (UTC) with stories whose episode is missing or asked for again, the newest first.

    Failed ones are left out.
    """
    rows = connection.execute(
        """
        SELECT DISTINCT (recorded_at AT TIME ZONE 'UTC')::date AS day
        FROM stories s
        JOIN records r ON r.id = s.record_id
        JOIN ledger l ON l.record_id = s.record_id AND l.step = 'podcasts'
        WHERE l.status = 'pending' OR l.due_at IS NOT NULL
        ORDER BY day DESC LIMIT %s
        """,
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]

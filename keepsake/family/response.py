"""The family line's own tables: families, members, vocabularies, prompts and responses.

Adding is checked here, at the border. What is made of a response is with the step that makes
it, in `assets/family/`.
"""

import asyncio
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from keepsake.clients.objects import ObjectStore
from keepsake.database import AsyncConnection, Connection, Pool, owner_transaction
from keepsake.errors import InvalidInput, PermanentError
from keepsake.metrics import totals
from keepsake.metrics.counts import counting
from keepsake.owners.owners import add_owner
from keepsake.pipeline.fingerprint import fingerprint
from keepsake.records import adding as records
from keepsake.records import uploads
from keepsake.records.adding import Added, Also, NewRecord
from keepsake.records.received import ReceivedFile
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
class Member:
    """A member of a family."""

    id: int
    name: str


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
    edited_story: str | None


@dataclass(frozen=True)
class NewResponse:
    """A response as it is handed in: either `text` or `audio`."""

    member: str
    recorded_at: datetime
    text: str | None = None
    audio: Path | ReceivedFile | None = None
    prompt_id: int | None = None
    priority: str = "normal"
    external_id: str | None = None


@dataclass(frozen=True)
class _Sender:
    """Who sends a response, and the question that it answers."""

    owner_id: int
    language: str
    member_id: int
    member: str
    question: str | None


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


def families(connection: Connection) -> list[Family]:
    """All families that this connection may see."""
    with connection.cursor(row_factory=class_row(Family)) as cursor:
        return cursor.execute(
            "SELECT f.owner_id AS id, o.slug, o.name, o.time_zone, f.language"
            " FROM families f JOIN owners o ON o.id = f.owner_id ORDER BY o.slug"
        ).fetchall()


def find_family(connection: Connection, name: str) -> Family:
    """The family of that id, short name or name.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    found = families(connection)
    for family in found:
        if name.casefold() in (str(family.id), family.slug, family.name.casefold()):
            return family
    known = ", ".join(family.slug for family in found[:10]) or "none yet"
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


def members(connection: Connection, owner_id: int) -> list[Member]:
    """The members of a family, by name."""
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        return cursor.execute(
            "SELECT id, name FROM members WHERE owner_id = %s ORDER BY name, id", (owner_id,)
        ).fetchall()


def find_member(connection: Connection, owner_id: int, member_id: int) -> Member | None:
    """The member of that id; None: the family has none."""
    found = [each for each in members(connection, owner_id) if each.id == member_id]
    return found[0] if found else None


def delete_member(connection: Connection, owner_id: int, member_id: int) -> bool:
    """Delete a member whose responses are deleted. False: there are some still, or again."""
    with connection.transaction():
        # From here on no response is added: that would refer to the member.
        connection.execute(
            "SELECT FROM members WHERE id = %s AND owner_id = %s FOR UPDATE", (member_id, owner_id)
        )
        left = connection.execute(
            "SELECT FROM responses WHERE member_id = %s AND owner_id = %s LIMIT 1",
            (member_id, owner_id),
        )
        if left.rowcount:
            return False
        connection.execute(
            "DELETE FROM members WHERE id = %s AND owner_id = %s", (member_id, owner_id)
        )
    return True


def count_mentions(connection: Connection, owner_id: int, name: str) -> int:
    """How many of a family's records say a name, in the words of who told them."""
    row = connection.execute(
        """
        SELECT count(*) FROM responses LEFT JOIN transcripts USING (record_id)
        WHERE responses.owner_id = %s
          AND to_tsvector('simple', concat_ws(' ', responses.text, transcripts.text))
              @@ phraseto_tsquery('simple', %s)
        """,
        (owner_id, name),
    ).fetchone()
    return row[0] if row else 0


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
    owner_id: int,
    new: NewResponse,
    *,
    also: Also = records.nothing_more,
) -> Added:
    """Check a response, store its recording, then its rows; the sensor takes it from there.

    No connection of the pool is held while the recording is stored.

    Raises:
        InvalidInput: anything about it is no good. Nothing was stored.
        StepError: the object store does not take the recording.
    """
    new = _checked(new, settings)
    if new.audio is None:
        async with owner_transaction(pool, owner_id) as connection:
            sender = await _find_sender(connection, owner_id, new)
            digest = hashlib.sha256((new.text or "").encode()).hexdigest()
            return await _insert(connection, settings, sender, new, digest, None, also)
    async with owner_transaction(pool, owner_id) as connection:
        sender = await _find_sender(connection, owner_id, new)
    _check_language(sender.language, settings)
    recording = await asyncio.to_thread(check_audio, new.audio, settings)
    key = f"family/{owner_id}/audio/{recording.sha256}{_suffix(recording.name)}"
    uploaded: set[str] = set()
    with counting(LINE) as counts:
        while True:
            async with owner_transaction(pool, owner_id) as connection:
                missing = await uploads.to_upload(connection, owner_id, [key], uploaded)
                if not missing:
                    stored = (key, recording.name)
                    added = await _insert(
                        connection, settings, sender, new, recording.sha256, stored, also
                    )
                    await totals.add(connection, counts)
                    return added
            await recording.store(objects, key)
            uploaded.add(key)


def _checked(new: NewResponse, settings: Settings) -> NewResponse:
    if (new.text is None) == (new.audio is None):
        raise InvalidInput("a response is either written or spoken: give a text or a recording")
    records.check_priority(new.priority)
    return replace(
        new,
        recorded_at=records.check_recorded_at(new.recorded_at, settings.first_day),
        text=None if new.text is None else records.check_text(new.text, settings),
        external_id=records.check_external_id(new.external_id),
    )


async def _insert(
    connection: AsyncConnection,
    settings: Settings,
    sender: _Sender,
    new: NewResponse,
    digest: str,
    recording: tuple[str, str] | None,
    also: Also,
) -> Added:
    """Write the rows of a response unless it is there already.

    `recording` is the key and the name of what is in the store by now.
    """
    record = NewRecord(
        external_id=new.external_id or f"{sender.member_id}:{digest[:32]}",
        recorded_at=new.recorded_at,
        content_hash=fingerprint(digest, sender.member, sender.language, sender.question),
        priority=records.check_priority(new.priority),
        platform=platform_of(recording[0] if recording else None),
    )
    (added,) = await records.add_records(
        connection, settings, line=LINE, owner_id=sender.owner_id, rows=[record]
    )
    if added.created:
        key, name = recording or (None, None)
        await connection.execute(
            "INSERT INTO responses (record_id, owner_id, member_id, prompt_id, text, audio_key,"
            " audio_name) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                added.record_id,
                sender.owner_id,
                sender.member_id,
                new.prompt_id,
                new.text,
                key,
                name,
            ),
        )
        if key:
            await uploads.named(connection, sender.owner_id, [key])
    await also(connection, added)
    return added


def _suffix(name: str) -> str:
    """The end of a file's name, where it is one that an object may have as well."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,10}", suffix) else ""


def check_audio(audio: Path | ReceivedFile, settings: AudioSettings) -> ReceivedFile:
    """A recording that can be decoded, with its SHA-256.

    Raises:
        InvalidInput: there is no such file, it is no audio, or it is too long.
    """
    from keepsake.audio.media import probe, sound_seconds

    path = audio if isinstance(audio, Path) else audio.path
    try:
        # A browser writes while it records, and no length: its packets say how long it is.
        seconds = probe(path).duration or sound_seconds(path)
    except PermanentError as error:
        raise InvalidInput(str(error)) from None
    if seconds > 60 * settings.max_audio_minutes:
        raise InvalidInput(
            f"{path.name if isinstance(audio, Path) else audio.name} lasts "
            f"{seconds / 60:.0f} minutes; at most {settings.max_audio_minutes:.0f} are accepted "
            "(MAX_AUDIO_MINUTES)"
        )
    return ReceivedFile.of(audio) if isinstance(audio, Path) else audio


def _check_language(language: str, settings: ModelSettings) -> None:
    """Refuse a recording that is expected in a language the transcription model does not know."""
    from keepsake.clients.transcription import capabilities_of, language_refusal

    endpoint = settings.endpoint("transcription")
    if refused := language_refusal(endpoint.model, capabilities_of(endpoint), language):
        raise InvalidInput(refused)


async def _find_sender(connection: AsyncConnection, owner_id: int, new: NewResponse) -> _Sender:
    """Who sends a response, and what it answers, in one query: a family has few members.

    Raises:
        InvalidInput: there is no such family, member or prompt.
    """
    cursor = await connection.execute(
        """
        SELECT o.name, o.slug, f.language,
               ARRAY(SELECT id FROM members m WHERE m.owner_id = f.owner_id ORDER BY name, id),
               ARRAY(SELECT name FROM members m WHERE m.owner_id = f.owner_id ORDER BY name, id),
               (SELECT question FROM interview_prompts p
                WHERE p.id = %(prompt)s AND p.owner_id = f.owner_id)
        FROM families f JOIN owners o ON o.id = f.owner_id WHERE f.owner_id = %(owner)s
        """,
        {"owner": owner_id, "prompt": new.prompt_id},
    )
    row = await cursor.fetchone()
    if row is None:
        raise InvalidInput("this owner is no family: `keepsake add family` makes one")
    family, slug, language, ids, names, question = row
    if new.prompt_id is not None and question is None:
        raise InvalidInput(
            f"{family} has no interview prompt {new.prompt_id}: "
            f"`keepsake prompts {slug}` lists those it has"
        )
    for member_id, name in zip(ids, names, strict=True):
        if new.member.casefold() in (str(member_id), name.casefold()):
            return _Sender(owner_id, language, member_id, name, question)
    known = ", ".join(names[:10]) or "none yet"
    raise InvalidInput(
        f"{family} has no member {new.member!r} (known: {known}): "
        f"add one with `keepsake add member {slug} NAME`"
    )


def platform_of(audio_key: str | None) -> str:
    """What metrics call it."""
    return "recording" if audio_key else "text"


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
                AND e.field = 'transcript' ORDER BY e.id DESC LIMIT 1) AS edited_transcript,
               (SELECT value FROM edits e WHERE e.record_id = r.record_id AND e.field = 'story'
                ORDER BY e.id DESC LIMIT 1) AS edited_story
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

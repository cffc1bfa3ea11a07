"""Stories as the steps leave them, written by hand: pages need no model to be tested."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.types.json import Jsonb

from tests.api.conftest import Door
from tests.given import NOON, given_record

Words = Sequence[tuple[str, float, float]]


@dataclass(frozen=True)
class Tale:
    """A response and what was made of it. Without `audio` it was written."""

    title: str
    text: str
    member: str = "Rose"
    audio: Path | None = None
    words: Words = ()
    seconds: float | None = None
    summary: str = "What happened, in one sentence."
    quotes: Sequence[tuple[str, Path | None]] = ()
    advice: Sequence[tuple[str, str]] = ()
    tags: Sequence[str] = ()
    question: str | None = None
    at: datetime = NOON


def told(site: Door, tale: Tale) -> int:
    """Tell a tale as a member of the Marlows; the id of its record."""
    owner, db = site.marlows.id, site.db
    record = given_record(
        db,
        line="family",
        owner_id=owner,
        external_id=tale.title,
        recorded_at=tale.at,
        content_hash=tale.title,
    ).record_id
    key = _stored(site, record, tale.audio) if tale.audio else None
    db.execute(
        "INSERT INTO responses (record_id, owner_id, member_id, prompt_id, text, audio_key)"
        " SELECT %s, owner_id, id, (SELECT id FROM interview_prompts WHERE question = %s), %s, %s"
        " FROM members WHERE owner_id = %s AND name = %s",
        (record, tale.question, None if key else tale.text, key, owner, tale.member),
    )
    db.execute(
        "INSERT INTO transcripts VALUES (%s, %s, 'en', %s, '[]', %s, '[]', '[]', %s)",
        (record, tale.text, tale.seconds, Jsonb(tale.words), owner),
    )
    db.execute(
        "INSERT INTO stories (record_id, owner_id, title, summary, text)"
        " VALUES (%s, %s, %s, %s, %s)",
        (record, owner, tale.title, tale.summary, tale.text),
    )
    for at, (text, clip) in enumerate(tale.quotes):
        db.execute(
            "INSERT INTO quotes (record_id, owner_id, position, text, clip_key)"
            " VALUES (%s, %s, %s, %s, %s)",
            (record, owner, at, text, _stored(site, record, clip) if clip else None),
        )
    for at, (advice, audience) in enumerate(tale.advice):
        db.execute(
            "INSERT INTO wisdom (record_id, owner_id, position, advice, audience, life_area,"
            " support) VALUES (%s, %s, %s, %s, %s, 'life', %s)",
            (record, owner, at, advice, audience, advice),
        )
    for value in tale.tags:
        db.execute(
            "INSERT INTO tags (record_id, owner_id, value, source) VALUES (%s, %s, %s, 'ai')",
            (record, owner, value),
        )
    db.execute(
        "UPDATE ledger SET status = 'succeeded', due_at = NULL, output_fingerprint = 'made'"
        " WHERE record_id = %s",
        (record,),
    )
    return record


def _stored(site: Door, record: int, file: Path) -> str:
    key = f"family/{site.marlows.id}/{record}-{file.name}"
    target = site.settings.objects_folder / key
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)
    return key

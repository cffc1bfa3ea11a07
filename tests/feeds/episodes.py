"""Families whose stories have episodes, without the models that would make them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from keepsake.audio.captions import ChapterMark, Cue, chapters_json, vtt
from keepsake.audio.encode import Mp3Writer
from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.family.response import Family
from tests.given import NOON, given_record
from tests.recordings import tone

SECONDS = 20.0


@cache
def mp3() -> bytes:
    """A sound of 20 seconds, 320 kB."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tone.mp3"
        with Mp3Writer(path, rate=24_000, channels=1, kilobits=128) as writer:
            writer.write(tone(SECONDS)[None, :])
        return path.read_bytes()


def given_episode(
    db: Connection,
    store: ObjectStore | None,
    family: Family,
    title: str,
    *,
    member: str = "Rose",
    recorded_at: datetime = NOON,
    summary: str = "How the bread was made.",
    quotes: Sequence[str] = ("Dough needs patience.",),
) -> int:
    """Add a story with its episode; the id of its record. Without a store it has no files."""
    record = given_record(
        db, line="family", owner_id=family.id, external_id=title, recorded_at=recorded_at
    ).record_id
    key = f"family/{family.id}/episodes/{record}-0123456789ab"
    of = {"record": record, "owner": family.id}
    for query, values in (
        (
            "INSERT INTO responses (record_id, owner_id, member_id, text) SELECT %(record)s,"
            " %(owner)s, id, 'said' FROM members WHERE owner_id = %(owner)s AND name = %(member)s",
            {"member": member},
        ),
        (
            "INSERT INTO stories (record_id, owner_id, title, summary, text)"
            " VALUES (%(record)s, %(owner)s, %(title)s, %(summary)s, 'The story.')",
            {"title": title, "summary": summary},
        ),
        (
            "INSERT INTO podcasts (record_id, owner_id, audio_key, vtt_key, chapters_key, duration,"
            " loudness, size_bytes) VALUES (%(record)s, %(owner)s, %(key)s || '.mp3',"
            " %(key)s || '.vtt', %(key)s || '.chapters.json', %(seconds)s, -16, %(size)s)",
            {"key": key, "seconds": SECONDS, "size": len(mp3())},
        ),
    ):
        db.execute(query.encode(), of | values)
    for position, said in enumerate(quotes):
        db.execute(
            "INSERT INTO quotes (record_id, owner_id, position, text) VALUES (%s, %s, %s, %s)",
            (record, family.id, position, said),
        )
    if store:
        asyncio.run(_store(store, key))
    return record


async def _store(store: ObjectStore, key: str) -> None:
    captions = vtt([Cue(0, 4, "My name is Rose & I bake.", "Rose"), Cue(4, 9.5, "Every week.")])
    chapters = chapters_json([ChapterMark(0, 20, "The story")])
    await store.put_bytes(f"{key}.mp3", mp3(), "audio/mpeg")
    await store.put_bytes(f"{key}.vtt", captions.encode(), "text/vtt")
    await store.put_bytes(f"{key}.chapters.json", chapters.encode(), "application/json+chapters")

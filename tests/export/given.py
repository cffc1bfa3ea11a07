"""Owners with something in every table that an export has; all of it bears their mark."""

from keepsake.clients.objects import ObjectStore
from keepsake.database import Connection
from keepsake.family.response import add_family

# What a family, a reader and a runner may have, by the table: one row each, of one owner who is all
# three. `{mark}` is a word of that owner's alone, `{f}`, `{b}` and `{r}` are ids of records.
_ROWS = """
INSERT INTO memberships (owner_id, user_id, role)
    SELECT {owner}, id, 'owner' FROM users WHERE name = '{mark}';
INSERT INTO batches (owner_id, line, name) VALUES ({owner}, 'bookmarks', '{mark}.html');
INSERT INTO edits (record_id, owner_id, field, value)
    VALUES ({f}, {owner}, 'title', '{mark} edited');
INSERT INTO removed_tags (record_id, owner_id, tag)
    VALUES ({f}, {owner}, '{mark} tag');
INSERT INTO spending (owner_id, day, line, step, model, calls)
    VALUES ({owner}, '2026-05-04', 'family', 's', '{mark}', 1);
INSERT INTO members (owner_id, name) VALUES ({owner}, '{mark}');
INSERT INTO vocabulary (owner_id, value) VALUES ({owner}, '{mark}');
INSERT INTO interview_prompts (owner_id, question, question_key, topic, week, source)
    VALUES ({owner}, '{mark}?', '{mark}', '{mark}', '2026-05-04', 'human');
INSERT INTO responses (record_id, owner_id, member_id, audio_key, audio_name)
    SELECT {f}, {owner}, id, '{mark}/audio.wav', '{mark}.wav' FROM members WHERE owner_id = {owner};
INSERT INTO transcripts (record_id, owner_id, text, language, duration, segments, words, issues,
                         raw)
    VALUES ({f}, {owner}, '{mark} said', 'en', 1, '[]', '[]', '[]', '{{}}');
INSERT INTO tags (record_id, owner_id, value, source)
    VALUES ({f}, {owner}, '{mark}', 'human');
INSERT INTO wisdom (record_id, owner_id, position, advice, audience, life_area, support)
    VALUES ({f}, {owner}, 0, '{mark}', 'all', 'life', '{mark}');
INSERT INTO quotes (record_id, owner_id, position, text, starts_at, ends_at, clip_key)
    VALUES ({f}, {owner}, 0, '{mark}', 0, 1, '{mark}/clip.mp3');
INSERT INTO stories (record_id, owner_id, title, summary, text)
    VALUES ({f}, {owner}, '{mark}', '{mark}', '{mark}');
INSERT INTO podcasts (record_id, owner_id, audio_key, vtt_key, chapters_key, duration, loudness,
                      size_bytes)
    VALUES ({f}, {owner}, '{mark}/e.mp3', '{mark}/e.vtt', '{mark}/e.json', 1, -16, 1);
INSERT INTO story_visibility (record_id, owner_id, state)
    VALUES ({f}, {owner}, 'hidden');
INSERT INTO bookmarks (record_id, owner_id, url, title)
    VALUES ({b}, {owner}, 'https://{mark}.example', '{mark}');
INSERT INTO pages (record_id, owner_id, url, body_key, text, words)
    VALUES ({b}, {owner}, 'https://{mark}.example', '{mark}/page.html', '{mark}', 1);
INSERT INTO summaries (record_id, owner_id, summary) VALUES ({b}, {owner}, '{mark}');
INSERT INTO keywords (record_id, owner_id, keyword, source) VALUES ({b}, {owner}, '{mark}', 'ai');
INSERT INTO media (record_id, owner_id, position, kind, object_key, name, content_type,
                   size_bytes, sha256)
    VALUES ({b}, {owner}, 0, 'video', '{mark}/film.mp4', '{mark}', 'video/mp4', 1, '');
INSERT INTO runners (owner_id, max_heart_rate) VALUES ({owner}, 188);
INSERT INTO activity_files (record_id, owner_id, file_key, file_name, format, sha256, title)
    VALUES ({r}, {owner}, '{mark}/run.fit', '{mark}.fit', 'fit', '', '{mark}');
INSERT INTO activities (record_id, owner_id, sport, started_at, distance, elapsed, moving, splits,
                        zones, best_efforts, issues)
    VALUES ({r}, {owner}, 'running', '2026-05-04', 1, 1, 1, '[]', '[]', '{{}}', '[]');
INSERT INTO letters (record_id, owner_id, letter) VALUES ({r}, {owner}, '{mark}');
INSERT INTO coaching_insights (record_id, owner_id, heart_rate, pacing, recommendation)
    VALUES ({r}, {owner}, '{mark}', '{mark}', '{mark}');
INSERT INTO weekly_digests (owner_id, week, facts, page_key)
    VALUES ({owner}, '2026-05-04', '{{}}', '{mark}/week.html');
INSERT INTO trends (owner_id, month, facts) VALUES ({owner}, '2026-05-01', '{{}}');
"""
OBJECTS = (
    "audio.wav", "clip.mp3", "e.mp3", "e.vtt", "e.json", "page.html", "film.mp4", "run.fit",
    "week.html",
)  # fmt: skip


def given_owner(db: Connection, mark: str) -> int:
    """An owner called `mark` that has something in every table; its id."""
    owner = add_family(db, mark).id
    db.execute("INSERT INTO users (email, name) VALUES (%s, %s)", (f"{mark}@example.org", mark))
    records = {
        name: _record(db, owner, line, mark)
        for name, line in (("f", "family"), ("b", "bookmarks"), ("r", "running"))
    }
    db.execute(_ROWS.format(owner=owner, mark=mark, **records).encode())
    return owner


def _record(db: Connection, owner: int, line: str, mark: str) -> int:
    row = db.execute(
        "INSERT INTO records (line, owner_id, external_id, recorded_at, content_hash)"
        " VALUES (%s, %s, %s, '2026-05-04T12:00Z', '') RETURNING id",
        (line, owner, mark),
    ).fetchone()
    assert row is not None
    return int(row[0])


async def given_objects(objects: ObjectStore, mark: str) -> None:
    """The objects that the rows of that owner name; each holds its own key."""
    for name in OBJECTS:
        await objects.put_bytes(f"{mark}/{name}", f"{mark}/{name}".encode())

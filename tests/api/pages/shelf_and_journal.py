"""What a test of pages begins with beside families: results as the steps store them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from keepsake.bookmarks.bookmark import NewBookmark, add_bookmark
from keepsake.clients.objects import open_objects
from keepsake.database import Connection
from keepsake.owners.owners import find_owner
from keepsake.pipeline.line import Made
from keepsake.running.compute import compute
from keepsake.running.imports import add_activity
from keepsake.running.steps import activities
from tests.api.conftest import Door
from tests.given import in_pool, on_connection

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def given_bookmark(
    site: Door,
    url: str,
    *,
    title: str = "",
    text: str = "",
    summary: str = "",
    tags: Sequence[str] = (),
    site_name: str | None = None,
    saved_at: datetime = NOON,
) -> int:
    """A bookmark of the Marlows; with a title, its page was read and all steps are done."""
    owner = find_owner(site.db, site.marlows.slug)
    new = NewBookmark(url=url, tags=tags, recorded_at=saved_at)
    record_id = in_pool(
        site.settings.database_url, lambda pool: add_bookmark(pool, site.settings, owner.id, new)
    ).record_id
    if title:
        site.db.execute(
            "INSERT INTO pages (record_id, owner_id, url, http_status, title, site, author,"
            " language, text, words) VALUES (%s, %s, %s, 200, %s, %s, 'A. Writer', 'en', %s, %s)",
            (record_id, owner.id, url, title, site_name, text, len(text.split())),
        )
        site.db.execute(
            "INSERT INTO summaries (record_id, owner_id, summary) VALUES (%s, %s, %s)",
            (record_id, owner.id, summary or text[:200]),
        )
        done(site.db, record_id)
    return record_id


def given_activity(
    site: Door, file: Path, *, title: str | None = None, letter: str | None = None
) -> int:
    """An activity of the Marlows whose facts were computed from its file."""
    owner = find_owner(site.db, site.marlows.slug)
    objects = open_objects(site.settings)
    record_id = in_pool(
        site.settings.database_url,
        lambda pool: add_activity(pool, objects, site.settings, owner, file, title=title),
    ).record_id
    facts = compute(file.read_bytes(), max_heart_rate=190)
    made = activities.Computed(owner.id, owner.time_zone, title, facts)
    on_connection(site.db, activities.save, [Made(record_id, owner.id, made)])
    if letter:
        site.db.execute(
            "INSERT INTO letters (record_id, owner_id, letter) VALUES (%s, %s, %s)",
            (record_id, owner.id, letter),
        )
        site.db.execute(
            "INSERT INTO coaching_insights (record_id, owner_id, heart_rate, pacing,"
            " recommendation) VALUES (%s, %s, 'Steady.', 'Even.', 'Rest tomorrow.')",
            (record_id, owner.id),
        )
    done(site.db, record_id)
    return record_id


def done(db: Connection, record_id: int) -> None:
    """Every step of a record has succeeded, at its first attempt."""
    db.execute(
        "UPDATE ledger SET status = 'succeeded', due_at = NULL, output_fingerprint = 'x',"
        " attempts = 1, started_at = now(), finished_at = now(), seconds = 1.25, run_id = 'a run'"
        " WHERE record_id = %s",
        (record_id,),
    )
    db.execute(
        "INSERT INTO step_attempts (record_id, owner_id, step, attempt, run_id, started_at,"
        " seconds, outcome) SELECT record_id, owner_id, step, 1, 'a run', now(), 1.25, 'succeeded'"
        " FROM ledger WHERE record_id = %s",
        (record_id,),
    )


def failed(
    db: Connection, record_id: int, step: str, why: str, error_type: str = "PermanentError"
) -> None:
    """A step of a record has failed for good, after a second attempt."""
    db.execute(
        "UPDATE ledger SET status = 'failed', due_at = NULL, output_fingerprint = NULL,"
        " error_type = %s, error_message = %s, attempts = 2, started_at = now(),"
        " finished_at = now(), run_id = 'a run' WHERE record_id = %s AND step = %s",
        (error_type, why, record_id, step),
    )

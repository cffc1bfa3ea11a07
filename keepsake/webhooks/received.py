"""What others post to us: events of runs, by which a job is looked at sooner.

Nothing that comes in is believed beyond "look now": what became of a run is asked of Dagster, and a
job's row says what became of the job. A message that was repeated changes nothing, and its id is
kept for as long as its signature would be taken.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keepsake.database import AsyncConnection
from keepsake.delivery.signatures import LONGEST_ID, TOLERANCE
from keepsake.errors import InvalidInput
from keepsake.jobs.rows import wake_workers

LARGEST_BODY = 64_000  # bytes
LONGEST_RUN_ID = 200
KEPT = timedelta(seconds=3 * TOLERANCE)  # ids of messages that are signed with their time
# Trigger.dev signs no time of its own: the body has that of the event, and retries come late.
OLDEST = timedelta(days=7)
KEPT_LONG = OLDEST + timedelta(days=1)


@dataclass(frozen=True)
class RunEvent:
    """An event of a run.

    Attributes:
        id: of the message.
        kept: how long the id is.
        run_id: of the run.
    """

    id: str
    kept: timedelta
    run_id: str


@dataclass(frozen=True)
class Taken:
    """What came of a message: whether it had come before, and how many jobs are looked at."""

    duplicate: bool
    jobs: int


def read_event(body: bytes, signed_id: str | None) -> RunEvent:
    """The event that a message tells of: `data.run_id`, or `object.run.id` as Trigger.dev has it.

    Args:
        body: as it came in.
        signed_id: that the signature covers, with the time; None: it covers neither.

    Raises:
        InvalidInput: it is no such event, or too old.
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is no JSON") from None
    run_id = _at(document, "data", "run_id") or _at(document, "object", "run", "id")
    if run_id is None or len(run_id) > LONGEST_RUN_ID:
        raise InvalidInput("the body names no run: neither data.run_id nor object.run.id is a text")
    if signed_id is not None:
        return RunEvent(signed_id, KEPT, run_id)
    message_id = _at(document, "id")
    if message_id is None or len(message_id) > LONGEST_ID:
        raise InvalidInput("the body has no `id`: without one, it could be repeated")
    _check_created(_at(document, "created"))
    return RunEvent(message_id, KEPT_LONG, run_id)


async def take(connection: AsyncConnection, event: RunEvent) -> Taken:
    """Have the jobs of a run looked at now; nothing, where the message had come before."""
    cursor = await connection.execute(
        """
        WITH old AS (DELETE FROM received_webhooks WHERE kept_until < now())
        INSERT INTO received_webhooks (id, kept_until) VALUES (%s, now() + %s)
        ON CONFLICT DO NOTHING
        """,
        (event.id, event.kept),
    )
    if not cursor.rowcount:
        return Taken(duplicate=True, jobs=0)
    cursor = await connection.execute(
        "UPDATE jobs SET last_synced_at = NULL WHERE run_id = %s AND status = 'running'",
        (event.run_id,),
    )
    if cursor.rowcount:
        await wake_workers(connection)
    return Taken(duplicate=False, jobs=cursor.rowcount)


def _check_created(text: str | None) -> None:
    try:
        created = datetime.fromisoformat(text or "")
        age = datetime.now(UTC) - created
    except (ValueError, TypeError, OverflowError):  # also a time without a zone
        raise InvalidInput("the body has no `created`, a time with a zone") from None
    if not -timedelta(seconds=TOLERANCE) <= age <= OLDEST:
        raise InvalidInput(f"the event is older than {OLDEST.days} days, or of the future")


def _at(document: Any, *path: str) -> str | None:
    """The text at a path of a document; None: there is none that can be stored."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, str) and document and document.isprintable() else None

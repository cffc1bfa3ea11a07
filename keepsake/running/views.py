"""What was made of an activity, read together as people look at it: facts, letter, insight."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.rows import class_row, dict_row

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.running.facts import Facts, Issue
from keepsake.running.wording import Fact, told

COLUMNS = tuple(field.name for field in fields(Facts))


@dataclass(frozen=True)
class InsightView:
    """A coach's advice, in three short texts."""

    heart_rate: str
    pacing: str
    recommendation: str


@dataclass(frozen=True)
class ActivityView:
    """Everything that was made of an activity; what is not made yet, or failed, is missing.

    `issues` are what was wrong in the file and was repaired or left out.
    """

    record_id: int
    owner: str
    title: str | None
    file_name: str
    file_key: str
    facts: tuple[Fact, ...]
    issues: tuple[Issue, ...]
    letter: str | None
    insight: InsightView | None


def facts_of_row(row: Mapping[str, Any]) -> Facts:
    """The facts that a row of `activities` holds."""
    return Facts(**{name: row[name] for name in COLUMNS})


def read_activity(connection: Connection, record_id: int) -> ActivityView:
    """What was made of an activity.

    Raises:
        InvalidInput: there is no such activity.
    """
    with connection.cursor(row_factory=dict_row) as rows:
        file = rows.execute(
            """
            SELECT f.title, f.file_name, f.file_key, o.name AS owner, o.time_zone, l.letter
            FROM activity_files f
            JOIN records r ON r.id = f.record_id
            JOIN owners o ON o.id = r.owner_id
            LEFT JOIN letters l USING (record_id)
            WHERE f.record_id = %s
            """,
            (record_id,),
        ).fetchone()
        facts = rows.execute(
            "SELECT * FROM activities WHERE record_id = %s", (record_id,)
        ).fetchone()
    if file is None:
        raise InvalidInput(f"there is no activity {record_id}: see `keepsake records`")
    with connection.cursor(row_factory=class_row(InsightView)) as insights:
        insight = insights.execute(
            "SELECT heart_rate, pacing, recommendation FROM coaching_insights WHERE record_id = %s",
            (record_id,),
        ).fetchone()
    zone = ZoneInfo(file["time_zone"])
    read = facts_of_row(facts) if facts else None
    return ActivityView(
        record_id=record_id,
        owner=file["owner"],
        title=file["title"],
        file_name=file["file_name"],
        file_key=file["file_key"],
        facts=tuple(told(read, zone)) if read else (),
        issues=read.issues if read else (),
        letter=file["letter"],
        insight=insight,
    )

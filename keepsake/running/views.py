"""What was made of an activity, read together as people see it: facts, letter, insight."""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.rows import dict_row

from keepsake.database import Connection
from keepsake.errors import InvalidInput
from keepsake.running.facts import Issue
from keepsake.running.remarks import remarks
from keepsake.running.steps.activities import stored
from keepsake.running.steps.coaching_insights import Insight
from keepsake.running.wording import Fact, facts_in_words
from keepsake.steps.rows import read_row


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
    insight: Insight | None

    @property
    def language(self) -> None:
        """What is written of activities is in English."""
        return None

    @property
    def remarks(self) -> list[str]:
        """The issues in words."""
        return list(remarks(self.issues))

    def objects(self) -> Iterator[tuple[str, str]]:
        """The file."""
        yield "activity", self.file_key


def read_activity(connection: Connection, owner_id: int, record_id: int) -> ActivityView:
    """What was made of an activity of an owner.

    Raises:
        InvalidInput: there is no such activity.
    """
    this = (record_id, owner_id)
    with connection.cursor(row_factory=dict_row) as rows:
        file = rows.execute(
            """
            SELECT f.title, f.file_name, f.file_key, o.name AS owner, l.letter
            FROM activity_files f
            JOIN owners o ON o.id = f.owner_id
            LEFT JOIN letters l USING (record_id)
            WHERE f.record_id = %s AND f.owner_id = %s
            """,
            this,
        ).fetchone()
    if file is None:
        raise InvalidInput(f"there is no activity {record_id}: see `keepsake records`")
    computed = stored(connection, [record_id]).get(record_id)
    return ActivityView(
        record_id=record_id,
        owner=file["owner"],
        title=file["title"],
        file_name=file["file_name"],
        file_key=file["file_key"],
        facts=tuple(facts_in_words(computed.facts, computed.zone)) if computed else (),
        issues=computed.facts.issues if computed else (),
        letter=file["letter"],
        insight=read_row(connection, "coaching_insights", Insight, owner_id, record_id),
    )

"""What a test begins with: records as they are when they have just been added."""

from datetime import UTC, datetime

from keepsake.database import Connection
from keepsake.records.adding import Added, add_record
from keepsake.settings import StepSettings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def given_record(
    db: Connection,
    settings: StepSettings | None = None,
    *,
    line: str,
    owner_id: int,
    external_id: str,
    recorded_at: datetime = NOON,
    content_hash: str = "",
    priority: int = 0,
) -> Added:
    """Add a record of any line, without a row in a table of its line's own."""
    with db.transaction():
        return add_record(
            db,
            settings or StepSettings.model_validate({}),
            line=line,
            owner_id=owner_id,
            external_id=external_id,
            recorded_at=recorded_at,
            content_hash=content_hash,
            priority=priority,
        )

"""From which day on a line has partitions: the day of its oldest record.

Dagster learns it when it loads the code location. An older record may come in later: then
`keepsake up` loads the code location again.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from keepsake.database import Connection
from keepsake.settings import Settings

# Where nothing has come in yet: most first imports reach back no further.
BEFORE_ANY_RECORD = timedelta(days=365)


def first_days(connection: Connection, settings: Settings) -> Mapping[str, date]:
    """The first day (UTC) of every line; a lookup in an index for each.

    No day is before FIRST_DAY: older records have no partition.
    """
    today = datetime.now(UTC).date()
    rows = connection.execute(
        """
        SELECT line, (SELECT min(recorded_at AT TIME ZONE 'UTC')::date
                      FROM records r WHERE r.line = lines.line)
        FROM (SELECT DISTINCT line FROM steps) AS lines
        """
    ).fetchall()
    return {
        line: max(settings.first_day, oldest or today - BEFORE_ANY_RECORD) for line, oldest in rows
    }

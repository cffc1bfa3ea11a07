"""From which day on a line has partitions, that of its oldest record, and which of them have some.

Dagster learns it when it loads the code location. An older record may be added later: then
`keepsake up` loads the code location again.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from keepsake.database import Connection, connect
from keepsake.embedded import postgres
from keepsake.errors import KeepsakeError
from keepsake.pipeline.ledger.due import Unit
from keepsake.settings import DatabaseSettings

log = logging.getLogger(__name__)

DATABASE_TIMEOUT = 3  # seconds for the database, at each stage
# Where no record was added yet: most first imports reach back no further.
BEFORE_ANY_RECORD = timedelta(days=365)
FIRST_OWNER = (
    "first owner"  # what is made for owners, not of records, begins with the first of them
)


def first_days(connection: Connection, earliest: date) -> Mapping[str, date]:
    """The first day (UTC) of every line, and of the first owner; a lookup in an index for each.

    No day is before `earliest`, which is FIRST_DAY: older records have no partition.
    """
    today = datetime.now(UTC).date()
    rows = connection.execute(
        """
        SELECT line, (SELECT min(recorded_at AT TIME ZONE 'UTC')::date
                      FROM records r WHERE r.line = lines.line)
        FROM (SELECT DISTINCT line FROM steps) AS lines
        """
    ).fetchall()
    owner = connection.execute(
        "SELECT (created_at AT TIME ZONE 'UTC')::date FROM owners ORDER BY id LIMIT 1"
    ).fetchone()
    days = {line: oldest or today - BEFORE_ANY_RECORD for line, oldest in rows}
    days[FIRST_OWNER] = owner[0] if owner else today
    return {name: max(earliest, day) for name, day in days.items()}


def read_first_days(settings: DatabaseSettings, earliest: date) -> Mapping[str, date]:
    """The same, read from the database in force; empty where it does not answer soon."""
    url = settings.database_url or postgres.running_url(settings.home)
    if not url:
        return {}
    try:
        with connect(make_conninfo(url, connect_timeout=DATABASE_TIMEOUT)) as connection:
            connection.execute(f"SET statement_timeout = '{DATABASE_TIMEOUT}s'")
            return first_days(connection, earliest)
    except (KeepsakeError, psycopg.Error) as error:
        log.warning("partitions begin at FIRST_DAY: no database (%s)", type(error).__name__)
        return {}


def starts_with_records(connection: Connection, line: str, unit: Unit) -> list[date]:
    """The first days of the days, weeks or months (UTC) that have records, in order.

    A lookup in an index for each, however many records they have.
    """
    rows = connection.execute(
        """
        WITH RECURSIVE found AS (
            SELECT date_trunc(%(unit)s, min(recorded_at) AT TIME ZONE 'UTC') AS start
            FROM records WHERE line = %(line)s
            UNION ALL
            SELECT date_trunc(%(unit)s, (
                SELECT min(recorded_at) FROM records WHERE line = %(line)s
                AND recorded_at >= (start + ('1 ' || %(unit)s)::interval) AT TIME ZONE 'UTC'
            ) AT TIME ZONE 'UTC')
            FROM found WHERE start IS NOT NULL
        )
        SELECT start::date FROM found WHERE start IS NOT NULL ORDER BY 1
        """,
        {"unit": unit, "line": line},
    ).fetchall()
    return [row[0] for row in rows]

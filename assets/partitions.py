"""The partitions of lines: when a record was recorded, in UTC, from the oldest record on.

Not one partition a record: a record is a row. See `docs/architecture.md`.

Where a line begins is read once, when the code location is loaded. Where the database does not
answer then, it is FIRST_DAY: more partitions than there are days with records, but none missing.
"""

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

import dagster as dg
import psycopg
from psycopg.conninfo import make_conninfo

from keepsake.database import connect
from keepsake.errors import KeepsakeError
from keepsake.local import postgres
from keepsake.pipeline.ledger.due import Unit
from keepsake.records.first_days import FIRST_OWNER, first_days
from keepsake.settings import load_settings

log = logging.getLogger(__name__)

DATABASE_TIMEOUT = 3  # seconds for the database, at each stage


def days(line: str) -> dg.DailyPartitionsDefinition:
    """The days of a line. Today's exists from midnight on, not only when the day is over."""
    return dg.DailyPartitionsDefinition(_first(line).isoformat(), timezone="UTC", end_offset=1)


def weeks(line: str) -> dg.WeeklyPartitionsDefinition:
    """The weeks of a line, as calendars of its owners have them. They begin on Monday.

    The first one is that before its oldest record: west of UTC that may belong to it.
    """
    start = _first(line) - timedelta(days=_first(line).weekday() + 7)
    return dg.WeeklyPartitionsDefinition(
        start.isoformat(), timezone="UTC", day_offset=1, end_offset=1
    )


def weeks_of_use() -> dg.WeeklyPartitionsDefinition:
    """The weeks since the first owner was added. They begin on Monday, in UTC."""
    start = _first(FIRST_OWNER) - timedelta(days=_first(FIRST_OWNER).weekday())
    return dg.WeeklyPartitionsDefinition(
        start.isoformat(), timezone="UTC", day_offset=1, end_offset=1
    )


def months(line: str) -> dg.MonthlyPartitionsDefinition:
    """The months of a line, in UTC. This month's exists from its first day on."""
    start = _first(line).replace(day=1)
    return dg.MonthlyPartitionsDefinition(start.isoformat(), timezone="UTC", end_offset=1)


def calendar_months(line: str) -> dg.MonthlyPartitionsDefinition:
    """The months of a line, as calendars of its owners have them.

    The first one is that before its oldest record: west of UTC that may belong to it. So these are
    other partitions than `months`, and what has them is made in runs of its own.
    """
    start = (_first(line).replace(day=1) - timedelta(days=1)).replace(day=1)
    return dg.MonthlyPartitionsDefinition(start.isoformat(), timezone="UTC", end_offset=1)


def unit_of(partitions: dg.TimeWindowPartitionsDefinition) -> Unit:
    """How long the partitions are.

    Raises:
        ValueError: neither days, weeks nor months.
    """
    units: dict[str, Unit] = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month"}
    kind = partitions.schedule_type
    if kind is None or kind.value not in units:
        raise ValueError(f"partitions of {partitions.cron_schedule!r} are no days, weeks or months")
    return units[kind.value]


def _first(name: str) -> date:
    return _first_days().get(name, load_settings().first_day)


@cache
def _first_days() -> Mapping[str, date]:
    """The first day of each line; empty where the database cannot tell."""
    settings = load_settings()
    url = settings.database_url or postgres.running_url(settings.home)
    if not url:
        return {}
    try:
        with connect(make_conninfo(url, connect_timeout=DATABASE_TIMEOUT)) as connection:
            connection.execute(f"SET statement_timeout = '{DATABASE_TIMEOUT}s'")
            return first_days(connection, settings)
    except (KeepsakeError, psycopg.Error) as error:
        log.warning("partitions begin at FIRST_DAY: no database (%s)", type(error).__name__)
        return {}

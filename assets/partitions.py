"""The partitions that lines share: when a record was recorded, in UTC.

Not one partition a record: a record is a row. See `docs/architecture.md`.
"""

from datetime import timedelta

import dagster as dg

from keepsake.ledger import Unit
from keepsake.settings import load_settings

_FIRST = load_settings().first_day

# Today's partition exists from midnight on, not only when the day is over.
DAYS = dg.DailyPartitionsDefinition(start_date=_FIRST.isoformat(), timezone="UTC", end_offset=1)

# Weeks begin on Monday, the first one on or before the first day; this week's partition exists from
# Monday on.
WEEKS = dg.WeeklyPartitionsDefinition(
    start_date=(_FIRST - timedelta(days=_FIRST.weekday())).isoformat(),
    timezone="UTC",
    day_offset=1,
    end_offset=1,
)

# This month's partition exists from its first day on.
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=_FIRST.replace(day=1).isoformat(), timezone="UTC", end_offset=1
)


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

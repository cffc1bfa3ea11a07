"""The partitions that lines share: when a record was recorded, in UTC.

Not one partition a record: a record is a row. See `docs/architecture.md`.
"""

import dagster as dg

from keepsake.settings import load_settings

# Today's partition exists from midnight on, not only when the day is over.
DAYS = dg.DailyPartitionsDefinition(
    start_date=load_settings().first_day.isoformat(), timezone="UTC", end_offset=1
)

# Weeks begin on Monday; this week's partition exists from Monday on.
WEEKS = dg.WeeklyPartitionsDefinition(
    start_date=load_settings().first_day.isoformat(), timezone="UTC", day_offset=1, end_offset=1
)

# This month's partition exists from its first day on.
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=load_settings().first_day.replace(day=1).isoformat(), timezone="UTC", end_offset=1
)

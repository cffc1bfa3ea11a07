"""The partitions of lines: when a record was recorded, in UTC, from the oldest record on.

Not one partition a record: a record is a row. See `docs/architecture.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from keepsake.pipeline.ledger.due import Unit
from keepsake.pipeline.line import Line
from keepsake.pipeline.window import Window
from keepsake.records.first_days import FIRST_OWNER, read_first_days
from keepsake.settings import Settings


@dataclass(frozen=True)
class Calendar:
    """The partitions of every line, from its first day on.

    Attributes:
        first_day: where lines begin whose oldest record is not known.
        first_days: where the others begin, by name.
    """

    first_day: date
    first_days: Mapping[str, date] = field(default_factory=dict)

    def days(self, line: str) -> dg.DailyPartitionsDefinition:
        """The days of a line. Today's exists from midnight on, not only when the day is over."""
        first = self._first(line)
        return dg.DailyPartitionsDefinition(first.isoformat(), timezone="UTC", end_offset=1)

    def weeks(self, line: str) -> dg.WeeklyPartitionsDefinition:
        """The weeks of a line, as calendars of its owners have them. They begin on Monday.

        The first one is that before its oldest record: west of UTC that may belong to it.
        """
        return _weeks_from(_monday(self._first(line)) - timedelta(days=7))

    def weeks_of_use(self) -> dg.WeeklyPartitionsDefinition:
        """The weeks since the first owner was added. They begin on Monday, in UTC."""
        return _weeks_from(_monday(self._first(FIRST_OWNER)))

    def months(self, line: str) -> dg.MonthlyPartitionsDefinition:
        """The months of a line, in UTC. This month's exists from its first day on."""
        return _months_from(self._first(line).replace(day=1))

    def calendar_months(self, line: str) -> dg.MonthlyPartitionsDefinition:
        """The months of a line, as calendars of its owners have them.

        The first one is that before its oldest record: west of UTC that may belong to it. So these
        are other partitions than `months`, and what has them is made in runs of its own.
        """
        before = self._first(line).replace(day=1) - timedelta(days=1)
        return _months_from(before.replace(day=1))

    def _first(self, name: str) -> date:
        return self.first_days.get(name, self.first_day)


def read_calendar(settings: Settings) -> Calendar:
    """The partitions as records have them now: read once, when the code location is loaded.

    Where the database does not answer then, lines begin at FIRST_DAY: more partitions than there
    are days with records, but none missing.
    """
    return Calendar(settings.first_day, read_first_days(settings, settings.first_day))


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


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _weeks_from(start: date) -> dg.WeeklyPartitionsDefinition:
    return dg.WeeklyPartitionsDefinition(
        start.isoformat(), timezone="UTC", day_offset=1, end_offset=1
    )


def _months_from(start: date) -> dg.MonthlyPartitionsDefinition:
    return dg.MonthlyPartitionsDefinition(start.isoformat(), timezone="UTC", end_offset=1)


@dataclass(frozen=True)
class RunPartition:
    """A partition of a run: its key, and its records."""

    key: str
    window: Window


def run_partitions(
    line: Line, context: dg.AssetExecutionContext, definition: dg.TimeWindowPartitionsDefinition
) -> dict[datetime, RunPartition]:
    """The partitions of the run by their first moments, in order."""
    windows = {key: definition.time_window_for_partition_key(key) for key in context.partition_keys}
    return {
        start: RunPartition(key, Window(line.name, start, end))
        for start, end, key in sorted(
            (_utc(window.start), _utc(window.end), key) for key, window in windows.items()
        )
    }


def _utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)

"""The bookmarks line's sensor."""

import dagster as dg

from assets.bookmarks.line import bookmarks_job
from assets.partitions import Calendar
from keepsake.bookmarks.line import BOOKMARKS
from sensors.line_sensor import line_sensor


def new_bookmarks(calendar: Calendar) -> dg.SensorDefinition:
    """Runs for the days that have due bookmarks."""
    days = calendar.days(BOOKMARKS.name)
    return line_sensor(BOOKMARKS, job_name=bookmarks_job.name, source="bookmarks", partitions=days)

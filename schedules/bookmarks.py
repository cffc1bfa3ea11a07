"""The bookmarks line by the clock: closing the day."""

import dagster as dg

from assets.bookmarks.line import bookmarks_job
from assets.partitions import Calendar
from schedules.closing import closes_the_day


def close_the_bookmarks_day(calendar: Calendar) -> dg.ScheduleDefinition:
    """A quarter of an hour after the family's: the runs of the night need not start together."""
    return closes_the_day("bookmarks", calendar, job_name=bookmarks_job.name, minute=45)

"""The bookmarks line by the clock: closing the day."""

from assets.bookmarks.line import bookmarks_job
from schedules.closing import closes_the_day

# A quarter of an hour after the family's: the runs of the night need not start together.
close_the_bookmarks_day = closes_the_day("bookmarks", job_name=bookmarks_job.name, minute=45)

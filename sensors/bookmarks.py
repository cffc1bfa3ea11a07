"""The bookmarks line's sensor."""

from assets.bookmarks.line import bookmarks_job
from assets.partitions import days
from keepsake.bookmarks.line import BOOKMARKS
from sensors.line_sensor import line_sensor

new_bookmarks = line_sensor(
    BOOKMARKS, job_name=bookmarks_job.name, came_in="bookmarks", partitions=days(BOOKMARKS.name)
)

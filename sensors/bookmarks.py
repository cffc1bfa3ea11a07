"""The bookmarks line's sensor."""

from assets.bookmarks.line import BOOKMARKS, bookmarks_job
from assets.partitions import days
from sensors.line_sensor import line_sensor

new_bookmarks = line_sensor(
    BOOKMARKS, job_name=bookmarks_job.name, came_in="bookmarks", partitions=days(BOOKMARKS.name)
)

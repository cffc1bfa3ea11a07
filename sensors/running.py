"""The running line's sensor."""

from assets.partitions import months
from assets.running.line import RUNNING, running_job
from sensors.line_sensor import line_sensor

new_activities = line_sensor(
    RUNNING, job_name=running_job.name, came_in="activity_files", partitions=months(RUNNING.name)
)

"""The running line's sensor."""

from assets.partitions import months
from assets.running.line import running_job
from keepsake.running.line import RUNNING
from sensors.line_sensor import line_sensor

new_activities = line_sensor(
    RUNNING, job_name=running_job.name, came_in="activity_files", partitions=months(RUNNING.name)
)

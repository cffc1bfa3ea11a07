"""The family line's sensor."""

from assets.family.line import FAMILY, family_job
from assets.partitions import days
from sensors.line_sensor import line_sensor

new_responses = line_sensor(
    FAMILY, job_name=family_job.name, came_in="responses", partitions=days(FAMILY.name)
)

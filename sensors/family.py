"""The family line's sensor."""

from assets.family.line import family_job
from assets.partitions import days
from keepsake.family.line import FAMILY
from sensors.line_sensor import line_sensor

new_responses = line_sensor(
    FAMILY, job_name=family_job.name, came_in="responses", partitions=days(FAMILY.name)
)

"""The family line's sensor."""

import dagster as dg

from assets.family.line import family_job
from assets.partitions import Calendar
from keepsake.family.line import FAMILY
from sensors.line_sensor import line_sensor


def new_responses(calendar: Calendar) -> dg.SensorDefinition:
    """Runs for the days that have due responses."""
    days = calendar.days(FAMILY.name)
    return line_sensor(FAMILY, job_name=family_job.name, source="responses", partitions=days)

"""The running line's sensor."""

import dagster as dg

from assets.partitions import Calendar
from assets.running.line import running_job
from keepsake.running.line import RUNNING
from sensors.line_sensor import line_sensor


def new_activities(calendar: Calendar) -> dg.SensorDefinition:
    """Runs for the months that have due activities."""
    months = calendar.months(RUNNING.name)
    return line_sensor(
        RUNNING, job_name=running_job.name, source="activity_files", partitions=months
    )

"""The sensor of tracked jobs that Dagster runs: it asks for one run for each attempt.

Like the lines' sensors it waits inside its tick, so a job is seen within a quarter of a second. A
run has a key of the job and the attempt, by which Dagster makes no second one; and it claims the
job before it does anything (`assets/job_of_run.py`). What becomes of runs that end before that is
not here (`keepsake/jobs/following.py`).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg

from assets.bookmarks.line import bookmarks_job
from assets.family.line import family_job
from assets.line_assets import LineConfig, op_name, partition_tag
from assets.partitions import Calendar, unit_of
from assets.running.line import running_job
from keepsake.bookmarks.line import BOOKMARKS
from keepsake.database import Pool
from keepsake.errors import InvalidInput
from keepsake.family.line import FAMILY
from keepsake.job_types import REGISTRY
from keepsake.jobs.plans import RUN_TAG, SENSOR, RunPlan, run_tag
from keepsake.jobs.registry import Registry
from keepsake.jobs.runs import DueJob, due_for_runs, plan_run, refuse
from keepsake.local.up import running
from keepsake.pipeline.line import Line
from keepsake.running.line import RUNNING
from keepsake.settings import Settings
from resources.database import DatabaseResource
from sensors.line_sensor import BULK

POLL_SECONDS = 0.25
BUSY_SECONDS = 1.0  # between looks while all that is due has a run already
TICK_SECONDS = 20.0  # of waiting; Dagster allows a tick 60
# Jobs that wait in Dagster's queue, at most. The others wait here, where an urgent one overtakes
# them, and cost nothing.
AT_ONCE = 20
RUN_KEY = "dagster/run_key"


@dataclass(frozen=True)
class LineInDagster:
    """A line with the job that makes its steps, and its partitions."""

    line: Line
    job: Any  # Dagster does not export its type
    partitions: dg.TimeWindowPartitionsDefinition


def tracked_jobs(calendar: Calendar, registry: Registry = REGISTRY) -> dg.SensorDefinition:
    """Runs for the tracked jobs that are due, in all lines."""
    lines = (
        LineInDagster(FAMILY, family_job, calendar.days(FAMILY.name)),
        LineInDagster(BOOKMARKS, bookmarks_job, calendar.days(BOOKMARKS.name)),
        LineInDagster(RUNNING, running_job, calendar.months(RUNNING.name)),
    )
    return jobs_sensor(lines, registry)


class _NotYet(Exception):
    """The code location gets the partition when it is loaded again."""


def jobs_sensor(
    lines: Sequence[LineInDagster],
    registry: Registry,
) -> dg.SensorDefinition:
    """The sensor of tracked jobs.

    Args:
        lines: that plans may name.
        registry: the types of tracked jobs.
    """
    by_name = {each.line.name: each for each in lines}

    @dg.sensor(
        name=SENSOR,
        jobs=[each.job for each in lines],
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for each tracked job that is due and that Dagster runs. Urgent "
        "ones first.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        database: DatabaseResource,
        settings: dg.ResourceParam[Settings],
    ) -> dg.SensorResult | dg.SkipReason:
        tick = _Tick(context.instance, registry, by_name, settings)
        requests = asyncio.run(tick.wait(database))
        if not requests:
            return dg.SkipReason("no job is due that has no run yet")
        return dg.SensorResult(run_requests=requests)

    return sensor


class _Tick:
    """One tick of the sensor."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        registry: Registry,
        lines: Mapping[str, LineInDagster],
        settings: Settings,
    ) -> None:
        self._instance, self._registry = instance, registry
        self._lines, self._settings = lines, settings
        self._asked: set[str] = set()  # keys of runs that are there

    async def wait(self, database: DatabaseResource) -> list[dg.RunRequest]:
        """The runs to ask for; waits until there is one."""
        deadline = time.monotonic() + TICK_SECONDS
        types = self._registry.names("dagster")
        async with database.open_pool() as pool:
            while True:
                async with pool.connection() as connection:
                    due = await due_for_runs(connection, types, limit=AT_ONCE)
                found = [await self._request(pool, job) for job in due if not self._has_run(job)]
                if requests := [request for request in found if request]:
                    return requests
                pause = BUSY_SECONDS if due else POLL_SECONDS
                if time.monotonic() + pause > deadline:
                    return []
                await asyncio.sleep(pause)

    def _has_run(self, job: DueJob) -> bool:
        key = _run_key(job)
        if key not in self._asked:
            runs = self._instance.get_runs(dg.RunsFilter(tags={RUN_KEY: key}), limit=1)
            self._asked.update(key for _ in runs)
        return key in self._asked

    async def _request(self, pool: Pool, job: DueJob) -> dg.RunRequest | None:
        """The run of a job. None: not yet, or it has none, and has failed."""
        try:
            return self._run_of(job, await plan_run(pool, self._registry, self._settings, job))
        except _NotYet:
            pass
        except Exception as error:  # of any type of job: the others go on
            await refuse(pool, job, error)
        return None

    def _run_of(self, job: DueJob, plan: RunPlan) -> dg.RunRequest:
        of = self._lines[plan.line]
        steps = plan.steps or [step.name for step in of.line.steps]
        steps = [step for step in steps if step not in self._settings.switched_off_steps]
        if not steps:
            raise InvalidInput(f"{', '.join(plan.steps) or 'every step'} is switched off")
        first, last = self._partitions(of, plan)
        config = LineConfig(
            mode=plan.mode,
            redo=plan.redo,
            max_records=plan.max_records,
            record_ids=list(plan.record_ids),
        )
        tags = {
            RUN_TAG: run_tag(job.fence),
            "dagster/priority": str(job.priority),
            "keepsake/line": plan.line,
        }
        if job.priority < 0:
            tags[BULK] = "true"
        if first == last:
            tags |= partition_tag(plan.line, first)
        else:
            tags["dagster/asset_partition_range_start"] = first
            tags["dagster/asset_partition_range_end"] = last
        return dg.RunRequest(
            run_key=_run_key(job),
            job_name=of.job.name,
            partition_key=first if first == last else None,
            asset_selection=[dg.AssetKey(step) for step in steps],
            run_config=dg.RunConfig({op_name(of.line): config}),
            tags=tags,
        )

    def _partitions(self, of: LineInDagster, plan: RunPlan) -> tuple[str, str]:
        """The keys of the first and the last partition of a plan that there are.

        Raises:
            InvalidInput: there is none.
        """
        earliest = of.partitions.get_first_partition_key() or ""
        latest = of.partitions.get_last_partition_key() or ""
        first, last = (_start(of.partitions, day).isoformat() for day in (plan.first, plan.last))
        if last < earliest and plan.last >= self._settings.first_day and running(self._settings):
            raise _NotYet
        if last < earliest or first > latest:
            raise InvalidInput(
                f"Dagster has partitions of the line {plan.line} from {earliest} to {latest}, and "
                f"none from {first} to {last}: load the code location again, or choose other days"
            )
        return max(first, earliest), min(last, latest)


def _run_key(job: DueJob) -> str:
    return f"job:{run_tag(job.fence)}"


def _start(partitions: dg.TimeWindowPartitionsDefinition, day: date) -> date:
    """The first day of the partition that a day is in."""
    unit = unit_of(partitions)
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day

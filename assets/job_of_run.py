"""A run of a line that is an attempt at a tracked job.

It claims the job before it does anything, and the job ends with what the run came to. Jobs
themselves are in `keepsake/jobs/`, and who asks for their runs in `sensors/jobs.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import dagster as dg

from keepsake.database import Pool
from keepsake.jobs.attempts import End
from keepsake.jobs.plans import fence_of
from keepsake.jobs.rows import JobLost
from keepsake.jobs.runs import RunningJob, carried
from keepsake.pipeline.reports import Report, StepReport

_TERMINATED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
COUNTS = ("made", "nothing", "up_to_date", "failed", "deferred", "over_budget", "waiting", "held")


@asynccontextmanager
async def job_of_run(
    context: dg.AssetExecutionContext, url: str, pool: Pool
) -> AsyncIterator[RunningJob | None]:
    """The job that the run is an attempt at, claimed; None: it is of none. See `runs.carried`."""

    def is_terminated() -> bool:
        run = context.instance.get_run_by_id(context.run_id)
        return run is not None and run.status in _TERMINATED

    fence = fence_of(context.run.tags)
    if fence is None:
        yield None
        return
    async with carried(url, pool, fence, context.run_id, is_terminated=is_terminated) as job:
        yield job


def stop(context: dg.AssetExecutionContext, error: JobLost) -> NoReturn:
    """End the run as cancelled, since its job was.

    Whoever terminates the run may not have come to it yet: then Dagster would show it as failed.
    """
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and not run.is_finished and run.status is not dg.DagsterRunStatus.CANCELING:
        context.instance.report_run_canceling(run, str(error))
    raise KeyboardInterrupt


def how_it_ended(job: RunningJob, report: Report, *, of_records: bool) -> End:
    """How the attempt ended whose run came to `report`.

    Args:
        job: of the run.
        report: counts.
        of_records: whether certain records were asked for: then one that failed fails the job.
    """
    again = job.claimed.pause()
    steps = report.steps
    if down := {name: step.down for name, step in steps.items() if step.down}:
        why = f"{', '.join(down)} stopped early: {next(iter(down.values()))}"
        return End("failed", error_type="EndpointDown", error=why, again_in=again)
    if of_records and report.busy:
        why = "another run works on the record: this is tried again when it may be done"
        return End("failed", error_type="RecordBusy", error=why, again_in=again)
    failed = {name: step for name, step in steps.items() if step.failed}
    if (of_records and failed) or any(_is_lost(step) for step in failed.values()):
        records = sorted({record for step in failed.values() for record in step.failed_ids})
        why = (
            f"{', '.join(failed)} failed, the first of record {records[0]}: "
            f"`keepsake status {records[0]}` says why, and `keepsake retry` tries again"
        )
        return End("failed", result=_result(report), error_type="StepFailed", error=why)
    return End("succeeded", result=_result(report))


def _is_lost(step: StepReport) -> bool:
    """Whether the step failed for all records for which it was to be made."""
    return bool(step.failed) and not (step.made or step.nothing)


def _result(report: Report) -> dict[str, Any]:
    """Counts of records: in all, and of each step those that are not zero."""
    steps = {
        name: {count: value for count in COUNTS if (value := getattr(step, count))}
        for name, step in report.steps.items()
    }
    busy = {"busy": report.busy} if report.busy else {}
    return {"records": report.records, **busy, "steps": steps}

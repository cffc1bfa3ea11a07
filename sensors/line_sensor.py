"""A sensor that sees a line's due records and asks for one run a day that has some.

It waits inside its tick for work to come, since Dagster starts ticks at least five seconds apart:
so a new record is seen within half a second. What is due is read from the ledger by an index, new
records, put-off ones and retried ones alike; a run that dies needs no extra care, its records
are simply still due.
"""

import time
from collections.abc import Sequence
from itertools import islice

import dagster as dg

from assets.line_assets import LineConfig, op_name
from keepsake.ledger import DueDay, due_days
from keepsake.line import Line
from keepsake.settings import load_settings
from resources.database import DatabaseResource

POLL_SECONDS = 0.25
TICK_SECONDS = 20.0  # of waiting; Dagster allows a tick 60
RUNS_A_TICK = 5
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def line_sensor(
    line: Line, *, job_name: str, came_in: str, partitions: dg.TimeWindowPartitionsDefinition
) -> dg.SensorDefinition:
    """The sensor of a line.

    Args:
        line: whose records it looks for.
        job_name: the job that materialises its multi-asset.
        came_in: the asset of its records; what the sensor sees is an observation of it.
        partitions: of both.
    """

    @dg.sensor(
        name=f"new_{line.name}_records",
        job_name=job_name,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts a run for each day that has due {line.name} records: new, put-off and "
        "retried ones. Urgent and newest days first.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, database: DatabaseResource
    ) -> dg.SensorResult | dg.SkipReason:
        settings = load_settings()
        steps = [s.name for s in line.steps if s.name not in settings.scheduled_steps]
        days = _wait_for_days(context.instance, database, line, job_name, steps, partitions)
        if not days:
            return dg.SkipReason("nothing is due")
        return dg.SensorResult(
            run_requests=[_run(line, day, steps, settings.max_records_per_run) for day in days],
            asset_events=[_observation(came_in, day) for day in days],
        )

    return sensor


def _run(line: Line, day: DueDay, steps: Sequence[str], max_records: int) -> dg.RunRequest:
    # Without a run_key: the ledger says what is due, and a failed run's key would keep its records
    # from ever being asked for again.
    return dg.RunRequest(
        partition_key=day.day.isoformat(),
        asset_selection=[dg.AssetKey(step) for step in steps],
        run_config=dg.RunConfig({op_name(line): LineConfig(take="due", max_records=max_records)}),
        tags={"dagster/priority": str(day.priority), "keepsake/line": line.name},
    )


def _observation(came_in: str, day: DueDay) -> dg.AssetObservation:
    """What the sensor saw, on the asset of what came in: lineage then begins with a fact."""
    return dg.AssetObservation(
        came_in, partition=day.day.isoformat(), metadata={"due records": day.records}
    )


def _wait_for_days(
    instance: dg.DagsterInstance,
    database: DatabaseResource,
    line: Line,
    job: str,
    steps: Sequence[str],
    partitions: dg.TimeWindowPartitionsDefinition,
) -> list[DueDay]:
    """The first few days with due work and no run of their own; waits until there is one.

    A day that is no partition, since FIRST_DAY was raised, would fail the tick and so all others.
    """
    deadline = time.monotonic() + TICK_SECONDS
    with database.connect() as connection:
        while True:
            if days := due_days(connection, line.name, steps):
                busy = _busy_days(instance, job)
                free = (day for day in days if day.day.isoformat() not in busy)
                ours = (d for d in free if partitions.has_partition_key(d.day.isoformat()))
                if found := list(islice(ours, RUNS_A_TICK)):
                    return found
            if time.monotonic() + POLL_SECONDS > deadline:
                return []
            time.sleep(POLL_SECONDS)


def _busy_days(instance: dg.DagsterInstance, job: str) -> set[str]:
    """Partitions that a run has in its hands: it takes what comes in while it lasts."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ACTIVE))
    return {run.tags["dagster/partition"] for run in runs if "dagster/partition" in run.tags}

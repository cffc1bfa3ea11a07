"""A sensor that sees a line's due records and asks for a run of each partition that has some.

It waits inside its tick for work to come, since Dagster waits at least five seconds between ticks:
so a new record is seen within half a second. What is due is read from the ledger by an index, new
records, put-off ones and retried ones alike; a run that dies needs no extra care, its records
are simply still due.

Imported history has low priority. It goes in runs of its own over many partitions, one at a time
for a line and two at a time in all (`dagster.yaml`), so that it never fills the queue.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

import dagster as dg

from assets.line_assets import LineConfig, op_name, partition_tag
from assets.partitions import unit_of
from keepsake.jobs.plans import RUN_TAG
from keepsake.local.up import running
from keepsake.pipeline.ledger.due import DueWindow, Unit, due_windows
from keepsake.pipeline.line import Line
from keepsake.settings import Settings
from resources.database import DatabaseResource
from sensors.empty_partitions import closed, empty_partitions

POLL_SECONDS = 0.25
BUSY_SECONDS = 1.0  # between looks while all that is due is in the hands of runs
TICK_SECONDS = 20.0  # of waiting; Dagster allows a tick 60
RUNS_A_TICK = 5
# How far back one run of imported history reaches. Each partition of it costs Dagster about 15 ms
# an asset, however few records it has.
HISTORY = {"day": timedelta(days=31), "week": timedelta(weeks=31), "month": timedelta(days=366)}
BULK = "keepsake/bulk"
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Wanted:
    """A run to ask for: the first days of its partitions, the newest first."""

    windows: Sequence[DueWindow]

    @property
    def priority(self) -> int:
        """The highest of its records."""
        return max(window.priority for window in self.windows)

    @property
    def partition_key(self) -> str | None:
        """Its partition, if it is one."""
        return self.windows[0].start.isoformat() if len(self.windows) == 1 else None

    @property
    def tags(self) -> Mapping[str, str]:
        """What the queue goes by."""
        tags = {"dagster/priority": str(self.priority)}
        if self.priority < 0:
            tags[BULK] = "true"
        if len(self.windows) > 1:
            starts = [window.start.isoformat() for window in self.windows]
            tags["dagster/asset_partition_range_start"] = min(starts)
            tags["dagster/asset_partition_range_end"] = max(starts)
        return tags


def line_sensor(
    line: Line, *, job_name: str, source: str, partitions: dg.TimeWindowPartitionsDefinition
) -> dg.SensorDefinition:
    """The sensor of a line.

    Args:
        line: whose records it looks for.
        job_name: the job that materialises its multi-asset.
        source: the asset of its records; what the sensor sees is an observation of it.
        partitions: of both: days, weeks or months.
    """

    @dg.sensor(
        name=f"new_{line.name}_records",
        job_name=job_name,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts a run for each {unit_of(partitions)} that has due {line.name} "
        "records: new, put-off and retried ones. Urgent and newest ones first; imported history "
        "in runs of its own.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        database: DatabaseResource,
        settings: dg.ResourceParam[Settings],
    ) -> dg.SensorResult | dg.SkipReason:
        left_out = settings.scheduled_steps | settings.switched_off_steps
        steps = [step.name for step in line.steps if step.name not in left_out]
        runs = _wait_for_work(
            context.instance, database, line, job_name, steps, partitions, settings
        )
        if not runs:
            return _report_empty(context, database, line, partitions)
        return dg.SensorResult(
            run_requests=[_request(line, run, steps, settings) for run in runs],
            asset_events=[_observation(source, w) for run in runs for w in run.windows],
        )

    return sensor


def _report_empty(
    context: dg.SensorEvaluationContext,
    database: DatabaseResource,
    line: Line,
    partitions: dg.TimeWindowPartitionsDefinition,
) -> dg.SensorResult | dg.SkipReason:
    """Report partitions without records. The cursor says which have been gone through."""
    over = closed(partitions)
    through = f"{over[0]} to {over[-1]}" if over else "none"
    if context.cursor == through:
        return dg.SkipReason("nothing is due")
    with database.connect() as connection:
        events = empty_partitions(context.instance, connection, line, partitions)
    if events:
        count = len({event.partition for event in events})
        reason = f"nothing is due; {count} partitions without records are reported"
        return dg.SensorResult(asset_events=events, skip_reason=reason)
    context.update_cursor(through)
    return dg.SkipReason("nothing is due, and every partition without records is reported")


def _request(line: Line, run: Wanted, steps: Sequence[str], settings: Settings) -> dg.RunRequest:
    # Without a run_key: the ledger says what is due, and a failed run's key would keep its records
    # from ever being asked for again.
    config = LineConfig(mode="due", max_records=settings.max_records_per_run)
    key = run.partition_key
    alone = partition_tag(line.name, key) if key else {}
    return dg.RunRequest(
        partition_key=key,
        asset_selection=[dg.AssetKey(step) for step in steps],
        run_config=dg.RunConfig({op_name(line): config}),
        tags={**run.tags, **alone, "keepsake/line": line.name},
    )


def _observation(source: str, window: DueWindow) -> dg.AssetObservation:
    """What the sensor saw, on the source: lineage then begins with a fact."""
    return dg.AssetObservation(
        source, partition=window.start.isoformat(), metadata={"due records": window.records}
    )


def _wait_for_work(
    instance: dg.DagsterInstance,
    database: DatabaseResource,
    line: Line,
    job: str,
    steps: Sequence[str],
    partitions: dg.TimeWindowPartitionsDefinition,
    settings: Settings,
) -> list[Wanted]:
    """The first few runs to ask for; waits until there is one.

    What is no partition would fail the tick and so all others: days before FIRST_DAY, if it was
    raised, and those of records that are older than any was when the code location was loaded.
    `keepsake up` loads it again as soon as no run is under way: until then no history is begun.
    """
    deadline = time.monotonic() + TICK_SECONDS
    unit = unit_of(partitions)
    with database.connect() as connection:
        while True:
            pause = POLL_SECONDS
            if due := due_windows(connection, line.name, steps, unit):
                ours = [w for w in due if partitions.has_partition_key(w.start.isoformat())]
                busy = _under_way(instance, job)
                if _await_partitions(due, ours, unit, settings):
                    busy = replace(busy, bulk=True)
                if found := _runs(ours, busy, HISTORY[unit]):
                    return found
                pause = BUSY_SECONDS
            if time.monotonic() + pause > deadline:
                return []
            time.sleep(pause)


def _await_partitions(
    due: Sequence[DueWindow], ours: Sequence[DueWindow], unit: Unit, settings: Settings
) -> bool:
    """Whether something due gets its partition when the code location is loaded again, and it is.

    Where Dagster's parts run by themselves, somebody has to do so: nothing is held back for that.
    """
    first = settings.first_day
    starts = {
        "day": first,
        "week": first - timedelta(days=first.weekday()),
        "month": first.replace(day=1),
    }
    have_one = {window.start for window in ours}
    older = any(w.start >= starts[unit] for w in due if w.start not in have_one)
    return older and running(settings) is not None


@dataclass(frozen=True)
class _UnderWay:
    """What runs are working on: they take what becomes due while they last."""

    partitions: frozenset[str]
    bulk: bool  # one of imported history is among them


def _runs(due: Iterable[DueWindow], busy: _UnderWay, history: timedelta) -> list[Wanted]:
    """A run for each window that has none, and one for a stretch of imported history.

    It begins where the history of one owner does, by lot: so the long one of another, however new,
    does not go before all that is older.
    """
    free = [window for window in due if window.start.isoformat() not in busy.partitions]
    new = [Wanted([window]) for window in free if window.priority >= 0]
    old = [] if busy.bulk else [window for window in free if window.priority < 0]
    if old:
        first = [window for window in old if window.first] or [max(old, key=lambda w: w.start)]
        newest = random.choice(first).start  # noqa: S311
        new.append(Wanted([w for w in old if timedelta() <= newest - w.start < history]))
    return list(islice(new, RUNS_A_TICK))


def _under_way(instance: dg.DagsterInstance, job: str) -> _UnderWay:
    active = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ACTIVE))
    runs = [run for run in active if RUN_TAG not in run.tags]  # of a job: may be of one record only
    return _UnderWay(
        frozenset(run.tags["dagster/partition"] for run in runs if "dagster/partition" in run.tags),
        any(BULK in run.tags for run in runs),
    )

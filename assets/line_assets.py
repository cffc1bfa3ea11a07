"""A line as one Dagster multi-asset that can be subset.

Dagster shows, selects, backfills and traces each step as an asset of its own; one process carries
the records through all the selected steps. What the steps do is in the lines' folders, how records
flow through them in `keepsake/pipeline/run.py`.
"""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import dagster as dg

from keepsake.database import Connection
from keepsake.owners.prices import billing
from keepsake.pipeline.ledger.states import StepState, step_states
from keepsake.pipeline.line import Line, Step
from keepsake.pipeline.reports import OnPartition, Report, StepReport
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.settings import ROLES, Endpoint, ObjectSettings, Settings, is_openai
from keepsake.steps.checks import Finding
from keepsake.steps.tools import open_tools
from resources.database import DatabaseResource
from resources.models import ModelsResource

RECORDS_CHECK = "every_record_succeeded"
OWNERS = ["team:keepsake"]


@dataclass(frozen=True)
class ContentCheck:
    """A check of what a step has stored. `find` reads the database only, and counts what is bad."""

    name: str
    description: str
    find: Callable[[Connection, Window], Finding]


@dataclass(frozen=True)
class StepAsset:
    """How a step appears in Dagster."""

    step: Step
    description: str
    columns: Sequence[tuple[str, str, str]]  # name, SQL type, what it is
    objects: bool = False  # whether it stores objects as well
    table: str | None = None  # of its rows, if not one of the step's name
    checks: Sequence[ContentCheck] = ()

    def spec(self, line: str, source: str, settings: Settings) -> dg.AssetSpec:
        """Its spec. A step without needs is made from the source."""
        return dg.AssetSpec(
            self.step.name,
            deps=self.step.needs or [source],
            description=self.description,
            skippable=True,
            group_name=line,
            code_version=self.step.version,
            kinds=kinds_of(settings, *self.step.roles, objects=self.objects),
            owners=OWNERS,
            metadata={
                "dagster/column_schema": table_schema(self.columns),
                "dagster/table_name": f"keepsake.{self.table or self.step.name}",
                **({"objects": _place_of_objects(settings)} if self.objects else {}),
            },
        )


def kinds_of(settings: Settings, *roles: str, objects: bool = False) -> set[str]:
    """What serves an asset under these settings, as Dagster shows it.

    Args:
        settings: where models and objects are.
        roles: the model roles that it calls.
        objects: whether it stores objects.
    """
    served = {_served_by(settings.endpoint(role)) for role in ROLES if role in roles}
    stored = {"s3" if settings.s3_bucket else "folder"} if objects else set()
    return {"postgres", *served, *stored}


def _place_of_objects(settings: ObjectSettings) -> dg.PathMetadataValue:
    bucket = settings.s3_bucket
    return dg.MetadataValue.path(f"s3://{bucket}" if bucket else str(settings.objects_folder))


def _served_by(endpoint: Endpoint) -> str:
    """The embedded model, a provider, or another server that speaks OpenAI's protocol."""
    if endpoint.embedded:
        return "local"
    if endpoint.provider == "openai" and not is_openai(endpoint.base_url):
        return "openai-compatible"
    return endpoint.provider


def table_schema(columns: Iterable[tuple[str, str, str]]) -> dg.TableSchema:
    """Columns as Dagster shows them, from (name, SQL type, what it is)."""
    return dg.TableSchema([dg.TableColumn(n, t, description=d) for n, t, d in columns])


class LineConfig(dg.Config):
    """What a run is asked to do with its partitions."""

    mode: str = "all"  # `due`: only what is due, as sensors ask; `all`: failed and stale ones too
    max_records: int | None = None
    redo: bool = False


def line_multi_asset(
    line: Line,
    *,
    source: str,
    assets: Sequence[StepAsset],
    partitions: dg.TimeWindowPartitionsDefinition,
    settings: Settings,
) -> dg.AssetsDefinition:
    """The multi-asset of a line.

    Args:
        line: its steps.
        source: the asset of its records.
        assets: how each step appears.
        partitions: days, weeks or months of its records.
        settings: what serves the assets, for people to read. A run has its own, as a resource.
    """
    checks = {(a.step.name, check.name): check for a in assets for check in a.checks}

    @dg.multi_asset(
        name=op_name(line),
        specs=[asset.spec(line.name, source, settings) for asset in assets],
        check_specs=[*_record_checks(line, partitions), *_content_checks(assets, partitions)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def materialize(
        context: dg.AssetExecutionContext,
        config: LineConfig,
        database: DatabaseResource,
        objects: dg.ResourceParam[Any],
        models: ModelsResource,
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[Told]:
        days = _partitions(line, context, partitions)
        spec = _run_spec(line, config, days, context, settings)
        teller = _Teller(line, source, checks, context)
        report = Report({})
        with _frozen_heap():
            if spec.steps:
                report = yield from told_as_they_complete(
                    lambda on_partition: _carry(
                        context,
                        line,
                        spec,
                        on_partition,
                        database=database,
                        objects=objects,
                        models=models,
                        settings=settings,
                    ),
                    lambda complete: teller.tell(database, days, complete),
                )
                context.log.info(report.line())
            untold = {start: _NOTHING for start in days if start not in teller.told}
            yield from teller.tell(database, days, untold)
        yield from _checks_done(context)
        _raise_if_down(report)
        teller.raise_if_all_failed()

    return materialize


def assets_of(line: Line) -> dg.AssetSelection:
    """All steps of a line, to define its job by."""
    return dg.AssetSelection.assets(*(step.name for step in line.steps))


Told = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]
Complete = Mapping[datetime, Mapping[str, StepReport]]  # by the first moment of the partition
_NOTHING: Mapping[str, StepReport] = {}


def told_as_they_complete(
    carry: Callable[[OnPartition], Coroutine[Any, Any, Report]],
    tell: Callable[[Complete], Iterator[Told]],
) -> Generator[Told, None, Report]:
    """Carry records, and tell of each partition as soon as it is complete.

    The event loop is that of `asyncio.run`, but it rests while Dagster stores what is told. A run
    that is cancelled meanwhile, or in the loop, leaves the block of the runner: that cancels the
    work, which ends as `CancelledError` and can await while it puts back what is unfinished.
    """
    complete: dict[datetime, Mapping[str, StepReport]] = {}
    moved = asyncio.Event()

    def on_partition(start: datetime, steps: Mapping[str, StepReport]) -> None:
        complete[start] = steps
        moved.set()

    with asyncio.Runner() as runner:
        work = runner.get_loop().create_task(carry(on_partition))
        while not work.done():
            with _interrupts_cancel(work):
                runner.run(_until_moved(work, moved))
            now = dict(complete)
            complete.clear()
            yield from tell(now)
        return work.result()


@contextmanager
def _interrupts_cancel(work: asyncio.Task[Report]) -> Iterator[None]:
    """Let a run that is cancelled cancel the work, and then raise as Dagster does.

    Dagster's handler of SIGINT raises wherever the process is just then. In an event loop that is
    within some task or callback, which takes it for an error of its own: it may go unnoticed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals: list[tuple[int, FrameType | None]] = []

    def cancel(number: int, frame: FrameType | None) -> None:
        signals.append((number, frame))
        work.get_loop().call_soon_threadsafe(work.cancel)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if signals:
        if callable(before):
            before(*signals[0])
        raise KeyboardInterrupt


async def _until_moved(work: asyncio.Task[Report], moved: asyncio.Event) -> None:
    waiter = asyncio.create_task(moved.wait())
    await asyncio.wait({work, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    moved.clear()


def op_name(line: Line) -> str:
    """The op of a line's multi-asset, by which its configuration goes. No asset may be named so."""
    return f"{line.name}_steps"


def partition_tag(line: str, key: str) -> dict[str, str]:
    """What the queue goes by: one run at a time for a partition of a line (`dagster.yaml`).

    Dagster's own tag has the partition alone, and other lines have a partition of the same day.
    """
    return {"keepsake/partition": f"{line} {key}"}


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Leave what is loaded by now out of garbage collection for the length of the block.

    Dagster's modules are some two hundred thousand objects. Every full collection would look at
    them all, and nothing else runs meanwhile: 140 ms a time, several times a run.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _carry(
    context: dg.AssetExecutionContext,
    line: Line,
    spec: RunSpec,
    on_partition: OnPartition,
    *,
    database: DatabaseResource,
    objects: Any,
    models: ModelsResource,
    settings: Settings,
) -> Report:
    async with (
        database.open_pool() as pool,
        models.open() as clients,
        open_tools(settings, pool, objects.store(), clients) as tools,
    ):
        return await run_line(
            line,
            spec,
            tools,
            pool=tools.pool,
            models=models.names(),
            billing=billing(settings),
            on_progress=lambda report: context.log.info(report.line()),
            on_partition=on_partition,
        )


def _run_spec(
    line: Line,
    config: LineConfig,
    partitions: "Mapping[datetime, _Partition]",
    context: dg.AssetExecutionContext,
    settings: Settings,
) -> RunSpec:
    if config.mode not in ("due", "all"):
        raise dg.Failure(f"mode must be `due` or `all`, not {config.mode!r}", allow_retries=False)
    names = [step.name for step in line.steps]
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    left_out = settings.scheduled_steps | settings.switched_off_steps
    windows = [partition.window for partition in partitions.values()]
    return RunSpec(
        window=Window(line.name, windows[0].start, windows[-1].end),
        steps=tuple(n for n in names if n in selected and n not in settings.switched_off_steps),
        run_id=context.run_id,
        mode="due" if config.mode == "due" else "all",
        max_records=config.max_records,
        redo=config.redo,
        mark_due=tuple(n for n in names if n not in selected and n not in left_out),
        partitions=tuple(partitions),
    )


@dataclass(frozen=True)
class _Partition:
    """A partition of a run: its key, and its records."""

    key: str
    window: Window


def _partitions(
    line: Line, context: dg.AssetExecutionContext, definition: dg.TimeWindowPartitionsDefinition
) -> dict[datetime, _Partition]:
    """The partitions of the run by their first moments, in order."""
    windows = {key: definition.time_window_for_partition_key(key) for key in context.partition_keys}
    return {
        start: _Partition(key, Window(line.name, start, end))
        for start, end, key in sorted(
            (_utc(window.start), _utc(window.end), key) for key, window in windows.items()
        )
    }


def _utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)


@dataclass
class _Teller:
    """Tells Dagster what became of partitions: their materialisations and their checks.

    Not by `MaterializeResult`: that materialises all partitions of a run alike, at its end. Each
    partition has its own counts here, and one of which every record failed is not materialised.
    """

    line: Line
    source: str
    checks: Mapping[tuple[str, str], ContentCheck]
    context: dg.AssetExecutionContext
    told: set[datetime] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def tell(
        self, database: DatabaseResource, partitions: Mapping[datetime, _Partition], of: Complete
    ) -> Iterator[Told]:
        """The events of these partitions. What is true of them by now is read from the ledger."""
        if not of:
            return
        with database.connect() as connection:
            for start, reports in of.items():
                self.told.add(start)
                yield from self._partition(connection, partitions[start], reports)

    def raise_if_all_failed(self) -> None:
        """Fail the run of which a step failed for all records of a partition.

        Dagster shows a partition as failed only if a run that failed did not materialise it.
        """
        if self.lost:
            more = f" and {len(self.lost) - 5} more" if len(self.lost) > 5 else ""
            raise dg.Failure(
                f"Every record failed: {'; '.join(self.lost[:5])}{more}. The log names each with "
                "its reason; the check `every_record_succeeded` says how to try again.",
                allow_retries=False,
            )

    def _partition(
        self, connection: Connection, partition: _Partition, reports: Mapping[str, StepReport]
    ) -> Iterator[Told]:
        names = [step.name for step in self.line.steps]
        states = step_states(connection, partition.window, names)
        selected = {key.to_user_string() for key in self.context.selected_asset_keys}
        for step in self.line.steps:
            if step.name not in selected:
                continue
            state, report = _state(states, step.name), reports.get(step.name, StepReport())
            if state.succeeded or not (state.failed or state.open):
                yield dg.AssetMaterialization(
                    step.name,
                    partition=partition.key,
                    metadata=_metadata(step, state, report),
                    tags=_versions(step, self.source, states),
                )
            elif report.failed and state.all_failed:
                ids = ", ".join(map(str, state.failed_ids[:5]))
                self.lost.append(f"{step.name} of {partition.key} (records {ids})")
        for key in sorted(self.context.selected_asset_check_keys):
            asset = key.asset_key.to_user_string()
            if check := self.checks.get((asset, key.name)):
                yield _check_content(connection, partition, asset, check)
            else:
                yield _check_records(partition, asset, _state(states, asset))


def _state(states: Mapping[str, StepState], step: str) -> StepState:
    return states.get(step, StepState())


def _versions(step: Step, source: str, states: Mapping[str, StepState]) -> dict[str, str]:
    """Tags by which Dagster tells whether a partition is made from what its needs hold now.

    The version of a partition's data is a hash of all its results. The source has no version in
    Dagster, which calls that INITIAL: the ledger knows which records have changed.
    """
    needs = {need: _state(states, need).output or "none" for need in step.needs}
    return {
        "dagster/code_version": step.version,
        "dagster/data_version": _state(states, step.name).output or "none",
        **{
            f"dagster/input_data_version/{name}": version
            for name, version in (needs or {source: "INITIAL"}).items()
        },
    }


def _metadata(step: Step, state: StepState, report: StepReport) -> dict[str, Any]:
    """The story of one materialisation: counts with their zeros, so that plots are true, and ids.

    `dagster/row_count` is what the partition holds; the rest is what this run did in it.
    """
    usage = report.usage
    counts = {
        "dagster/row_count": state.succeeded - state.nothing,
        "made": report.made,
        "nothing to make": report.nothing,
        "up to date": report.up_to_date,
        "failed": report.failed,
        "deferred": report.deferred,
        "over budget": report.over_budget,
        "waiting": report.waiting,
        "held": report.held,
        "attempts": report.attempts,
        "seconds of work": round(report.seconds, 1),
    }
    spent = {
        "model calls": usage.calls,
        "tokens in": usage.tokens_in,
        "tokens out": usage.tokens_out,
        "audio seconds": round(usage.audio_seconds, 1),
        "characters spoken": usage.characters,
        "cost (USD)": "unknown" if usage.cost is None else float(usage.cost),
        "models": ", ".join(usage.models),
    }
    links = {}
    if report.made_ids:
        links = {
            "records made": _named(report.made_ids, report.made),
            "show one": dg.MetadataValue.md(f"`keepsake show {report.made_ids[0]}`"),
        }
    return counts | (spent if step.roles else {}) | links


def _record_checks(
    line: Line, partitions: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            RECORDS_CHECK,
            asset=step.name,
            description="No record of the partition has failed in this step. Warns, with how many, "
            "the ids of some, and how to recover; an error if all have failed.",
            partitions_def=partitions,
        )
        for step in line.steps
    ]


def _content_checks(
    assets: Sequence[StepAsset], partitions: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=asset.step.name,
            description=check.description,
            partitions_def=partitions,
        )
        for asset in assets
        for check in asset.checks
    ]


def _check_records(partition: _Partition, asset: str, state: StepState) -> dg.AssetCheckEvaluation:
    sample = list(state.failed_ids)
    advice = (
        f"See why: `keepsake status {sample[0]}`. Try again: `keepsake retry --step {asset}`, "
        "or materialise the partition again."
        if sample
        else "No record has failed."
    )
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=RECORDS_CHECK,
        partition=partition.key,
        passed=not state.failed,
        severity=dg.AssetCheckSeverity.ERROR if state.all_failed else dg.AssetCheckSeverity.WARN,
        description=f"{state.failed} of {state.records} records failed. {advice}"
        if state.failed
        else advice,
        metadata={
            "failed": state.failed,
            "records": state.records,
            "ids": _named(sample, state.failed),
        },
    )


def _named(ids: Sequence[int], count: int) -> str:
    """Ids of records, and how many more there are."""
    more = f" and {count - len(ids)} more" if count > len(ids) else ""
    return (", ".join(map(str, ids)) or "none") + more


def _check_content(
    connection: Connection, partition: _Partition, asset: str, check: ContentCheck
) -> dg.AssetCheckEvaluation:
    finding = check.find(connection, partition.window)
    bad = sorted(set(finding.bad))
    again = f"Materialise `{asset}` of this partition with `redo: true`."
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check.name,
        partition=partition.key,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{finding.fault} {again}"
        if bad
        else f"{finding.looked_at} looked at, none bad.",
        metadata={
            "looked at": finding.looked_at,
            "bad": len(bad),
            "ids": _named(bad[:20], len(bad)),
        },
    )


def _checks_done(context: dg.AssetExecutionContext) -> Iterator[Told]:
    """The outputs of the checks, which Dagster would miss otherwise. They hold nothing."""
    for key in sorted(context.selected_asset_check_keys):
        spec = context.assets_def.get_spec_for_check_key(key)
        yield dg.Output(None, output_name=spec.get_python_identifier())


def _raise_if_down(report: Report) -> None:
    """Fail the run after its other assets are recorded, so that a dead endpoint shows red."""
    down = {name: step for name, step in report.steps.items() if step.down}
    if down:
        first = next(iter(down.values()))
        raise dg.Failure(
            f"{', '.join(down)} stopped early: {first.down} What was not made is put off and "
            "comes back by itself.",
            allow_retries=False,
        )

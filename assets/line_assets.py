"""A line as one Dagster multi-asset that can be subset.

Dagster shows, selects, backfills and traces each step as an asset of its own; one process carries
the records through all the selected steps. What the steps do is in the lines' folders, how records
flow through them in `keepsake/pipeline/run.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from assets.checks import ContentCheck, check_specs, checks_done
from assets.events import Event, Reporter
from assets.job_of_run import how_it_ended, job_of_run, stop
from assets.partitions import RunPartition, run_partitions
from assets.run_loop import events_as_they_complete, frozen_heap
from keepsake.database import database_url
from keepsake.jobs.rows import JobLost
from keepsake.jobs.runs import NotToRun
from keepsake.owners.prices import billing
from keepsake.pipeline.line import Line, Step
from keepsake.pipeline.reports import OnPartition, Report, StepReport
from keepsake.pipeline.run import run_line
from keepsake.pipeline.spec import RunSpec
from keepsake.pipeline.window import Window
from keepsake.settings import ROLES, Endpoint, ObjectSettings, Settings, is_openai
from keepsake.steps.tools import open_tools
from keepsake.traces.spans import exported
from resources.database import DatabaseResource
from resources.models import ModelsResource

OWNERS = ["team:keepsake"]
_NOTHING: Mapping[str, StepReport] = {}


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
    record_ids: list[int] = []  # only these; none: all  # noqa: RUF012  # as Dagster has it


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
        check_specs=check_specs({a.step.name: a.checks for a in assets}, partitions),
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
    ) -> Iterator[Event]:
        days = run_partitions(line, context, partitions)
        spec = _run_spec(line, config, days, context, settings)
        reporter = Reporter(line, source, checks, context)
        report = Report({})
        with frozen_heap(), exported(settings.span_receiver, "run"):
            if spec.steps:
                try:
                    report = yield from events_as_they_complete(
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
                        lambda complete: reporter.report(database, days, complete),
                    )
                except NotToRun as error:
                    context.log.warning(str(error))
                    return (yield from checks_done(context))
                except JobLost as error:
                    stop(context, error)
                context.log.info(report.line())
            rest = {start: _NOTHING for start in days if start not in reporter.reported}
            yield from reporter.report(database, days, rest)
        yield from checks_done(context)
        _raise_if_down(report)
        reporter.raise_if_all_failed()

    return materialize


def assets_of(line: Line) -> dg.AssetSelection:
    """All steps of a line, to define its job by."""
    return dg.AssetSelection.assets(*(step.name for step in line.steps))


def op_name(line: Line) -> str:
    """The op of a line's multi-asset, by which its configuration goes. No asset may be named so."""
    return f"{line.name}_steps"


def partition_tag(line: str, key: str) -> dict[str, str]:
    """What the queue goes by: one run at a time for a partition of a line (`dagster.yaml`).

    Dagster's own tag has the partition alone, and other lines have a partition of the same day.
    """
    return {"keepsake/partition": f"{line} {key}"}


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
        job_of_run(context, database_url(settings), pool) as job,  # before anything is done
        models.open() as clients,
        open_tools(settings, pool, objects.store(), clients) as tools,
    ):
        report = await run_line(
            line,
            spec,
            tools,
            pool=tools.pool,
            models=models.names(),
            billing=billing(settings),
            on_progress=lambda report: context.log.info(report.line()),
            on_partition=on_partition,
            check=job.check if job else None,
        )
        if job:
            job.how = how_it_ended(job, report, of_records=bool(spec.window.record_ids))
        return report


def _run_spec(
    line: Line,
    config: LineConfig,
    partitions: Mapping[datetime, RunPartition],
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
        window=Window(
            line.name,
            windows[0].start,
            windows[-1].end,
            tuple(config.record_ids) if config.record_ids else None,
        ),
        steps=tuple(n for n in names if n in selected and n not in settings.switched_off_steps),
        run_id=context.run_id,
        mode="due" if config.mode == "due" else "all",
        max_records=config.max_records,
        redo=config.redo,
        mark_due=tuple(n for n in names if n not in selected and n not in left_out),
        partitions=tuple(partitions),
    )


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

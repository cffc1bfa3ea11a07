"""A line as one Dagster multi-asset that can be subset.

Dagster shows, selects, backfills and traces each step as an asset of its own; one process carries
the records through all the selected steps. What the steps do is in the lines' folders, how records
flow through them in `keepsake/engine.py`.
"""

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from keepsake.database import Connection
from keepsake.engine import run_line
from keepsake.ledger import Window, failures
from keepsake.line import Line, Order, Report, Step, StepReport
from keepsake.prices import billing
from keepsake.settings import Settings, load_settings
from resources.database import DatabaseResource
from resources.models import ModelsResource
from resources.tools import open_tools

RECORDS_CHECK = "every_record_succeeded"
OWNERS = ["team:keepsake"]


@dataclass(frozen=True)
class Finding:
    """What a content check found in a window: how many rows it looked at, and which are bad."""

    looked_at: int
    bad: Sequence[int]  # ids of their records
    fault: str  # what is wrong with them, and what to look at; how to make them again is added


@dataclass(frozen=True)
class ContentCheck:
    """A check of what a step has stored. `look` reads the database only, and counts what is bad."""

    asset: str
    name: str
    description: str
    look: Callable[[Connection, Window], Finding]


@dataclass(frozen=True)
class StepAsset:
    """How a step appears in Dagster."""

    step: Step
    description: str
    columns: Sequence[tuple[str, str, str]]  # name, SQL type, what it is
    kinds: frozenset[str] = frozenset()
    table: str | None = None  # where its rows stand, if not in one of its own name

    def spec(self, line: str, came_in: str) -> dg.AssetSpec:
        """Its spec. A step without needs is made from what came in."""
        return dg.AssetSpec(
            self.step.name,
            deps=self.step.needs or [came_in],
            description=self.description,
            skippable=True,
            group_name=line,
            code_version=self.step.version,
            kinds={"postgres", *self.kinds},
            owners=OWNERS,
            metadata={
                "dagster/column_schema": table_schema(self.columns),
                "dagster/table_name": f"keepsake.{self.table or self.step.name}",
            },
        )


def table_schema(columns: Iterable[tuple[str, str, str]]) -> dg.TableSchema:
    """Columns as Dagster shows them, from (name, SQL type, what it is)."""
    return dg.TableSchema([dg.TableColumn(n, t, description=d) for n, t, d in columns])


class LineConfig(dg.Config):
    """What a run is asked to do with its partitions."""

    take: str = "all"  # `due`: only what is due, as sensors ask; `all`: failed and stale ones too
    max_records: int | None = None
    redo: bool = False


def line_multi_asset(
    line: Line,
    *,
    came_in: str,
    assets: Sequence[StepAsset],
    checks: Sequence[ContentCheck],
    partitions: dg.TimeWindowPartitionsDefinition,
) -> dg.AssetsDefinition:
    """The multi-asset of a line. `came_in` is the asset of its records."""
    by_check = {(check.asset, check.name): check for check in checks}

    @dg.multi_asset(
        name=op_name(line),
        specs=[asset.spec(line.name, came_in) for asset in assets],
        check_specs=[*_record_checks(line, partitions), *_content_checks(checks, partitions)],
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
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        settings = load_settings()
        window = _window(line, context)
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        order = _order(line, config, window, selected, settings, context.run_id)
        report = Report({})
        if order.steps:
            # A plain function around asyncio.run: a cancelled run then ends as CancelledError,
            # and putting back what is unfinished can await.
            with _frozen_heap():
                report = asyncio.run(
                    _carry(context, line, order, database=database, objects=objects, models=models)
                )
            context.log.info(report.line())
        with database.connect() as connection:
            for name, step in report.steps.items():
                if step.made or step.nothing or step.up_to_date or not (step.down or step.waiting):
                    yield dg.MaterializeResult(asset_key=name, metadata=_metadata(step, report))
            for key in context.selected_asset_check_keys:
                asset = key.asset_key.to_user_string()
                check = by_check.get((asset, key.name))
                yield (
                    _check_content(connection, window, check)
                    if check
                    else _check_records(connection, window, asset)
                )
        _raise_if_down(report)

    return materialize


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
    order: Order,
    *,
    database: DatabaseResource,
    objects: Any,
    models: ModelsResource,
) -> Report:
    async with open_tools(database, objects, models) as tools:
        return await run_line(
            line,
            order,
            tools,
            pool=tools.pool,
            models=models.names(),
            billing=billing(tools.settings),
            on_progress=lambda report: context.log.info(report.line()),
        )


def _order(
    line: Line,
    config: LineConfig,
    window: Window,
    selected: set[str],
    settings: Settings,
    run_id: str,
) -> Order:
    if config.take not in ("due", "all"):
        raise dg.Failure(f"take must be `due` or `all`, not {config.take!r}", allow_retries=False)
    names = [step.name for step in line.steps]
    left_out = settings.scheduled_steps | settings.switched_off_steps
    return Order(
        window=window,
        steps=tuple(n for n in names if n in selected and n not in settings.switched_off_steps),
        run_id=run_id,
        take="due" if config.take == "due" else "all",
        max_records=config.max_records,
        redo=config.redo,
        wakes=tuple(n for n in names if n not in selected and n not in left_out),
    )


def _window(line: Line, context: dg.AssetExecutionContext) -> Window:
    start, end = context.partition_time_window
    return Window(line.name, _utc(start), _utc(end))


def _utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _metadata(step: StepReport, report: Report) -> dict[str, Any]:
    """The story of one materialisation: counts, never content."""
    usage = step.usage
    story = {
        "made": step.made,
        "nothing to make": step.nothing,
        "up to date": step.up_to_date,
        "failed": step.failed,
        "deferred": step.deferred,
        "over budget": step.over_budget,
        "waiting": step.waiting,
        "held": step.held,
        "attempts": step.attempts,
        "model calls": usage.calls,
        "tokens in": usage.tokens_in,
        "tokens out": usage.tokens_out,
        "audio seconds": round(usage.audio_seconds, 1),
        "characters spoken": usage.characters,
        "models": ", ".join(usage.models),
        "cost (USD)": "unknown" if usage.cost is None else float(usage.cost),
        "seconds": round(report.seconds, 1),
        "records per second": round(step.made / report.seconds, 2) if report.seconds else 0.0,
    }
    always = ("made", "seconds")
    return {
        "dagster/row_count": step.made + step.up_to_date,
        **{name: value for name, value in story.items() if value or name in always},
    }


def _record_checks(
    line: Line, partitions: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            RECORDS_CHECK,
            asset=step.name,
            description="No record of the partition has failed in this step. Warns, with how many, "
            "the ids of some, and how to recover.",
            partitions_def=partitions,
        )
        for step in line.steps
    ]


def _content_checks(
    checks: Sequence[ContentCheck], partitions: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            check.name, asset=check.asset, description=check.description, partitions_def=partitions
        )
        for check in checks
    ]


def _check_records(connection: Connection, window: Window, asset: str) -> dg.AssetCheckResult:
    count, sample = failures(connection, window, asset)
    advice = (
        f"See why: `keepsake status {sample[0]}`. Try again: `keepsake retry --step {asset}`, "
        "or materialise the partition again."
        if sample
        else "No record has failed."
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=RECORDS_CHECK,
        passed=count == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{count} records failed. {advice}" if count else advice,
        metadata={"failed": count, "sample of ids": sample},
    )


def _check_content(
    connection: Connection, window: Window, check: ContentCheck
) -> dg.AssetCheckResult:
    finding = check.look(connection, window)
    bad = sorted(set(finding.bad))
    again = f"Materialise `{check.asset}` of this partition with `redo: true`."
    return dg.AssetCheckResult(
        asset_key=check.asset,
        check_name=check.name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{finding.fault} {again}"
        if bad
        else f"{finding.looked_at} looked at, none bad.",
        metadata={"looked at": finding.looked_at, "bad": len(bad), "sample of ids": bad[:20]},
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

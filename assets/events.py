"""What a run of a line reports to Dagster of each partition: materialisations and checks.

All of it is counts and ids, read from the ledger; nothing of what records hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from assets.checks import ContentCheck, check_content, check_records, named_ids
from assets.partitions import RunPartition
from keepsake.database import Connection
from keepsake.owners.usage import Usage
from keepsake.pipeline.ledger.states import StepState, step_states
from keepsake.pipeline.line import Line, Step
from keepsake.pipeline.reports import StepReport
from resources.database import DatabaseResource

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]
Complete = Mapping[datetime, Mapping[str, StepReport]]  # by the first moment of the partition


@dataclass
class Reporter:
    """Reports to Dagster what became of partitions: their materialisations and their checks.

    Not by `MaterializeResult`: that materialises all partitions of a run alike, at its end. Each
    partition has its own counts here, and one of which every record failed is not materialised.
    """

    line: Line
    source: str
    checks: Mapping[tuple[str, str], ContentCheck]
    context: dg.AssetExecutionContext
    reported: set[datetime] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def report(
        self, database: DatabaseResource, partitions: Mapping[datetime, RunPartition], of: Complete
    ) -> Iterator[Event]:
        """The events of these partitions. What is true of them by now is read from the ledger."""
        if not of:
            return
        with database.connect() as connection:
            for start, reports in of.items():
                self.reported.add(start)
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
        self, connection: Connection, partition: RunPartition, reports: Mapping[str, StepReport]
    ) -> Iterator[Event]:
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
                    metadata=figures(step, state, report) | _links(report),
                    tags=_versions(step, self.source, states),
                )
            elif report.failed and state.all_failed:
                ids = ", ".join(map(str, state.failed_ids[:5]))
                self.lost.append(f"{step.name} of {partition.key} (records {ids})")
        for key in sorted(self.context.selected_asset_check_keys):
            asset = key.asset_key.to_user_string()
            if check := self.checks.get((asset, key.name)):
                yield check_content(connection, partition, asset, check)
            else:
                yield check_records(partition, asset, _state(states, asset))


def _state(states: Mapping[str, StepState], step: str) -> StepState:
    return states.get(step, StepState())


def _versions(step: Step, source: str, states: Mapping[str, StepState]) -> dict[str, str]:
    """Tags by which Dagster decides whether a partition is made from what its needs hold now.

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


def figures(step: Step, state: StepState, report: StepReport) -> dict[str, int | float | str]:
    """Numbers that Dagster plots over time: the same ones each time, with their zeros.

    `dagster/row_count` is what the partition holds, `oldest due` how long the step that waits
    longest in it has been due; the rest is what a run did in it. A cost that is not known is left
    out, since a plot would show it as nought.
    """
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
        "oldest due (seconds)": round(state.oldest_due_seconds, 1),
    }
    return counts | (used(report.usage) if step.roles else {})


def used(usage: Usage) -> dict[str, int | float | str]:
    """What was used of models, for Dagster to plot; the cost only if all of it is known."""
    unpriced = [name for name, amounts in usage.by_model.items() if amounts.cost is None]
    return {
        "model calls": usage.calls,
        "tokens in": usage.tokens_in,
        "tokens out": usage.tokens_out,
        "audio seconds": round(usage.audio_seconds, 1),
        "characters spoken": usage.characters,
        **({} if usage.cost is None else {"cost (USD)": float(usage.cost)}),
        **({"models": ", ".join(usage.models)} if usage.models else {}),
        **({"models without a price": ", ".join(unpriced)} if unpriced else {}),
    }


def _links(report: StepReport) -> dict[str, Any]:
    if not report.made_ids:
        return {}
    return {
        "records made": named_ids(report.made_ids, report.made),
        "show one": dg.MetadataValue.md(f"`keepsake show {report.made_ids[0]}`"),
    }

"""The checks of a line's assets: that every record succeeded, and those of what a step has stored.

What a content check finds is in the library; here is how Dagster shows it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from assets.partitions import RunPartition
from keepsake.database import Connection
from keepsake.pipeline.ledger.states import StepState
from keepsake.pipeline.window import Window
from keepsake.steps.checks import Finding

RECORDS_CHECK = "every_record_succeeded"
RECORDS_DESCRIPTION = (
    "No record of the partition has failed in this step. Warns, with how many, the ids of some, "
    "and how to recover; an error if all have failed."
)


@dataclass(frozen=True)
class ContentCheck:
    """A check of what a step has stored. `find` reads the database only, and counts what is bad."""

    name: str
    description: str
    find: Callable[[Connection, Window], Finding]


def check_specs(
    checks: Mapping[str, Sequence[ContentCheck]], partitions: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """The checks of a line's assets: each has that of its records, and those given by its name."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=partitions)
        for asset, of_content in checks.items()
        for name, description in [
            (RECORDS_CHECK, RECORDS_DESCRIPTION),
            *((check.name, check.description) for check in of_content),
        ]
    ]


def check_records(partition: RunPartition, asset: str, state: StepState) -> dg.AssetCheckEvaluation:
    """Whether every record of a partition succeeded in a step."""
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
            "ids": named_ids(sample, state.failed),
        },
    )


def check_content(
    connection: Connection, partition: RunPartition, asset: str, check: ContentCheck
) -> dg.AssetCheckEvaluation:
    """What a content check finds in a partition."""
    finding = check.find(connection, partition.window)
    bad = sorted(set(finding.bad))
    again = f"Materialise `{asset}` of this partition with `redo: true`."
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=check.name,
        partition=partition.key,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{finding.fault} {again}" if bad else f"{finding.checked} checked, none bad.",
        metadata={
            "checked": finding.checked,
            "bad": len(bad),
            "ids": named_ids(bad[:20], len(bad)),
        },
    )


def named_ids(ids: Sequence[int], count: int) -> str:
    """Ids of records, and how many more there are."""
    more = f" and {count - len(ids)} more" if count > len(ids) else ""
    return (", ".join(map(str, ids)) or "none") + more


def checks_done(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """The outputs of the checks, which Dagster would miss otherwise. They hold nothing."""
    for key in sorted(context.selected_asset_check_keys):
        spec = context.assets_def.get_spec_for_check_key(key)
        yield dg.Output(None, output_name=spec.get_python_identifier())

"""`keepsake status` and `keepsake batches`, and what one does after reading them: retry, redo."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import (
    Json,
    complain,
    console,
    filled,
    open_database,
    print_json,
    print_table,
)
from keepsake.text.counted import counted

if TYPE_CHECKING:
    from keepsake.records.batches import Batch
    from keepsake.records.progress import StepProgress

Record = Annotated[int, typer.Argument(help="Id of the record.")]
Owner = Annotated[str | None, typer.Option(help="Only this owner: name, short name or id.")]


def status(
    record: Annotated[
        int | None, typer.Argument(help="Id of a record. Without it: counts of all.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    owner: Owner = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay until nothing is open; Ctrl-C ends it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how far all records are, or what was made of one."""
    from keepsake.cli.record import show_record

    if record is not None:
        if line or owner or watch:
            raise InvalidInput("--line, --owner and --watch are for counts, not for one record")
        show_record(record, json=json)
    elif watch and json:
        raise InvalidInput("--watch is for people: ask for --json again and again instead")
    else:
        _status_of_all(line, owner, watch=watch, json=json)


def _status_of_all(line: str | None, owner: str | None, *, watch: bool, json: bool) -> None:
    from keepsake.cli.watch import watch as follow
    from keepsake.job_types import REGISTRY
    from keepsake.jobs.living import unserved
    from keepsake.owners.owners import find_owner
    from keepsake.records.progress import progress, records_by_status
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        owner_id = None if owner is None else find_owner(connection, owner).id
        if watch:
            follow(lambda: progress(connection, line=line, owner_id=owner_id), console())
        records = records_by_status(connection, line=line, owner_id=owner_id)
        steps = progress(connection, line=line, owner_id=owner_id)
        problems = unserved(connection, REGISTRY)
    if json:
        print_json({"records": records, "steps": steps, "unserved_jobs": problems})
        return
    for problem in problems:
        complain(f"{problem.what}: {problem.remedy}")
    if not records:
        typer.echo(
            "No records yet: add one with `keepsake add`, many with `keepsake import`, or see "
            "`keepsake demo`."
        )
    else:
        print_table("Records", records, ("line", "status", "records"))
        if not watch:  # else they are above
            _print_steps(steps)


def _print_steps(steps: "list[StepProgress]") -> None:
    from keepsake.cli.watch import columns, row

    rows = [row(step, columns(steps)) for step in steps]
    typer.echo()
    print_table("Steps", rows, rows[0])


def batches(
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """Show imports: what they brought, how far that is, and whether the owner was notified."""
    from keepsake.records.batches import batches as newest
    from keepsake.records.progress import progress
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        found = [(b, progress(connection, batch_id=b.id)) for b in newest(connection, limit=limit)]
    if json:
        print_json([{"batch": batch, "steps": steps} for batch, steps in found])
    elif not found:
        typer.echo("Nothing was imported yet: see `keepsake import --help`.")
    else:
        rows = [_batch_row(batch, steps) for batch, steps in found]
        print_table("Batches", rows, filled(rows))


def _batch_row(batch: "Batch", steps: "list[StepProgress]") -> dict[str, Any]:
    from keepsake.cli.watch import duration
    from keepsake.records.progress import time_left

    still_open = sum(step.open for step in steps)
    return {
        "batch": batch.id,
        "owner": batch.owner,
        "line": batch.line,
        "from": batch.name,
        "created": batch.created,
        "duplicates": batch.duplicates,
        "rejected": batch.rejected,
        "open": still_open,
        "done": sum(step.done for step in steps),
        "failed": sum(step.failed for step in steps),
        "time left": duration(time_left(steps)) if still_open else "",
        "notification": "being taken in, or broken off"
        if batch.taken_in_at is None
        else batch.notification,
    }


def retry(
    record: Annotated[int | None, typer.Option(help="Only this record.")] = None,
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    json: Json = False,
) -> None:
    """Try failed steps again: all of them, or a part. The sensor picks them up."""
    from keepsake.pipeline.ledger import repair
    from keepsake.records.lookup import check_names, check_record, owner_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        if record is None:
            check_names(connection, step=step, line=line)
            records = repair.retry(connection, line=line, step=step)
        else:
            owner_id = owner_of(connection, record)
            check_record(connection, owner_id, record, step=step, line=line)
            records = int(repair.retry_record(connection, owner_id, record, step=step))
    if json:
        print_json({"records": records})
    elif not records:
        typer.echo("Nothing has failed.")
    else:
        verb = "is" if records == 1 else "are"
        typer.echo(f"{counted(records, 'record')} {verb} tried again.")


def redo(
    record: Record,
    step: Annotated[str, typer.Argument(help="Name of the step.")],
    json: Json = False,
) -> None:
    """Make one step of a record again. Its present result stays until the new one is there."""
    from keepsake.pipeline.ledger import repair
    from keepsake.pipeline.ledger.rows import HOLD_REASONS
    from keepsake.pipeline.ledger.states import record_steps
    from keepsake.records.lookup import check_record, owner_of
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        owner_id = owner_of(connection, record)
        check_record(connection, owner_id, record, step=step)
        if not repair.redo(connection, owner_id, record, step):
            rows = record_steps(connection, owner_id, record)
            held = {row["step"]: row["hold_reason"] for row in rows}.get(step)
            why = f"is held ({HOLD_REASONS[held]})" if held else "is new: a backfill makes it"
            raise InvalidInput(f"{step} of record {record} {why}")
    if json:
        print_json({"record": record, "step": step})
    else:
        typer.echo(f"Step {step} of record {record} will be made again.")

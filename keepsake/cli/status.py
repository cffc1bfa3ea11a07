"""`keepsake status`, and what one does after reading it: tag, retry, redo."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.cli.shell import Json, console, open_database, print_json, print_table
from keepsake.errors import InvalidInput

if TYPE_CHECKING:
    from keepsake.clients.objects import ObjectStore
    from keepsake.kept import Kept

Record = Annotated[int, typer.Argument(help="Id of the record.")]


def status(
    record: Annotated[
        int | None, typer.Argument(help="Id of a record. Without it: counts of all.")
    ] = None,
    json: Json = False,
) -> None:
    """Show how far all records are, or what was made of one."""
    if record is None:
        _status_of_all(json)
    else:
        _status_of_one(record, json)


def _status_of_all(json: bool) -> None:
    from keepsake import ledger
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        records, steps = ledger.status(connection), ledger.steps_status(connection)
    if json:
        print_json({"records": records, "steps": steps})
    elif not records:
        typer.echo("No records yet: add one with `keepsake add response`, or see `keepsake demo`.")
    else:
        print_table("Records", records, ("line", "status", "records"))
        typer.echo()
        counts = ("line", "step", "succeeded", "running", "pending", "failed")
        print_table("Steps", steps, (*counts, "tokens_in", "tokens_out"))


def _status_of_one(record_id: int, json: bool) -> None:
    from keepsake import ledger
    from keepsake.clients.objects import open_objects
    from keepsake.kept import kept
    from keepsake.settings import load_settings

    settings = load_settings()
    objects = open_objects(settings)
    with open_database(settings) as connection:
        found = kept(connection, record_id)
        steps = ledger.record_steps(connection, record_id)
    if json:
        print_json({"kept": found, "files": _files(found, objects), "steps": steps})
        return
    record = found.record
    out = console()
    out.print(f"Record {record.id} of {record.owner}: {record.status}", style="bold")
    how = "spoken" if record.spoken else "written"
    who = record.member or record.owner
    out.print(f"{record.line}, {how} by {who} on {record.recorded_at:%Y-%m-%d %H:%M} UTC")
    out.print()
    rows = [_step_row(step) for step in steps]
    print_table("Steps", rows, rows[0] if rows else ())
    _print_kept(found, objects)


def _step_row(step: Mapping[str, Any]) -> dict[str, Any]:
    seconds = step["seconds"]
    return {
        "step": step["step"],
        "status": step["status"],
        "tries": step["attempts"],
        "calls": step["calls"],
        "tokens": step["tokens_in"] + step["tokens_out"],
        "seconds": None if seconds is None else round(seconds, 1),
        "model": ", ".join(step["models"]),
        "remark": _remark(step),
    }


def _remark(step: Mapping[str, Any]) -> str:
    """What an unfinished step waits for, and what went wrong."""
    due, error = step["due_at"], step["error_message"] or ""
    if step["status"] != "pending":
        return error
    if due is None:
        return error or "left to its schedule, or to a backfill"
    when = "due" if due <= datetime.now(UTC) else f"again at {due:%Y-%m-%d %H:%M} UTC"
    return f"{when}; {error}" if error else when


def _files(found: "Kept", objects: "ObjectStore") -> dict[str, Any]:
    """Where the files are: addresses that a person or a player can open."""
    episode = found.episode
    return {
        "clips": [objects.url(q.clip_key) for q in found.quotes if q.clip_key],
        "episode": objects.url(episode.audio_key) if episode else None,
        "transcript": objects.url(episode.vtt_key) if episode else None,
        "chapters": objects.url(episode.chapters_key) if episode else None,
    }


def _print_kept(found: "Kept", objects: "ObjectStore") -> None:
    out = console()
    if found.story:
        out.print()
        out.print(found.story.title, style="bold")
        out.print(found.story.summary)
    if found.tags:
        out.print(f"Tags: {', '.join(found.tags)}")
    for advice in found.wisdom:
        out.print(f"Wisdom: {advice.advice} (for {advice.audience}; {advice.life_area})")
    for quote in found.quotes:
        out.print(f"Quote: “{quote.text}”")
        if quote.clip_key:
            out.print(f"  {objects.url(quote.clip_key)}")
    if found.episode:
        out.print(f"Episode, {found.episode.duration:.0f} s:")
        for key in (found.episode.audio_key, found.episode.vtt_key, found.episode.chapters_key):
            out.print(f"  {objects.url(key)}")


def tag(
    record: Record,
    value: Annotated[str, typer.Argument(help="The value, such as `courage`.")],
) -> None:
    """Tag a response by hand. No model ever takes the tag away."""
    from keepsake import family
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        family.tag(connection, record, value)
    typer.echo(f"Tagged record {record} with {value.lower()}.")


def retry(
    record: Annotated[int | None, typer.Option(help="Only this record.")] = None,
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
    line: Annotated[str | None, typer.Option(help="Only this line.")] = None,
    json: Json = False,
) -> None:
    """Try again what has failed for good: all of it, or a part. The sensor picks it up."""
    from keepsake import ledger
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        records = ledger.retry(connection, line=line, record_id=record, step=step)
    if json:
        print_json({"records": records})
    else:
        typer.echo(f"{records} records are tried again." if records else "Nothing has failed.")


def redo(record: Record, step: Annotated[str, typer.Argument(help="Name of the step.")]) -> None:
    """Make one step of a record anew; its present result stands until then."""
    from keepsake import ledger
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        if not ledger.redo(connection, record, step):
            steps = [row["step"] for row in ledger.record_steps(connection, record)]
            known = ", ".join(steps) or "there is no such record"
            raise InvalidInput(f"record {record} has no step {step!r} ({known})")
    typer.echo(f"Step {step} of record {record} is made anew.")

"""`keepsake jobs`: what is asked for, watched, cancelled and tried again."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keepsake.cli import schedules
from keepsake.cli.asking import (
    Data,
    Owner,
    TypeName,
    as_moment,
    as_object,
    ask,
    owner_id,
    shown,
    shown_time,
)
from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, console, filled, open_database, print_json, print_table
from keepsake.text.counted import counted
from keepsake.text.durations import duration

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection
    from keepsake.jobs.bulk import Changed
    from keepsake.jobs.listing import JobFilter
    from keepsake.jobs.rows import Attempt, Job, LogLine
    from keepsake.jobs.submission import Debounce

LAST_LINES = 10  # of a job's log, where it is shown with all else

jobs = typer.Typer(
    no_args_is_help=True,
    help="Tracked jobs: submit, watch, cancel, schedule. `keepsake up` runs them.",
)
jobs.add_typer(schedules.clock, name="schedules")

JobId = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the job: see `keepsake jobs list`.")
]
JobIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", help="Ids of jobs. Without any: those that options find."),
]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", help="Only with this status; several times for several."),
]
OfType = Annotated[str | None, typer.Option("--type", help="Only of this type.")]
OfTag = Annotated[str | None, typer.Option("--tag", help="Only with this tag.")]
OfTags = Annotated[
    str, typer.Option("--tags", help="Only with all of these words, comma-separated.")
]
OfMetadata = Annotated[
    str,
    typer.Option("--metadata", metavar="JSON", help="Only if theirs contains this object."),
]
OfOwner = Annotated[
    str | None, typer.Option("--owner", help="Only this owner's: name, short name or id.")
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Submitted since then: 2026-12-01T09:00+01:00, or 2d ago."),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Submitted before then, written like --since.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@jobs.command("list")
def list_jobs(
    status: Statuses = None,
    type_name: OfType = None,
    tag: OfTag = None,
    tags: OfTags = "",
    metadata: OfMetadata = "{}",
    owner: OfOwner = None,
    since: Since = None,
    until: Until = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only jobs before this one: the next page.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """List jobs, the newest first."""
    from dataclasses import replace

    from keepsake.jobs.listing import find_jobs

    wanted = replace(
        _filter(status, type_name, tag, tags, metadata, owner, since, until), before=before
    )
    found = ask(lambda connection: find_jobs(connection, wanted, limit=limit))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No such job: `keepsake jobs submit` makes one.")
    else:
        rows = [_row(job) for job in found]
        print_table("Jobs", rows, filled(rows))


@jobs.command("show")
def show_job(job: JobId, json: Json = False) -> None:
    """Show all that is known of a job, with its attempts and the end of its log."""
    from keepsake.cli.logs import say_lines
    from keepsake.jobs.listing import attempts, find_job, log
    from keepsake.jobs.rows import PRIORITIES

    async def read(connection: "AsyncConnection") -> "tuple[Job, list[Attempt], list[LogLine]]":
        return (
            await find_job(connection, job),
            await attempts(connection, job),
            (await log(connection, job))[-LAST_LINES:],
        )

    found, tried, lines = ask(read)
    if json:
        print_json({"job": found, "attempts": tried, "log": lines})
        return
    out = console()
    named = next(name for name, value in PRIORITIES.items() if value == found.priority)
    for name, value in {**vars(found), "priority": named}.items():
        if value not in (None, [], {}, False):
            out.print(f"{name.replace('_', ' '):17}{shown(value)}")
    rows = [{name: shown(value) for name, value in vars(each).items()} for each in tried]
    if rows:
        print_table("Attempts", rows, filled(rows))
    if lines:
        out.print(f"Log: `keepsake logs --job {job}` shows all", style="italic")
        say_lines(lines)


@jobs.command("types")
def list_types(json: Json = False) -> None:
    """List the types of jobs, and what each needs to be given."""
    from keepsake.job_types import REGISTRY

    rows = [
        {
            "type": each.name,
            "whose": each.whose,
            "executor": each.executor,
            "attempts": each.retry.attempts,
            "timeout": str(each.timeout),
            "data": ", ".join(each.data.model_fields),
            "description": each.description,
        }
        for each in REGISTRY.all()
    ]
    if json:
        schemas = (each.data.model_json_schema() for each in REGISTRY.all())
        print_json([{**row, "schema": schema} for row, schema in zip(rows, schemas, strict=True)])
    else:
        print_table("Types of jobs", rows, rows[0])


@jobs.command("submit")
def submit_job(
    type_name: TypeName,
    data: Data = "{}",
    owner: Owner = None,
    tag: Annotated[
        str | None, typer.Option(help="While one with this tag is pending, no other is made.")
    ] = None,
    run_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before: 2026-12-01T09:00+01:00.")
    ] = None,
    priority: Annotated[str, typer.Option(help="low, normal or urgent.")] = "normal",
    ttl: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Not worth starting later: 30s, 5m, 1h30m.")
    ] = None,
    debounce: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Start once nothing came under the tag for so long."),
    ] = None,
    debounce_longest: Annotated[
        str | None, typer.Option(metavar="SPAN", help="But so long after the first at most.")
    ] = None,
    metadata: Annotated[
        str, typer.Option(metavar="JSON", help="An object, to find the job by.")
    ] = "{}",
    tags: Annotated[str, typer.Option(help="Words to find it by, comma-separated.")] = "",
    persistent: Annotated[
        bool, typer.Option("--persistent", help="Keep its row for good.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Submit a job. What it does for good, such as deleting, it does only once you said yes."""
    from keepsake.job_types import REGISTRY
    from keepsake.jobs.submission import NewJob, submit

    kind = REGISTRY.find(type_name)
    new = NewJob(
        kind,
        as_object(data, "--data"),
        owner_id=owner_id(owner),
        tag=tag,
        run_after=as_moment(run_after, "--run-after"),
        priority=priority,
        ttl=None if ttl is None else duration(ttl, "--ttl"),
        debounce=_debounce(debounce, debounce_longest),
        metadata=as_object(metadata, "--metadata"),
        tags=_words(tags),
        persistent=persistent,
    )
    if kind.irreversible and not (yes or _wanted(f"{kind.description} Submit it?", json=json)):
        raise InvalidInput(f"a job of type {kind.name} cannot be undone: --yes submits it")
    submission = ask(lambda connection: submit(connection, new))
    if json:
        print_json(submission)
    elif submission.created:
        typer.echo(
            f"Submitted job {submission.id}: follow it with `keepsake logs --job {submission.id} "
            f"--follow`, see it with `keepsake jobs show {submission.id}`."
        )
    elif debounce is not None:
        typer.echo(f"Job {submission.id} with this tag is put off, and has this data.")
    else:
        typer.echo(f"Job {submission.id} with this tag is pending: nothing was submitted.")


@jobs.command("cancel")
def cancel_jobs(
    job: JobIds = None,
    status: Statuses = None,
    type_name: OfType = None,
    tag: OfTag = None,
    tags: OfTags = "",
    metadata: OfMetadata = "{}",
    owner: OfOwner = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Cancel jobs, and those that they have submitted. What is finished does not change."""
    from keepsake.jobs.bulk import cancel_found, to_cancel
    from keepsake.jobs.control import Cancelled, cancel

    wanted = _filter(status, type_name, tag, tags, metadata, owner, since, until)
    if not _by_id(job, wanted):
        _change_found("cancel", to_cancel(wanted), cancel_found, yes=yes, json=json)
        return

    async def cancel_each(connection: "AsyncConnection") -> "list[Cancelled]":
        async with connection.transaction():  # all of those that were named, or none
            return [await cancel(connection, each) for each in job or ()]

    done = ask(cancel_each)
    if json:
        print_json(done)
        return
    for each in done:
        children = f", with {len(each.children)} that it had submitted" if each.children else ""
        typer.echo(
            f"Job {each.id} is cancelled{children}."
            if each.changed
            else f"Job {each.id} had ended before ({each.status}): nothing was changed."
        )


@jobs.command("retry")
def retry_jobs(
    job: JobIds = None,
    status: Statuses = None,
    type_name: OfType = None,
    tag: OfTag = None,
    tags: OfTags = "",
    metadata: OfMetadata = "{}",
    owner: OfOwner = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Have jobs tried again that did not succeed. Options find those that failed."""
    from keepsake.jobs.bulk import retry_found, to_retry
    from keepsake.jobs.control import retry

    wanted = _filter(status, type_name, tag, tags, metadata, owner, since, until)
    if not _by_id(job, wanted):
        _change_found("retry", to_retry(wanted), retry_found, yes=yes, json=json)
        return

    async def retry_each(connection: "AsyncConnection") -> None:
        async with connection.transaction():  # all of those that were named, or none
            for each in job or ():
                await retry(connection, each)

    ask(retry_each)
    if json:
        print_json({"due": job})
    else:
        typer.echo(f"Due again: {', '.join(map(str, job or ()))}.")


@jobs.command("work")
def work() -> None:
    """Run jobs until Ctrl-C: a worker beside that of `keepsake up`, or on another machine."""
    from keepsake.job_types.work import work
    from keepsake.settings import load_settings

    settings = load_settings()
    with open_database(settings):
        pass  # else the first thing people see is how a pool of connections failed
    work(settings)


# -- many at once ---------------------------------------------------------------------------------


def _by_id(job: Sequence[int] | None, wanted: "JobFilter") -> bool:
    """Whether jobs were named by their ids.

    Raises:
        InvalidInput: they were named in both ways, or not at all.
    """
    from keepsake.jobs.listing import JobFilter

    if job and wanted != JobFilter():
        raise InvalidInput("name jobs by their ids or find them by options, not both")
    if not job and wanted == JobFilter():
        raise InvalidInput(
            "name jobs by their ids, or find them by options such as --type and --status"
        )
    return bool(job)


def _change_found(
    verb: str,
    wanted: "JobFilter",
    change: "Callable[[AsyncConnection, JobFilter], Awaitable[Changed]]",
    *,
    yes: bool,
    json: bool,
) -> None:
    """Say how many jobs are found, and change them once that is wanted."""
    from keepsake.jobs.listing import count_jobs

    counts = ask(lambda connection: count_jobs(connection, wanted))
    said = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in counts.items())
    if not counts:
        done: Changed | None = None
    elif not (yes or _wanted(f"{verb.capitalize()} {said}?", json=json)):
        if json:
            print_json({"found": counts})
        else:
            typer.echo(f"Found {said}. Nothing was changed: --yes does it.")
        return
    else:
        done = ask(lambda connection: change(connection, wanted))
    ids, refused = (done.ids, done.refused) if done else ([], {})
    if json:
        print_json({"found": counts, "changed": ids, "refused": refused})
        return
    past = {"cancel": "cancelled", "retry": "due again"}[verb]
    typer.echo(f"{counted(len(ids), 'job')} {past}." if done else "No such job.")
    for reason in refused.values():
        typer.echo(f"Not changed: {reason}.")


def _wanted(question: str, *, json: bool) -> bool:
    """Whether a person says yes; without one, no."""
    return not json and sys.stdin.isatty() and typer.confirm(question)


def _filter(
    status: list[str] | None,
    type_name: str | None,
    tag: str | None,
    tags: str,
    metadata: str,
    owner: str | None,
    since: str | None,
    until: str | None,
) -> "JobFilter":
    from keepsake.jobs.listing import JobFilter

    return JobFilter(
        statuses=tuple(status or ()),
        type=type_name,
        tag=tag,
        tags=_words(tags),
        metadata=as_object(metadata, "--metadata"),
        owner_id=owner_id(owner),
        since=_then(since, "--since"),
        until=_then(until, "--until"),
    )


# -- what was given, and what is shown ------------------------------------------------------------


def _words(tags: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in tags.split(",") if word.strip())


def _then(text: str | None, option: str) -> datetime | None:
    """A moment, or how long ago it was."""
    if text is not None and text[:1].isdigit() and text.rstrip().lower().endswith("ago"):
        span: timedelta = duration(text.rstrip()[:-3], option)
        return datetime.now(UTC) - span
    return as_moment(text, option)


def _debounce(delay: str | None, longest: str | None) -> "Debounce | None":
    from keepsake.jobs.submission import Debounce

    if delay is None and longest is None:
        return None
    if delay is None or longest is None:
        raise InvalidInput("--debounce and --debounce-longest belong together: give both")
    return Debounce(duration(delay, "--debounce"), duration(longest, "--debounce-longest"))


def _row(job: "Job") -> Mapping[str, Any]:
    return {
        "id": job.id,
        "type": job.type,
        "tag": job.tag,
        "owner": job.owner,
        "status": job.status,
        "attempt": job.attempt,
        "due": shown_time(job.due_at) if job.status == "pending" else None,
        "started": shown_time(job.started_at),
        "finished": shown_time(job.finished_at),
        "error": job.error,
    }

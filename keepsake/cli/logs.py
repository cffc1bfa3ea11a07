"""`keepsake logs`: what the parts of `keepsake up` write, and what is kept of a job."""

import asyncio
import json as json_text
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, console, in_pool, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.database import Pool
    from keepsake.jobs.rows import LogLine
    from keepsake.settings import Settings

SECONDS_BETWEEN_LOOKS = 0.5
_LATE_SECONDS = 1.0  # a line may be stored so long after its job has ended
_OPEN = ("pending", "running")


def logs(
    part: Annotated[
        str | None,
        typer.Argument(help="Of `keepsake up`: worker, API, ... Without it: which logs there are."),
    ] = None,
    job: Annotated[
        int | None, typer.Option(metavar="ID", help="What is kept of a job, from any machine.")
    ] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=1, help="Only the last so many.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on, until Ctrl-C or the end of the job."),
    ] = False,
    json: Json = False,
) -> None:
    """Show the log of a part of `keepsake up`, or of a job.

    With --follow, --json prints one object a line.
    """
    from keepsake.settings import load_settings

    settings = load_settings()
    if part is not None and job is not None:
        raise InvalidInput("name a part or --job, not both")
    if part is None and job is None and (follow or lines):
        raise InvalidInput("name the part to show, or --job: `keepsake logs` lists the parts")
    with suppress(KeyboardInterrupt):  # which ends what is followed
        if job is not None:
            _of_job(settings, job, lines, follow=follow, json=json)
        elif part is not None:
            _of_part(settings, part, lines or 100, follow=follow, json=json)
        else:
            _list(settings, json=json)


def _list(settings: "Settings", *, json: bool) -> None:
    from keepsake.local.part_logs import part_logs

    found = part_logs(settings)
    rows = [
        {
            "part": log.part,
            "written": f"{log.written_at:%Y-%m-%d %H:%M:%S}",
            "kB": round(log.bytes / 1000, 1),
            "file": str(log.file),
        }
        for log in found
    ]
    if json:
        print_json(rows)
    elif rows:
        print_table("Logs", rows, rows[0])
    else:
        typer.echo(f"There are no logs in {settings.logs_folder}: `keepsake up` writes them.")


def _of_part(settings: "Settings", part: str, lines: int, *, follow: bool, json: bool) -> None:
    from keepsake.local.part_logs import Following, find_log, last_lines

    log = find_log(settings, part)
    following = Following(log.file)
    last = last_lines(log.file, lines)
    if json and not follow:
        print_json({"part": log.part, "file": str(log.file), "lines": last})
        return

    def say(line: str) -> None:
        if json:
            typer.echo(json_text.dumps({"part": log.part, "line": line}, ensure_ascii=False))
        else:
            console().print(line)

    for line in last:
        say(line)
    while follow:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        for line in following.new_lines():
            say(line)


def _of_job(
    settings: "Settings", job_id: int, lines: int | None, *, follow: bool, json: bool
) -> None:
    from keepsake.jobs.listing import find_job, log

    async def read(pool: "Pool") -> "list[LogLine]":
        async with pool.connection() as connection:
            await find_job(connection, job_id)
            return (await log(connection, job_id))[-(lines or 0) :]

    with open_database(settings):
        if follow:
            in_pool(settings, lambda pool: _follow(pool, job_id, lines, _sayer(json=json)))
            return
        found = in_pool(settings, read)
    if json:
        print_json(found)
    elif not found:
        typer.echo(f"Nothing was logged of job {job_id}: `keepsake jobs show {job_id}` shows it.")
    else:
        say_lines(found)


async def _follow(
    pool: "Pool", job_id: int, lines: int | None, say: "Callable[[LogLine], None]"
) -> None:
    """Say what is logged of a job until it is finished."""
    from keepsake.jobs.listing import find_job, log

    last, ended = 0, False
    while True:
        async with pool.connection() as connection:
            finished = (await find_job(connection, job_id)).status not in _OPEN
            new = await log(connection, job_id, after=last)
        for line in new if last else new[-(lines or 0) :]:
            say(line)
        last = new[-1].id if new else last
        if ended:
            return
        ended = finished
        await asyncio.sleep(_LATE_SECONDS if ended else SECONDS_BETWEEN_LOOKS)


def _sayer(*, json: bool) -> "Callable[[LogLine], None]":
    def as_json(line: "LogLine") -> None:
        document = {**vars(line), "at": line.at.isoformat()}
        typer.echo(json_text.dumps(document, ensure_ascii=False))

    return as_json if json else lambda line: say_lines([line])


def say_lines(lines: "list[LogLine]") -> None:
    """Lines of a job's log, for people: time in UTC, attempt, level, message."""
    out = console()
    for line in lines:
        out.print(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.attempt}  {line.level:7} {line.message}")

"""What every command shares: errors as one line, tables for people, JSON for scripts.

Exit codes: 0 all went well; 1 it did not, or an import rejected something; 2 the command was given
what it cannot take; 130 Ctrl-C.
"""

import asyncio
import dataclasses
import errno
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from keepsake.errors import InvalidInput, KeepsakeError, SettingsError
from keepsake.terminal.tables import CONTROLS, lay_out
from keepsake.text.counted import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from keepsake.database import Connection, Pool
    from keepsake.settings import DatabaseSettings

T = TypeVar("T")

UNBOUNDED = 100_000  # columns: where no terminal is, nothing is wrapped or cut

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


class Commands(TyperGroup):
    """Ends in one red line, not in a traceback, for every error that is raised on purpose."""

    def invoke(self, ctx: Any) -> Any:  # the context of click, which typer keeps to itself
        """Run the command. What it was given was wrong: exit code 2; anything else: 1."""
        try:
            return super().invoke(ctx)
        except KeepsakeError as error:
            complain(str(error))
            refused = isinstance(error, InvalidInput | SettingsError)
            raise typer.Exit(2 if refused else 1) from None
        except OSError as error:
            # A reader like `head` that has gone is no error; what has no number is a fault of ours.
            if error.errno in (errno.EPIPE, None):
                raise
            where = f"{error.filename}: " if error.filename else ""
            complain(f"{where}{error.strerror}")
            raise typer.Exit(1) from None


class Refused(KeepsakeError):
    """An import took in nothing of what it was given. Unlike `InvalidInput` it ends with 1."""


@contextmanager
def taking_in() -> Iterator[None]:
    """Around an import: what it refuses as a whole ends with 1, as what it refuses in part does.

    Raises:
        Refused: the library raised `InvalidInput`.
    """
    try:
        yield
    except InvalidInput as error:
        raise Refused(str(error)) from None
    except KeyboardInterrupt:
        complain("stopped: what was taken in until now stays, and the same command goes on")
        raise


def complain(message: str) -> None:
    """Say on stderr, in one red line, why the command does not do what it was asked."""
    console(stderr=True).print(f"keepsake: {message}", style="red")


@contextmanager
def database_in_reach() -> Iterator[None]:
    """Say in our words that the server cannot be reached, or went away.

    Raises:
        DatabaseError: with the reason that the driver gives.
    """
    import psycopg

    from keepsake.database import DatabaseError

    try:
        yield
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise DatabaseError(
            f"the database cannot be reached: {reason}; see `keepsake doctor`"
        ) from None


@contextmanager
def open_database(settings: "DatabaseSettings") -> Iterator["Connection"]:
    """A connection to a database whose schema is current.

    Raises:
        DatabaseError: it cannot be reached, or migrations are missing.
    """
    from keepsake.database import DatabaseError, connect, database_url, pending

    with database_in_reach(), connect(database_url(settings)) as connection:
        if missing := pending(connection):
            raise DatabaseError(
                f"{counted(len(missing), 'migration')} not applied yet: run `keepsake db migrate`"
            )
        yield connection


def in_pool(settings: "DatabaseSettings", work: "Callable[[Pool], Awaitable[T]]") -> "T":
    """Run what is asynchronous, with connections to a database that `open_database` has checked.

    Raises:
        DatabaseError: it cannot be reached.
    """
    from keepsake.database import database_url, open_pool

    async def run() -> T:
        async with open_pool(database_url(settings), size=2) as pool:
            return await work(pool)

    with database_in_reach():
        return asyncio.run(run())


def console(*, stderr: bool = False) -> "Console":
    """Where people read: what they wrote is printed as it is, and a path stays on one line.

    Nothing is wrapped if the output is no terminal (a pipe, a file). NO_COLOR takes colours away,
    FORCE_COLOR puts them into a pipe.
    """
    from rich.console import Console

    class Out(Console):
        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(text.translate(CONTROLS), **options)

    on_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    coloured = on_terminal or bool(os.environ.get("FORCE_COLOR"))
    return Out(
        stderr=stderr,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        force_terminal=on_terminal,  # by itself, FORCE_COLOR would have live tables in a pipe
        color_system=("auto" if on_terminal else "standard") if coloured else None,
        width=None if on_terminal else UNBOUNDED,
    )


def print_json(document: Any) -> None:
    """Print `document`, of dataclasses, rows and plain values, as JSON."""
    typer.echo(json.dumps(document, default=_plain, ensure_ascii=False, indent=2))


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Print rows as a table: the keys of `columns` in their order, numbers to the right.

    In a pipe a row is one line with all its values. On a terminal that is too narrow, headings and
    texts are wrapped; where that is not enough, each row is a block of lines.
    """
    out = console()
    heading, *lines = lay_out(rows, list(columns), out.width if out.is_terminal else None)
    out.print(title, style="italic")
    if heading:
        out.print(heading, style="bold")
    for line in lines:
        out.print(line)


def moment(text: str | None, time_zone: str) -> datetime:
    """The moment that `--recorded-at` names; without a zone of its own, in `time_zone`.

    Raises:
        InvalidInput: it is none.
    """
    from zoneinfo import ZoneInfo

    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--recorded-at {text!r} is no time: write it like 2026-10-04T19:30"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time_zone))


def decoded(data: bytes, option: str) -> str:
    """The text of a file that was given as `option`.

    Raises:
        InvalidInput: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{option} is not UTF-8 text (byte {error.start} of {len(data):,}): convert it first"
        ) from None


def filled(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that are not empty: others would only push these together."""
    return [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no JSON form")

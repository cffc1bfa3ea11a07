"""What every command shares: errors as one line, tables for people, JSON for scripts."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from keepsake.errors import InvalidInput, KeepsakeError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from keepsake.database import Connection
    from keepsake.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


class Commands(TyperGroup):
    """Ends in one red line, not in a traceback, for every error that is raised on purpose."""

    def invoke(self, ctx: Any) -> Any:  # the context of click, which typer keeps to itself
        """Run the command. What it was given was wrong: exit code 2; anything else: 1."""
        try:
            return super().invoke(ctx)
        except KeepsakeError as error:
            typer.secho(f"keepsake: {error}", fg="red", err=True)
            refused = isinstance(error, InvalidInput | SettingsError)
            raise typer.Exit(2 if refused else 1) from None


@contextmanager
def database_in_reach() -> Iterator[None]:
    """Say in our words that the server cannot be reached, or went away.

    Raises:
        DatabaseError: saying why, as the driver tells it.
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
def open_database(settings: "Settings") -> Iterator["Connection"]:
    """A connection to a database whose schema is current.

    Raises:
        DatabaseError: it cannot be reached, or migrations are missing.
    """
    from keepsake.database import DatabaseError, connect, database_url, pending

    with database_in_reach(), connect(database_url(settings)) as connection:
        if missing := pending(connection):
            raise DatabaseError(
                f"{len(missing)} migrations are not applied yet: run `keepsake db migrate`"
            )
        yield connection


def console() -> "Console":
    """Where people read: what they wrote is printed as it is, and a path stays on one line."""
    from rich.console import Console

    return Console(markup=False, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print `document`, of dataclasses, rows and plain values, as JSON."""
    typer.echo(json.dumps(document, default=_plain, ensure_ascii=False, indent=2))


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Print rows as a table: the keys of `columns` in their order, numbers to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    names = list(columns)
    for name in names:
        numbers = all(isinstance(row[name], int | float | None) for row in rows)
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if row[name] is None else str(row[name])) for name in names))
    console().print(table, soft_wrap=False)


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
    """The columns in which something stands: others would only push these together."""
    return [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")

"""What the commands of jobs and of schedules share: how they ask the database, read and print."""

import json as json_text
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import in_pool, open_database

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection, Pool

T = TypeVar("T")

TypeName = Annotated[
    str, typer.Argument(metavar="TYPE", help="Type of the job: see `keepsake jobs types`.")
]
Data = Annotated[str, typer.Option(metavar="JSON", help="Its data, an object.")]
Owner = Annotated[
    str | None, typer.Option(help="Whose: name, short name or id. Without it: the system's own.")
]


def ask(work: "Callable[[AsyncConnection], Awaitable[T]]") -> "T":
    """What `work` finds on a connection to a database whose schema is current."""
    from keepsake.settings import load_settings

    settings = load_settings()

    async def run(pool: "Pool") -> T:
        async with pool.connection() as connection:
            return await work(connection)

    with open_database(settings):
        return in_pool(settings, run)


def owner_id(name: str | None) -> int | None:
    """The id of an owner; None where none is named.

    Raises:
        InvalidInput: there is no such owner.
    """
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    if name is None:
        return None
    with open_database(load_settings()) as connection:
        return find_owner(connection, name).id


def as_object(text: str, option: str) -> Mapping[str, Any]:
    """The JSON object that an option was given.

    Raises:
        InvalidInput: it is none.
    """
    try:
        document = json_text.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidInput(f'{option} is no JSON object: write it like \'{{"week": "last"}}\'')
    return document


def as_moment(text: str | None, option: str) -> datetime | None:
    """The moment that an option was given.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{option} {text!r} is no time: write it like 2026-12-01T09:00+01:00"
        ) from None


def shown_time(moment: datetime | None) -> str | None:
    """A moment in UTC, as tables have it."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def shown(value: Any) -> str | None:
    """A value of a row, as it is printed."""
    if value is None or isinstance(value, datetime):
        return shown_time(value)
    if isinstance(value, dict | list):
        return json_text.dumps(value, ensure_ascii=False)
    return str(value)

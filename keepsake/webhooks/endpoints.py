"""Endpoints: to which addresses of an owner messages go, which events they get, who signs them.

Secrets are stored in clear: each message is signed anew. The role of the API may write them and not
read them (`keepsake/access.py`), so they are shown once, by what has just made them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Literal, LiteralString, get_args

from psycopg.rows import class_row

from keepsake.accounts.audit import record_write
from keepsake.accounts.principal import Principal
from keepsake.database import AsyncConnection
from keepsake.delivery.signatures import new_secret
from keepsake.errors import InvalidInput, PermanentError
from keepsake.settings import WebSettings
from keepsake.text.names import printable
from keepsake.web.guard import Guard, checked_url
from keepsake.webhooks.events import check_events

MOST_ENDPOINTS = 10  # of an owner
LONGEST_URL = 2_000  # characters
LONGEST_DESCRIPTION = 200
LONGEST_OVERLAP = timedelta(days=30)

Mode = Literal["standard", "trigger"]
Reason = Literal["by_hand", "gone", "failing"]


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, without its secrets.

    Attributes:
        id: of the endpoint.
        url: where messages are posted; it may hold a token.
        description: what it is for, in its owner's words.
        events: the types it gets; none: all of them.
        mode: whether messages are signed as Trigger.dev does as well.
        created_at: when.
        disabled_at: since when it gets no messages; None: it does.
        disabled_reason: switched off by hand, it said that it is gone (410), or it kept failing.
        last_success_at: when it last took a message.
        first_failure_at: since when it has done nothing but fail; None: it has not.
        failures: in a row.
        throttled_until: nothing is sent before, since it asked for it or did not answer.
        previous_signs_until: until when the secret before the current one signs as well.
    """

    id: int
    url: str
    description: str
    events: list[str]
    mode: Mode
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: Reason | None
    last_success_at: datetime | None
    first_failure_at: datetime | None
    failures: int
    throttled_until: datetime | None
    previous_signs_until: datetime | None


@dataclass(frozen=True)
class NewEndpoint:
    """An endpoint to add; see `Endpoint`."""

    url: str
    description: str = ""
    events: Sequence[str] = ()
    mode: str = "standard"


@dataclass(frozen=True)
class Change:
    """What is to become of an endpoint; what is None stays. `enabled` lets it start afresh."""

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    mode: str | None = None
    enabled: bool | None = None


_COLUMNS: LiteralString = """
    id, url, description, events, mode, created_at, disabled_at, disabled_reason, last_success_at,
    first_failure_at, failures, throttled_until,
    (SELECT max(signs_until) FROM webhook_secrets s
     WHERE s.endpoint_id = webhook_endpoints.id AND signs_until > now()) AS previous_signs_until
"""


async def add_endpoint(
    connection: AsyncConnection,
    settings: WebSettings,
    who: Principal | None,
    owner_id: int,
    new: NewEndpoint,
) -> tuple[str, Endpoint]:
    """Add an endpoint of an owner. Returns the secret, which nothing can show again, and it.

    Args:
        connection: to the database, in a transaction.
        settings: which private hosts may be reached.
        who: adds it; None: an operator at the shell.
        owner_id: whose.
        new: the endpoint.

    Raises:
        InvalidInput: something of it is not accepted, or there are too many.
    """
    values = _checked(settings, vars(new))
    cursor = await connection.execute(
        "INSERT INTO webhook_endpoints (owner_id, url, description, events, mode)"
        " SELECT %(owner)s, %(url)s, %(description)s, %(events)s, %(mode)s"
        " WHERE (SELECT count(*) FROM webhook_endpoints WHERE owner_id = %(owner)s) < %(most)s"
        " RETURNING id",
        {**values, "owner": owner_id, "most": MOST_ENDPOINTS},
    )
    row = await cursor.fetchone()
    if row is None:
        raise InvalidInput(
            f"there are {MOST_ENDPOINTS} endpoints already: remove one, or let one take more events"
        )
    secret = await _add_secret(connection, owner_id, row[0])
    await _note(connection, who, "webhook.add", owner_id, row[0])
    return secret, await find_endpoint(connection, owner_id, row[0])


async def endpoints(connection: AsyncConnection, owner_id: int) -> list[Endpoint]:
    """The endpoints of an owner, the oldest first."""
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE owner_id = %s ORDER BY id".encode(),  # noqa: S608
            (owner_id,),
        )
        return await cursor.fetchall()


async def find_endpoint(connection: AsyncConnection, owner_id: int, endpoint_id: int) -> Endpoint:
    """One endpoint of an owner.

    Raises:
        InvalidInput: the owner has no such endpoint.
    """
    async with connection.cursor(row_factory=class_row(Endpoint)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE id = %s AND owner_id = %s".encode(),  # noqa: S608
            (endpoint_id, owner_id),
        )
        found = await cursor.fetchone()
    if found is None:
        raise no_endpoint(endpoint_id)
    return found


async def owner_of_endpoint(connection: AsyncConnection, endpoint_id: int) -> int:
    """The id of the owner of an endpoint, for who sees all owners.

    Raises:
        InvalidInput: there is no such endpoint.
    """
    cursor = await connection.execute(
        "SELECT owner_id FROM webhook_endpoints WHERE id = %s", (endpoint_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise no_endpoint(endpoint_id)
    return int(row[0])


def no_endpoint(endpoint_id: int) -> InvalidInput:
    """What to raise where there is no such endpoint, or it is another owner's."""
    return InvalidInput(
        f"there is no webhook endpoint {endpoint_id} here: `keepsake webhooks list OWNER` shows "
        "those there are"
    )


async def change_endpoint(
    connection: AsyncConnection,
    settings: WebSettings,
    who: Principal | None,
    owner_id: int,
    endpoint_id: int,
    change: Change,
) -> Endpoint:
    """Change an endpoint. Messages that wait go where it is then. Arguments as `add_endpoint`.

    Raises:
        InvalidInput: there is no such endpoint, or something is not accepted.
    """
    await find_endpoint(connection, owner_id, endpoint_id)
    given = {name: value for name, value in vars(change).items() if value is not None}
    enabled = given.pop("enabled", None)
    for name, value in _checked(settings, given).items():
        await connection.execute(_SET[name], (value, endpoint_id, owner_id))
    if enabled is not None:
        await connection.execute(_ENABLE if enabled else _DISABLE, (endpoint_id, owner_id))
    await _note(connection, who, "webhook.change", owner_id, endpoint_id)
    return await find_endpoint(connection, owner_id, endpoint_id)


_SET: dict[str, LiteralString] = {
    "url": "UPDATE webhook_endpoints SET url = %s WHERE id = %s AND owner_id = %s",
    "description": "UPDATE webhook_endpoints SET description = %s WHERE id = %s AND owner_id = %s",
    "events": "UPDATE webhook_endpoints SET events = %s WHERE id = %s AND owner_id = %s",
    "mode": "UPDATE webhook_endpoints SET mode = %s WHERE id = %s AND owner_id = %s",
}
_ENABLE: LiteralString = (
    "UPDATE webhook_endpoints SET disabled_at = NULL, disabled_reason = NULL, failures = 0,"
    " first_failure_at = NULL, throttled_until = NULL WHERE id = %s AND owner_id = %s"
)
_DISABLE: LiteralString = (
    "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'by_hand'"
    " WHERE id = %s AND owner_id = %s AND disabled_at IS NULL"
)


async def remove_endpoint(
    connection: AsyncConnection, who: Principal | None, owner_id: int, endpoint_id: int
) -> Endpoint:
    """Remove an endpoint; what waits for it is not sent. Returns what it was.

    Raises:
        InvalidInput: the owner has no such endpoint.
    """
    found = await find_endpoint(connection, owner_id, endpoint_id)
    await connection.execute(
        "DELETE FROM webhook_endpoints WHERE id = %s AND owner_id = %s", (endpoint_id, owner_id)
    )
    await _note(connection, who, "webhook.remove", owner_id, endpoint_id)
    return found


async def rotate_secret(
    connection: AsyncConnection,
    who: Principal | None,
    owner_id: int,
    endpoint_id: int,
    *,
    overlap: timedelta,
) -> str:
    """Make a new secret. Returns it; nothing can show it again.

    Args:
        connection: to the database, in a transaction.
        who: rotates it; None: an operator at the shell.
        owner_id: whose endpoint.
        endpoint_id: of the endpoint.
        overlap: how long the former secret signs as well. One from before that signs no more.

    Raises:
        InvalidInput: the owner has no such endpoint, or the overlap is too long.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput(f"the former secret may sign for 0 to {LONGEST_OVERLAP.days} days more")
    await find_endpoint(connection, owner_id, endpoint_id)
    await connection.execute(
        "DELETE FROM webhook_secrets WHERE endpoint_id = %s AND signs_until IS NOT NULL",
        (endpoint_id,),
    )
    await connection.execute(
        "UPDATE webhook_secrets SET signs_until = now() + %s WHERE endpoint_id = %s",
        (overlap, endpoint_id),
    )
    secret = await _add_secret(connection, owner_id, endpoint_id)
    await _note(connection, who, "webhook.rotate", owner_id, endpoint_id)
    return secret


async def _add_secret(connection: AsyncConnection, owner_id: int, endpoint_id: int) -> str:
    secret = new_secret()
    await connection.execute(
        "INSERT INTO webhook_secrets (endpoint_id, owner_id, secret) VALUES (%s, %s, %s)",
        (endpoint_id, owner_id, secret),
    )
    return secret


async def _note(
    connection: AsyncConnection, who: Principal | None, action: str, owner_id: int, id: int
) -> None:
    await record_write(connection, who, action, owner_id=owner_id, detail=f"endpoint {id}")


def _checked(settings: WebSettings, values: dict[str, Any]) -> dict[str, Any]:
    """Those values of an endpoint that are there, as they are stored.

    Raises:
        InvalidInput: one of them is not accepted.
    """
    checks = {
        "url": lambda url: _check_url(settings, url),
        "description": _check_description,
        "events": check_events,
        "mode": _check_mode,
    }
    return {name: checks[name](value) for name, value in values.items()}


def _check_url(settings: WebSettings, url: str) -> str:
    """An address that may be posted to, as far as can be known without asking for the host's."""
    if len(url) > LONGEST_URL or not url.isprintable():
        raise InvalidInput(
            f"the address is too long, or has characters that no address has: at most {LONGEST_URL}"
        )
    try:
        found = checked_url(url)
        Guard.of(settings.web_allow).check(found.host, _spelled_out(found.host))
    except PermanentError as error:  # it says what and why, of an address to fetch
        raise InvalidInput(f"nothing can be posted there: {error}") from None
    return str(found)


def _spelled_out(host: str) -> list[Any]:
    """The address that a host is given as, if it is."""
    try:
        return [ip_address(host.strip("[]"))]
    except ValueError:
        return [ip_address("127.0.0.1")] if host == "localhost" else []


def _check_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise InvalidInput(f"the description is longer than {LONGEST_DESCRIPTION} characters")
    return printable(text, instead=" ").strip()


def _check_mode(mode: str) -> str:
    if mode not in get_args(Mode):
        raise InvalidInput(f"there is no mode {mode[:100]!r}: choose standard or trigger")
    return mode

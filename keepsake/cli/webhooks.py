"""`keepsake webhooks`: to which addresses an owner's events are posted, and how that goes."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from keepsake.errors import InvalidInput
from keepsake.terminal.shell import Json, filled, in_pool, open_database, print_json, print_table

if TYPE_CHECKING:
    from keepsake.database import AsyncConnection, Pool
    from keepsake.webhooks.deliveries import Delivery, DeliveryAttempt
    from keepsake.webhooks.endpoints import Endpoint

T = TypeVar("T")

webhooks = typer.Typer(
    no_args_is_help=True,
    help="Webhooks: what happens to an owner's records and jobs is posted to other programs.",
)

OwnerName = Annotated[str, typer.Argument(metavar="OWNER", help="Name, short name or id.")]
EndpointId = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the endpoint: see `keepsake webhooks list`.")
]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Only events of this type; several times for several."),
]


@webhooks.command("add")
def add(
    owner: OwnerName,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to post.")],
    event: Events = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    mode: Annotated[
        str, typer.Option(help="standard, or trigger: signed as Trigger.dev does as well.")
    ] = "standard",
    json: Json = False,
) -> None:
    """Add an endpoint. Its secret is shown this once."""
    from keepsake.settings import load_settings
    from keepsake.webhooks.endpoints import NewEndpoint, add_endpoint

    settings, owner_id = load_settings(), _owner_id(owner)
    new = NewEndpoint(url, description, event or (), mode)
    secret, added = _ask(lambda db: add_endpoint(db, settings, None, owner_id, new))
    if json:
        print_json({"endpoint": added, "secret": secret})
        return
    typer.echo(secret)
    typer.echo(
        f"This signs the messages to endpoint {added.id}, and cannot be shown again. Try it out: "
        f"`keepsake webhooks ping {added.id}`.",
        err=True,
    )


@webhooks.command("list")
def list_(owner: OwnerName, json: Json = False) -> None:
    """List an owner's endpoints, and how they fare."""
    from keepsake.webhooks.endpoints import endpoints

    owner_id = _owner_id(owner)
    found = _ask(lambda db: endpoints(db, owner_id))
    if json:
        print_json(found)
    elif not found:
        typer.echo("No endpoints yet: `keepsake webhooks add` adds one.")
    else:
        rows = [_row(endpoint) for endpoint in found]
        print_table("Endpoints", rows, filled(rows))


@webhooks.command("change")
def change(
    endpoint: EndpointId,
    url: Annotated[str | None, typer.Option(help="Where to post from now on.")] = None,
    event: Events = None,
    all_events: Annotated[bool, typer.Option("--all-events", help="Post all events.")] = False,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    mode: Annotated[str | None, typer.Option(help="standard or trigger.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it gets messages.")
    ] = None,
    json: Json = False,
) -> None:
    """Change an endpoint, disable it, or enable it again."""
    from keepsake.settings import load_settings
    from keepsake.webhooks.endpoints import Change, change_endpoint

    settings = load_settings()
    asked = Change(url, description, [] if all_events else event or None, mode, enabled)
    changed = _about(
        endpoint,
        lambda db, owner_id: change_endpoint(db, settings, None, owner_id, endpoint, asked),
    )
    if json:
        print_json(changed)
    else:
        typer.echo(f"Endpoint {endpoint} is {'disabled' if changed.disabled_at else 'enabled'}.")


@webhooks.command("remove")
def remove(endpoint: EndpointId, json: Json = False) -> None:
    """Remove an endpoint. What waits for it is not sent."""
    from keepsake.webhooks.endpoints import remove_endpoint

    removed = _about(endpoint, lambda db, owner_id: remove_endpoint(db, None, owner_id, endpoint))
    if json:
        print_json(removed)
    else:
        typer.echo(f"Endpoint {endpoint} is removed.")


@webhooks.command("rotate")
def rotate(
    endpoint: EndpointId,
    hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the former secret signs as well.")
    ] = 24,
    json: Json = False,
) -> None:
    """Make a new secret. It is shown this once."""
    from keepsake.webhooks.endpoints import rotate_secret

    overlap = timedelta(hours=hours)
    secret = _about(
        endpoint, lambda db, owner_id: rotate_secret(db, None, owner_id, endpoint, overlap=overlap)
    )
    if json:
        print_json({"endpoint_id": endpoint, "secret": secret})
        return
    typer.echo(secret)
    typer.echo(
        f"For {hours:g} h messages are signed with the former secret as well. In the mode trigger "
        "there is room for one signature: it is the new one's from now on.",
        err=True,
    )


@webhooks.command("ping")
def ping(endpoint: EndpointId, json: Json = False) -> None:
    """Send a message that tells of nothing, also to an endpoint that is disabled."""
    from keepsake.webhooks import deliveries

    job_id = _about(endpoint, lambda db, owner_id: deliveries.ping(db, None, owner_id, endpoint))
    if json:
        print_json({"job_id": job_id})
    else:
        typer.echo(
            f"Job {job_id} sends it: `keepsake webhooks deliveries {endpoint}` says how it went."
        )


@webhooks.command("deliveries")
def list_deliveries(
    endpoint: EndpointId,
    job: Annotated[int | None, typer.Option(metavar="ID", help="Attempts at this one.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.")] = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only jobs before this one: the next page.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """Show what was sent to an endpoint, and how it went."""
    from keepsake.webhooks.deliveries import attempts, deliveries

    found: list[Delivery] | list[DeliveryAttempt]
    if job is not None:
        found = _about(endpoint, lambda db, owner_id: attempts(db, owner_id, endpoint, job))
    else:
        found = _about(
            endpoint,
            lambda db, owner_id: deliveries(
                db, owner_id, endpoint, status=status, before=before, limit=limit
            ),
        )
    if json:
        print_json(found)
    elif not found:
        typer.echo(f"Nothing yet: `keepsake webhooks ping {endpoint}` sends something.")
    else:
        rows = [{name: _text(value) for name, value in vars(each).items()} for each in found]
        rows = [{name.replace("_", " "): value for name, value in row.items()} for row in rows]
        print_table("Deliveries" if job is None else "Attempts", rows, filled(rows))


@webhooks.command("replay")
def replay(
    endpoint: EndpointId,
    message: Annotated[
        str | None, typer.Option(metavar="ID", help="This message, whether it was taken or not.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Those since then: 2026-12-01T09:00+01:00.")
    ] = None,
    taken_too: Annotated[
        bool, typer.Option("--taken-too", help="Also those that the endpoint has taken.")
    ] = False,
    json: Json = False,
) -> None:
    """Send messages again as they were: one, or all that were not taken."""
    from keepsake.webhooks import deliveries

    moment = _moment(since)
    count = _about(
        endpoint,
        lambda db, owner_id: deliveries.replay(
            db, None, owner_id, endpoint, message_id=message, since=moment, taken_too=taken_too
        ),
    )
    if json:
        print_json({"replayed": count})
    else:
        typer.echo(f"{count} messages are sent again.")


# -- what they share ------------------------------------------------------------------------------


def _ask(work: "Callable[[AsyncConnection], Awaitable[T]]") -> "T":
    """What `work` returns, called in a transaction of a database whose schema is current."""
    from keepsake.settings import load_settings

    settings = load_settings()

    async def run(pool: "Pool") -> T:
        async with pool.connection() as connection, connection.transaction():
            return await work(connection)

    with open_database(settings):
        return in_pool(settings, run)


def _about(endpoint_id: int, work: "Callable[[AsyncConnection, int], Awaitable[T]]") -> "T":
    """The same about an endpoint: `work` is given the id of its owner as well."""
    from keepsake.webhooks.endpoints import owner_of_endpoint

    async def ask(connection: "AsyncConnection") -> T:
        return await work(connection, await owner_of_endpoint(connection, endpoint_id))

    return _ask(ask)


def _owner_id(name: str) -> int:
    from keepsake.owners.owners import find_owner
    from keepsake.settings import load_settings

    with open_database(load_settings()) as connection:
        return find_owner(connection, name).id


def _moment(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment is not None and moment.tzinfo is None:
        raise InvalidInput(
            f"--since {text!r} is no time with a zone: write it like 2026-12-01T09:00+01:00"
        )
    return moment


def _row(endpoint: "Endpoint") -> Mapping[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "for": endpoint.description,
        "events": ", ".join(endpoint.events) or "all",
        "mode": endpoint.mode,
        "disabled": _text(endpoint.disabled_at),
        "why": endpoint.disabled_reason,
        "last success": _text(endpoint.last_success_at),
        "failures": endpoint.failures or None,
    }


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return None if value is None else str(value)

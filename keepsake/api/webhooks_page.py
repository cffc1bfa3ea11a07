"""The page where an owner says which programs learn of what happens, and sees how that goes."""

from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from keepsake.api.webhook_endpoints import OVERLAP, EndpointId, about_endpoint
from keepsake.errors import InvalidInput
from keepsake.http.pages import OwnerPage, for_page
from keepsake.webhooks import deliveries, endpoints
from keepsake.webhooks.events import EVENTS, PING

TEMPLATES = FilePath(__file__).parent / "templates"
SHOWN = 5  # deliveries of each endpoint, the newest

router = APIRouter(prefix="/o/{owner}/webhooks", include_in_schema=False)

Manager = Annotated[OwnerPage, for_page("manage")]


@router.get("")
async def webhooks_page(page: Manager) -> Response:
    """Where messages go, and how the last ones fared."""
    return await _page(page)


@router.post("")
async def add(
    page: Manager,
    url: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    events: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Add an endpoint, and show its secret."""
    new = endpoints.NewEndpoint(url, description, events or ())
    try:
        async with page.transaction() as connection:
            secret, added = await endpoints.add_endpoint(
                connection, page.state.settings, page.principal, page.owner_id, new
            )
    except InvalidInput as error:
        return await _page(page, why=str(error), given=new)
    return await _page(page, secret=secret, secret_of=added.id)


@router.post("/{endpoint_id}/rotate")
async def rotate(page: Manager, endpoint_id: EndpointId) -> Response:
    """Make a new secret, and show it."""
    async with about_endpoint(page, endpoint_id) as connection:
        secret = await endpoints.rotate_secret(
            connection, page.principal, page.owner_id, endpoint_id, overlap=OVERLAP
        )
    return await _page(page, secret=secret, secret_of=endpoint_id)


@router.post("/{endpoint_id}/{what}")
async def change(
    page: Manager,
    endpoint_id: EndpointId,
    what: Literal["enable", "disable", "remove", "ping", "replay"],
) -> Response:
    """Let it have messages or not, remove it, try it out, or send again what it did not take."""
    who, owner_id = page.principal, page.owner_id
    try:
        async with about_endpoint(page, endpoint_id) as connection:
            match what:
                case "enable" | "disable":
                    asked = endpoints.Change(enabled=what == "enable")
                    await endpoints.change_endpoint(
                        connection, page.state.settings, who, owner_id, endpoint_id, asked
                    )
                case "remove":
                    await endpoints.remove_endpoint(connection, who, owner_id, endpoint_id)
                case "ping":
                    await deliveries.ping(connection, who, owner_id, endpoint_id)
                case "replay":
                    await deliveries.replay(connection, who, owner_id, endpoint_id)
    except InvalidInput as error:
        return await _page(page, why=str(error))
    return RedirectResponse(f"{page.at}/webhooks", 303)


async def _page(
    page: OwnerPage,
    *,
    secret: str = "",
    secret_of: int | None = None,
    why: str = "",
    given: endpoints.NewEndpoint | None = None,
) -> Response:
    async with page.transaction() as connection:
        found = [
            (
                endpoint,
                await deliveries.deliveries(connection, page.owner_id, endpoint.id, limit=SHOWN),
            )
            for endpoint in await endpoints.endpoints(connection, page.owner_id)
        ]
    return page.render(
        TEMPLATES / "webhooks.html.j2",
        status=422 if why else 200,
        found=found,
        secret=secret,
        secret_of=secret_of,
        why=why,
        given=given or endpoints.NewEndpoint(""),
        events=[event for event in EVENTS if event != PING],
    )

"""Webhook endpoints of an owner: managed, tried out, and what was sent to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keepsake.database import AsyncConnection
from keepsake.errors import InvalidInput
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.cursors import Cursor, decode, encode, link_next
from keepsake.http.problems import Problem
from keepsake.jobs.rows import Status
from keepsake.webhooks import deliveries, endpoints
from keepsake.webhooks.endpoints import LONGEST_DESCRIPTION, LONGEST_URL, Endpoint, Mode
from keepsake.webhooks.events import Event

router = APIRouter(prefix="/api/webhook-endpoints", tags=["webhooks"])

OVERLAP = timedelta(hours=24)  # in which a former secret signs as well
MOST_HOURS = 720
LARGEST_ID = 2**63 - 1

Manager = Annotated[OwnerCaller, for_owner("manage")]
EndpointId = Annotated[int, Path(ge=1, le=LARGEST_ID)]

_URL = Field(
    max_length=LONGEST_URL,
    description="Where messages are posted. Private addresses only where WEB_ALLOW names them.",
    examples=["https://example.com/hooks/keepsake"],
)
_EVENTS = Field(description="Types of events it gets; none: all of them.")
_MODE = Field(description="`trigger`: messages have the signature of Trigger.dev as well.")
_DESCRIPTION = Field(max_length=LONGEST_DESCRIPTION, description="What it is for.")


class NewWebhookEndpoint(BaseModel):
    """An endpoint to add."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, _URL]
    description: Annotated[str, _DESCRIPTION] = ""
    events: Annotated[list[Event], _EVENTS] = []
    mode: Annotated[Mode, _MODE] = "standard"


class WebhookEndpointChange(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str | None, _URL] = None
    description: Annotated[str | None, _DESCRIPTION] = None
    events: Annotated[list[Event] | None, _EVENTS] = None
    mode: Annotated[Mode | None, _MODE] = None
    enabled: bool | None = Field(
        None, description="False: it gets nothing more. True: it does again, whatever failed."
    )


class AddedEndpoint(BaseModel):
    """An endpoint that was added, and its secret, which is shown this once."""

    endpoint: Endpoint
    secret: str = Field(description="What its messages are signed with.", examples=["whsec_..."])


class Endpoints(BaseModel):
    """The endpoints of an owner."""

    endpoints: list[Endpoint]


class Rotation(BaseModel):
    """How secrets change."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(
        OVERLAP.total_seconds() / 3600,
        ge=0,
        le=MOST_HOURS,
        allow_inf_nan=False,
        description="How long messages are signed with the former secret as well.",
    )


class Rotated(BaseModel):
    """An endpoint with a new secret, which is shown this once."""

    endpoint: Endpoint
    secret: str = Field(examples=["whsec_..."])


class Submitted(BaseModel):
    """A message that is sent in a moment."""

    job_id: int = Field(description="Of its delivery.")


class WhatToReplay(BaseModel):
    """Which messages to send again: one, or all that were not taken."""

    model_config = ConfigDict(extra="forbid")

    message_id: str | None = Field(
        None, max_length=100, description="This one, whether it was taken or not."
    )
    since: AwareDatetime | None = Field(None, description="All of events since then.")
    taken_too: bool = Field(False, description="Also those that the endpoint has taken.")


class Replayed(BaseModel):
    """How many messages are sent again."""

    replayed: int


class Deliveries(BaseModel):
    """Messages to an endpoint, the newest first."""

    deliveries: list[deliveries.Delivery]
    next: str | None = Field(description="`cursor` of the next page; null: this is the last.")


class Attempts(BaseModel):
    """The attempts at a message that have ended, in order."""

    attempts: list[deliveries.DeliveryAttempt]


class DeliveryCursor(Cursor):
    """Where a page of deliveries begins."""

    list: Literal["deliveries"] = "deliveries"
    endpoint: int
    status: Status | None = None
    id: int = Field(ge=1, le=LARGEST_ID)


@router.post("", status_code=201)
async def add_webhook_endpoint(new: NewWebhookEndpoint, caller: Manager) -> AddedEndpoint:
    """Add an endpoint. Its secret is shown this once."""
    given = endpoints.NewEndpoint(**new.model_dump())
    async with caller.transaction() as connection:
        secret, added = await endpoints.add_endpoint(
            connection, caller.state.settings, caller.principal, caller.owner_id, given
        )
    return AddedEndpoint(endpoint=added, secret=secret)


@router.get("")
async def list_webhook_endpoints(caller: Manager) -> Endpoints:
    """The endpoints of an owner, and how they fare. Their secrets are not shown."""
    async with caller.transaction() as connection:
        found = await endpoints.endpoints(connection, caller.owner_id)
    return Endpoints(endpoints=found)


@router.get("/{endpoint_id}")
async def webhook_endpoint(endpoint_id: EndpointId, caller: Manager) -> Endpoint:
    """One endpoint."""
    async with about_endpoint(caller, endpoint_id) as connection:
        return await endpoints.find_endpoint(connection, caller.owner_id, endpoint_id)


@router.patch("/{endpoint_id}")
async def change_webhook_endpoint(
    endpoint_id: EndpointId, change: WebhookEndpointChange, caller: Manager
) -> Endpoint:
    """Change an endpoint, disable it, or enable it again."""
    asked = endpoints.Change(**change.model_dump())
    settings, who = caller.state.settings, caller.principal
    async with about_endpoint(caller, endpoint_id) as connection:
        return await endpoints.change_endpoint(
            connection, settings, who, caller.owner_id, endpoint_id, asked
        )


@router.delete("/{endpoint_id}")
async def remove_webhook_endpoint(endpoint_id: EndpointId, caller: Manager) -> Endpoint:
    """Remove an endpoint. What waits for it is not sent."""
    async with about_endpoint(caller, endpoint_id) as connection:
        return await endpoints.remove_endpoint(
            connection, caller.principal, caller.owner_id, endpoint_id
        )


@router.post("/{endpoint_id}/rotate")
async def rotate_webhook_secret(
    endpoint_id: EndpointId, caller: Manager, how: Rotation | None = None
) -> Rotated:
    """Make a new secret, shown this once. The former one signs as well for a while."""
    overlap = timedelta(hours=how.overlap_hours) if how else OVERLAP
    async with about_endpoint(caller, endpoint_id) as connection:
        secret = await endpoints.rotate_secret(
            connection, caller.principal, caller.owner_id, endpoint_id, overlap=overlap
        )
        found = await endpoints.find_endpoint(connection, caller.owner_id, endpoint_id)
    return Rotated(endpoint=found, secret=secret)


@router.post("/{endpoint_id}/ping", status_code=202)
async def ping_webhook_endpoint(endpoint_id: EndpointId, caller: Manager) -> Submitted:
    """Send a message that tells of nothing, also to an endpoint that is disabled."""
    async with about_endpoint(caller, endpoint_id) as connection:
        job_id = await deliveries.ping(connection, caller.principal, caller.owner_id, endpoint_id)
    return Submitted(job_id=job_id)


@router.post("/{endpoint_id}/replay", status_code=202)
async def replay_webhooks(endpoint_id: EndpointId, what: WhatToReplay, caller: Manager) -> Replayed:
    """Send messages again as they were, with their ids: one, or all that were not taken."""
    async with about_endpoint(caller, endpoint_id) as connection:
        count = await deliveries.replay(
            connection, caller.principal, caller.owner_id, endpoint_id, **what.model_dump()
        )
    return Replayed(replayed=count)


@router.get("/{endpoint_id}/deliveries")
async def list_deliveries(
    request: Request,
    response: Response,
    endpoint_id: EndpointId,
    caller: Manager,
    status: Annotated[Status | None, Query(description="Only with this status.")] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=deliveries.MOST)] = 50,
) -> Deliveries:
    """Messages to an endpoint, the newest first."""
    before = None
    if cursor is not None:
        page = decode(DeliveryCursor, cursor, caller.owner_id)
        if page.endpoint != endpoint_id or status not in (None, page.status):
            raise Problem("invalid_input", "cursor: it is of another list of deliveries")
        before, status = page.id, page.status
    async with about_endpoint(caller, endpoint_id) as connection:
        found = await deliveries.deliveries(
            connection, caller.owner_id, endpoint_id, status=status, before=before, limit=limit + 1
        )
    further = None
    if len(found) > limit:
        found = found[:limit]
        further = encode(
            DeliveryCursor(
                owner=caller.owner_id, endpoint=endpoint_id, status=status, id=found[-1].job_id
            )
        )
    link_next(request, response, further)
    return Deliveries(deliveries=found, next=further)


@router.get("/{endpoint_id}/deliveries/{job_id}")
async def delivery_attempts(
    endpoint_id: EndpointId, job_id: Annotated[int, Path(ge=1, le=LARGEST_ID)], caller: Manager
) -> Attempts:
    """How the attempts at a message went."""
    async with about_endpoint(caller, endpoint_id) as connection:
        try:
            found = await deliveries.attempts(connection, caller.owner_id, endpoint_id, job_id)
        except InvalidInput as error:
            raise Problem("not_found", str(error)) from None
    return Attempts(attempts=found)


@asynccontextmanager
async def about_endpoint(caller: OwnerCaller, endpoint_id: int) -> AsyncIterator[AsyncConnection]:
    """A transaction about an endpoint of the owner.

    Raises:
        Problem: there is none of that id.
    """
    async with caller.transaction() as connection:
        try:
            await endpoints.find_endpoint(connection, caller.owner_id, endpoint_id)
        except InvalidInput as error:
            raise Problem("not_found", str(error)) from None
        yield connection

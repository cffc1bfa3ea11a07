"""Listeners of an owner's feeds: added, listed, revoked."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from keepsake.accounts.listeners import Listener, listeners
from keepsake.delivery.feeds import Subscription, feed_root, subscribe, unsubscribe
from keepsake.errors import InvalidInput
from keepsake.http.callers import OwnerCaller, for_owner
from keepsake.http.problems import Problem

router = APIRouter(prefix="/api/listeners", tags=["feeds"])

Manager = Annotated[OwnerCaller, for_owner("manage")]


class NewListener(BaseModel):
    """Who is to listen."""

    name: str = Field(description="The person's, or the player's.", examples=["Grandson Tom"])


class Listeners(BaseModel):
    """The listeners of an owner."""

    listeners: list[Listener]


@router.post("", status_code=201)
async def add_listener(new: NewListener, caller: Manager) -> Subscription:
    """Make the addresses of the feeds for one listener. They are shown this once."""
    root = feed_root(caller.state.settings)
    return await caller.call(subscribe, caller.principal, caller.owner_id, new.name, root)


@router.get("")
async def list_listeners(caller: Manager) -> Listeners:
    """Who listens, and when each last fetched a feed; revoked ones too, newest first."""
    return Listeners(listeners=await caller.call(listeners, caller.owner_id))


@router.delete("/{listener_id}")
async def revoke_listener(
    caller: Manager, listener_id: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> Listener:
    """Let a listener's addresses answer no more. Those of the others stay."""
    try:
        return await caller.call(unsubscribe, caller.principal, caller.owner_id, listener_id)
    except InvalidInput as error:
        raise Problem("not_found", str(error)) from None

"""The page where an owner decides who hears the feeds: addresses for one person each."""

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.audit import record_write
from keepsake.accounts.listeners import add_listener, listeners, revoke_listener
from keepsake.database import Connection
from keepsake.delivery.feeds import feed_addresses, feed_guid, feed_root
from keepsake.errors import InvalidInput, SettingsError
from keepsake.http.pages import OwnerPage, for_page
from keepsake.owners.owners import find_owner

TEMPLATES = FilePath(__file__).parent / "templates"

router = APIRouter(prefix="/o/{owner}/listeners", include_in_schema=False)

Manager = Annotated[OwnerPage, for_page("manage")]


@dataclass(frozen=True)
class _NewAddress:
    """A new listener's address, which is shown this once, and its picture for a phone's camera."""

    name: str
    feeds: dict[str, str]
    picture: str  # SVG; '' where the owner has more than one feed


@router.get("")
async def listeners_page(page: Manager) -> Response:
    """Who listens."""
    return await _page(page)


@router.post("")
async def add(page: Manager, name: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Make an address for one listener, and show it."""
    try:
        root = feed_root(page.state.settings)
        new = await page.state.call(_add, page, root, name)
    except (InvalidInput, SettingsError) as error:
        return await _page(page, why=str(error), name=name)
    return await _page(page, new=new)


@router.post("/{listener_id}/revoke")
async def revoke(page: Manager, listener_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Let an address answer no more."""

    def call(connection: Connection) -> None:
        revoke_listener(connection, page.owner_id, listener_id)
        _note(connection, page, "listener.revoke", listener_id)

    await page.state.call(call)
    return RedirectResponse(f"{page.at}/listeners", 303)


def _add(connection: Connection, page: OwnerPage, root: str, name: str) -> _NewAddress:
    owner = find_owner(connection, str(page.owner_id))
    secret, listener = add_listener(connection, owner, name)
    feed_guid(connection, owner.id, root)
    _note(connection, page, "listener.add", listener.id)
    feeds = feed_addresses(connection, owner.id, f"{root}/{secret}")
    return _NewAddress(listener.name, feeds, _picture(feeds))


def _picture(feeds: dict[str, str]) -> str:
    import segno

    if len(feeds) != 1:
        return ""
    (address,) = feeds.values()
    svg: str = segno.make(address, micro=False).svg_inline(omitsize=True, border=2)
    return svg


def _note(connection: Connection, page: OwnerPage, action: str, listener_id: int) -> None:
    record_write(
        connection,
        page.principal,
        action,
        owner_id=page.owner_id,
        detail=f"listener {listener_id}",
    )


async def _page(
    page: OwnerPage, *, new: _NewAddress | None = None, why: str = "", name: str = ""
) -> Response:
    return page.render(
        TEMPLATES / "listeners.html.j2",
        status=422 if why else 200,
        listeners=await page.call(listeners, page.owner_id),
        new=new,
        why=why,
        name=name,
    )

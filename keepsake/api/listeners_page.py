"""The page where an owner decides who hears the feeds: addresses for one person each."""

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from keepsake.accounts.listeners import listeners
from keepsake.delivery.feeds import Subscription, feed_root, subscribe, unsubscribe
from keepsake.errors import InvalidInput, SettingsError
from keepsake.http.pages import OwnerPage, for_page

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
        made = await page.call(subscribe, page.principal, page.owner_id, name, root)
    except (InvalidInput, SettingsError) as error:
        return await _page(page, why=str(error), name=name)
    return await _page(page, new=_new_address(made))


@router.post("/{listener_id}/revoke")
async def revoke(page: Manager, listener_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Let an address answer no more."""
    await page.call(unsubscribe, page.principal, page.owner_id, listener_id)
    return RedirectResponse(f"{page.at}/listeners", 303)


def _new_address(made: Subscription) -> _NewAddress:
    both = {"podcast": made.podcast, "running": made.running}
    feeds = {name: address for name, address in both.items() if address}
    return _NewAddress(made.listener.name, feeds, _picture(feeds))


def _picture(feeds: dict[str, str]) -> str:
    import segno

    if len(feeds) != 1:
        return ""
    (address,) = feeds.values()
    svg: str = segno.make(address, micro=False).svg_inline(omitsize=True, border=2)
    return svg


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

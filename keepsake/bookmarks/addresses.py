"""Addresses that people save: which of them can be fetched, and when two are the same page.

Only what the text of an address shows. Whether its host may be asked is decided where it is
fetched, after its name is resolved (`keepsake/web/`).
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from keepsake.errors import InvalidInput, PermanentError

if TYPE_CHECKING:
    from httpx2 import URL

LONGEST = 2_000  # characters, as it goes over the wire
# They say where a click came from, not which page is shown.
TRACKING = frozenset(
    ["fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "igshid", "mc_cid",
     "mc_eid"]
)  # fmt: skip

_SHOWS_ANOTHER = ("/", "!")  # how the fragment of a page within a page starts


def check_address(address: str) -> str:
    """The address without surrounding space.

    Raises:
        InvalidInput: it is none that a page can be fetched from, or longer than 2,000 characters.
    """
    _parsed(address)
    return address.strip()


def same_page(address: str) -> str:
    """A key (SHA-256, hex) that is equal for addresses of one page, to decide what is known.

    Case of the host, its default port and what only tracks clicks do not count. Nor does a
    fragment, which names a place on a page, unless it starts with `/` or `!`: then a script shows
    another page for each. An address that cannot be fetched counts as it is.
    """
    try:
        url = _parsed(address)
    except InvalidInput:
        return sha256(address.encode("utf-8", "replace")).hexdigest()
    port = f":{url.port}" if url.port else ""
    path, _, query = url.raw_path.decode("ascii").partition("?")
    kept = "&".join(_telling(query))
    fragment = address.partition("#")[2].strip()
    shown = f"#{fragment}" if fragment.startswith(_SHOWS_ANOTHER) else ""
    normal = f"{url.scheme}://{url.raw_host.decode('ascii')}{port}{path}?{kept}{shown}"
    return sha256(normal.encode()).hexdigest()


def _telling(query: str) -> Iterator[str]:
    """The parts of a query that choose what is shown."""
    for part in query.split("&"):
        name = part.partition("=")[0].lower()
        if part and name not in TRACKING and not name.startswith("utm_"):
            yield part


def _parsed(address: str) -> "URL":
    from keepsake.web.guard import checked_url  # takes a moment, and most commands need none

    try:
        url = checked_url(address)
    except PermanentError as error:
        raise InvalidInput(f"{error}: write it like https://example.org/page") from None
    if len(str(url)) > LONGEST:
        raise InvalidInput(
            f"the address has {len(str(url)):,} characters; at most {LONGEST:,} are accepted"
        )
    return url

"""Addresses that people save: which of them can be fetched, and when two are the same page.

Only what the text of an address tells. Whether its host may be asked is decided where it is
fetched, after its name is resolved (`keepsake/web/`).
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from keepsake.errors import InvalidInput

if TYPE_CHECKING:
    from httpx import URL

LONGEST = 2_000  # characters, as it goes over the wire
SCHEMES = ("http", "https")
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")  # a name, or an address of IPv4 or IPv6
# They say where a click came from, not which page is shown.
TRACKING = frozenset(
    ["fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "igshid", "mc_cid",
     "mc_eid"]
)  # fmt: skip


def fetchable(address: str) -> str:
    """The address as it goes over the wire: ASCII, its host by IDNA, without a fragment.

    Raises:
        InvalidInput: it is none that a page can be fetched from.
    """
    url = _parsed(address)
    return str(url.copy_with(fragment=None))


def same_page(address: str) -> str:
    """A key (SHA-256, hex) that is equal for addresses of one page, to decide what is known.

    Case of the host, its default port, the fragment and what only tracks clicks do not count. An
    address that cannot be fetched counts as it stands.
    """
    try:
        url = _parsed(address)
    except InvalidInput:
        return sha256(address.encode("utf-8", "replace")).hexdigest()
    port = f":{url.port}" if url.port else ""
    path, _, query = url.raw_path.decode("ascii").partition("?")
    kept = "&".join(_telling(query))
    normal = f"{url.scheme}://{url.raw_host.decode('ascii')}{port}{path}?{kept}"
    return sha256(normal.encode()).hexdigest()


def _telling(query: str) -> Iterator[str]:
    """The parts of a query that choose what is shown."""
    for part in query.split("&"):
        name = part.partition("=")[0].lower()
        if part and name not in TRACKING and not name.startswith("utm_"):
            yield part


def _parsed(address: str) -> "URL":
    from httpx import URL, InvalidURL  # takes a moment, and most commands need none

    try:
        url = URL(address.strip())
    except (InvalidURL, ValueError):
        raise InvalidInput("the address is none: write it like https://example.org/page") from None
    if url.scheme not in SCHEMES:
        scheme = f"its scheme is {url.scheme[:20]!r}" if url.scheme else "it has no scheme"
        raise InvalidInput(f"only http and https addresses can be fetched: {scheme}")
    if not HOST.fullmatch(url.raw_host) or (url.port or 0) > 65_535:
        raise InvalidInput("the address has no host: write it like https://example.org/page")
    if url.userinfo:
        raise InvalidInput("the address holds a user name or a password: take it out")
    if len(str(url)) > LONGEST:
        raise InvalidInput(
            f"the address has {len(str(url)):,} characters; at most {LONGEST:,} are accepted"
        )
    return url

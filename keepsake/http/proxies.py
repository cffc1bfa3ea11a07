"""What a proxy says of a request: believed from TRUSTED_PROXIES, dropped from others.

These are the address of the person's device (`X-Forwarded-For`), whether it spoke TLS
(`X-Forwarded-Proto`), and with FORWARD_AUTH who the proxy has signed in (`Remote-User`,
`Remote-Email`). Code after this reads `request.client`, `request.url.scheme` and the two headers.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from keepsake.settings import AccountSettings

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip"})
_WHO = frozenset({b"remote-user", b"remote-email", b"remote-name", b"remote-groups"})
_WITH_TLS = {"http": "https", "ws": "wss", "https": "https", "wss": "wss"}


class ProxyMiddleware:
    """Put what a trusted proxy says in its place, and take away what others say."""

    def __init__(self, app: ASGIApp, settings: AccountSettings) -> None:
        self._app = app
        self._trusted = networks(settings.trusted_proxies)
        self._forward_auth = settings.forward_auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket"):
            by_proxy = bool(scope.get("client")) and self._is_trusted(scope["client"][0])
            headers: list[tuple[bytes, bytes]] = scope["headers"]
            said = {name: value.decode("latin-1") for name, value in headers if name in _FORWARDED}
            dropped = _FORWARDED if by_proxy and self._forward_auth else _FORWARDED | _WHO
            scope = dict(scope)
            scope["headers"] = [header for header in headers if header[0] not in dropped]
            if by_proxy:
                self._believe(scope, said)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, said: Mapping[bytes, str]) -> None:
        hops = [hop.strip() for hop in said.get(b"x-forwarded-for", "").split(",") if hop.strip()]
        # Each proxy adds on the right who asked it: the last that is no proxy of ours.
        asking = next((hop for hop in reversed(hops) if not self._is_trusted(hop)), None)
        if asking is not None:
            scope["client"] = (asking, 0)
        if said.get(b"x-forwarded-proto", "").split(",")[-1].strip().lower() == "https":
            scope["scheme"] = _WITH_TLS[scope["scheme"]]

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def networks(listed: str) -> Iterable[IPv4Network | IPv6Network]:
    """The networks of a list with commas; an address is a network of one."""
    return [ip_network(part.strip(), strict=False) for part in listed.split(",") if part.strip()]

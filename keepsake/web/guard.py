"""Which addresses may be fetched.

A bookmark, a page or a redirect may name an address inside our own network: the cloud's metadata
service, a database, a router. Only addresses of the public internet pass, and those that
`WEB_ALLOW` names. What counts is the address that a host resolves to, so that decimal, octal and
other spellings of an address need no rules of their own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

from httpx2 import URL, InvalidURL

from keepsake.errors import PermanentError

Address = IPv4Address | IPv6Address

LONGEST_HOST = 253  # characters, as DNS has it
Network = IPv4Network | IPv6Network

# The one range that IPv6 hosts of the internet have addresses of.
_INTERNET_V6 = IPv6Network("2000::/3")
# Forms that carry an IPv4 address in their last 32 bits: compatible, mapped, NAT64.
_CARRIERS = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("64:ff9b::/96"),
)
# What Python counts as public and is not: protocol assignments (Oracle's metadata service among
# them), the relays of 6to4, examples of documentation, and Azure's wire server, which has a public
# number and answers the cloud's own machines.
_INSIDE = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("3fff::/20"),
)
# The third quarter of an address in a tunnel within a site (RFC 5214), save for its universal bit.
_ISATAP = 0x5EFE


class AddressRefused(PermanentError):
    """An address that we never fetch from."""


@dataclass(frozen=True)
class Guard:
    """Judges addresses. `names` and `networks` are allowed although they are private."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, allowed: str) -> Self:
        """A guard with the exceptions of `WEB_ALLOW`: names, addresses or CIDR, by comma."""
        names, networks = set(), []
        for part in filter(None, (part.strip().lower() for part in allowed.split(","))):
            try:
                networks.append(ip_network(part.strip("[]"), strict=False))
            except ValueError:
                names.add(part.rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def check(self, host: str, addresses: Iterable[Address]) -> None:
        """Let pass a host all of whose addresses may be fetched from.

        Raises:
            AddressRefused: one of them is not an address of the public internet.
        """
        if host.lower().rstrip(".") in self.names:
            return
        for address in addresses:
            if not (_is_public(address) or self._is_allowed(address)):
                raise AddressRefused(
                    f"{host} is at a private or reserved address: such hosts are fetched only "
                    "when WEB_ALLOW names them"
                )

    def _is_allowed(self, address: Address) -> bool:
        forms = (address, *_carried(address))
        return any(form in network for form in forms for network in self.networks)


def parse_address(text: str) -> Address:
    """An address as the resolver spells it, without the zone of a link-local one."""
    return ip_address(text.partition("%")[0])


def _is_public(address: Address) -> bool:
    if any(address in network for network in _INSIDE):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved)
    if (int(address) >> 32) & 0xFDFFFFFF == _ISATAP:
        return False
    carried = list(_carried(address))
    if carried:
        return all(map(_is_public, carried))
    return address in _INTERNET_V6 and address.is_global


def _carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that packets to an IPv6 address of a mixed form go to."""
    if isinstance(address, IPv4Address):
        return
    if any(address in network for network in _CARRIERS):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def checked_url(text: str) -> URL:
    """An address as it may be asked for, without its fragment.

    Raises:
        PermanentError: it is none.
        AddressRefused: it is not of the web, or holds a user name or password.
    """
    try:
        url = URL(text.strip())
    except (InvalidURL, ValueError):
        raise PermanentError("this is no address of a page") from None
    if url.scheme not in ("http", "https"):
        raise AddressRefused("only addresses that start with http: or https: are fetched")
    a_host = 0 < len(url.raw_host) <= LONGEST_HOST
    if not a_host or (url.port is not None and not 0 < url.port < 65536):
        raise PermanentError("this is no address of a page")
    if url.userinfo:
        raise AddressRefused("addresses with a user name or a password are not fetched")
    return url.copy_with(fragment=None)

"""Which addresses may be fetched."""

import pytest

from keepsake.errors import PermanentError
from keepsake.web.guard import AddressRefused, Guard, checked_url, parse_address

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "198.18.0.1", "192.0.2.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "2001:db8::1", "100::1", "5f00::1", "3fff::1", "192.88.99.1",
    # In a tunnel within a site.
    "2001:470::5efe:10.0.0.1", "2001:470::200:5efe:8.8.8.8",
    # Forms that carry a private IPv4 address.
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::5db8:d822"]


def passes(guard: Guard, host: str, address: str) -> bool:
    try:
        guard.check(host, [parse_address(address)])
    except AddressRefused:
        return False
    return True


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_of_the_public_internet_are_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="WEB_ALLOW"):
        Guard().check("somewhere.example", [parse_address(address)])


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_public_internet_pass(address: str) -> None:
    assert passes(Guard(), "somewhere.example", address)


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_host() -> None:
    addresses = [parse_address(address) for address in [*PUBLIC, "10.0.0.1"]]
    with pytest.raises(AddressRefused):
        Guard().check("somewhere.example", addresses)


@pytest.mark.parametrize(
    "allowed", ["10.0.0.1", "10.0.0.0/8", "wiki.intern", " other.example , WIKI.intern. "]
)
def test_what_the_operator_allows_passes(allowed: str) -> None:
    assert passes(Guard.of(allowed), "wiki.intern", "10.0.0.1")


def test_an_allowed_network_also_passes_in_its_mapped_form() -> None:
    assert passes(Guard.of("10.0.0.0/8"), "wiki.intern", "::ffff:10.0.0.1")


def test_what_is_allowed_for_one_host_is_not_for_another() -> None:
    with pytest.raises(AddressRefused):
        Guard.of("wiki.intern, 10.0.0.0/24").check("evil.example", [parse_address("10.0.1.1")])


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://a.example/", "file:///etc/passwd", "data:text/html,x",
     "a.example/page", "//a.example/", "http://user:word@a.example/", "http://user@a.example/"],
)  # fmt: skip
def test_only_plain_web_addresses_are_asked_for(url: str) -> None:
    with pytest.raises(AddressRefused):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///x", "http://[::1", "https://a.example:99999", f"http://{'a.' * 127}com/"],
)
def test_malformed_addresses_are_told_apart(url: str) -> None:
    with pytest.raises(PermanentError, match="no address"):
        checked_url(url)

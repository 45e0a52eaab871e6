"""The addresses of a port as elements of the kernel's sets."""

from __future__ import annotations

import ipaddress

import pytest
from jackfield_linuxbridge.antispoof import FilteredPort
from jackfield_linuxbridge.antispoof_elements import Element, elements, shut
from jackfield_sdk import AddressPair

MAC = "fa:16:3e:00:00:01"


def a_port(*ip_addresses: str, pairs: tuple[tuple[str, str], ...] = (), **fields: object) -> FilteredPort:
    allowed = tuple(AddressPair(*pair) for pair in pairs)
    return FilteredPort("port", "tap1", MAC, ip_addresses, allowed, **fields)  # type: ignore[arg-type]


def blocks(port: FilteredPort) -> set[tuple[str, str, str]]:
    """Return MAC address, first and last address of each block."""
    return {_block(element) for element in elements(port) if element.set in ("ipv4", "ipv6")}


def _block(element: Element) -> tuple[str, str, str]:
    first, last = (str(ipaddress.ip_address(key[24:])) for key in (element.key, element.end))
    return element.key[16:22].hex(":"), first, last


def chain(port: FilteredPort) -> list[str]:
    return [element.chain for element in elements(port) if element.set == "ports"]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (a_port("10.0.0.5"), "secured"),
        (a_port(pairs=(("", "10.0.0.5"),)), "secured"),
        (a_port(), "unaddressed"),
        (a_port("10.0.0.5", port_security_enabled=False), "trusted"),
    ],
)
def test_a_port_goes_to_the_chain_of_its_kind(port: FilteredPort, expected: str) -> None:
    """Whether a port has port security and addresses decides how it is judged."""
    assert chain(port) == [expected]


def test_a_trusted_port_is_a_single_element() -> None:
    """Of a port that may say anything no address is kept."""
    assert len(elements(a_port("10.0.0.5", "2001:db8::5", port_security_enabled=False))) == 1


def test_overlapping_blocks_are_merged() -> None:
    """A pair that covers the port's own address, or a neighbouring block, makes one element."""
    pairs = (("", "10.0.0.0/25"), ("", "10.0.0.128/25"), (MAC.upper(), "10.0.0.7"))

    assert blocks(a_port("10.0.0.5", pairs=pairs)) == {(MAC, "10.0.0.0", "10.0.0.255")}


def test_host_bits_of_a_pair_do_not_matter() -> None:
    """10.0.0.9/30 is the block 10.0.0.8/30."""
    assert blocks(a_port(pairs=(("", "10.0.0.9/30"),))) == {(MAC, "10.0.0.8", "10.0.0.11")}


def test_everything_can_be_allowed() -> None:
    """0.0.0.0/0 is one element."""
    assert blocks(a_port("10.0.0.5", pairs=(("", "0.0.0.0/0"),))) == {(MAC, "0.0.0.0", "255.255.255.255")}


def test_each_mac_address_has_its_link_local_address_with_ipv6() -> None:
    """Neighbour discovery needs the link-local address; a port without IPv6 does not get it."""
    other = "fa:16:3e:00:00:02"
    with_ipv6 = blocks(a_port("2001:db8::5", pairs=((other, "10.0.0.5"),)))

    assert {(mac, first) for mac, first, _ in with_ipv6} == {
        (MAC, "2001:db8::5"),
        (MAC, "fe80::f816:3eff:fe00:1"),
        (other, "10.0.0.5"),
        (other, "fe80::f816:3eff:fe00:2"),
    }
    assert {first for _, first, _ in blocks(a_port("10.0.0.5"))} == {"10.0.0.5"}


@pytest.mark.parametrize(
    "fields",
    [
        {"mac_address": "fa:16"},
        {"ip_addresses": ("10.0.0.500",)},
        {"allowed_address_pairs": (AddressPair("no", "10.0.0.5"),)},
        {"allowed_address_pairs": (AddressPair("", "10.0.0.5/33"),)},
        {"device": ""},
        {"device": "a-name-of-sixteen"},
    ],
)
def test_what_is_no_address_is_refused(fields: dict[str, object]) -> None:
    """Nothing that the kernel would refuse gets as far as the kernel."""
    whole: dict[str, object] = {"id": "port", "device": "tap1", "mac_address": MAC} | fields

    with pytest.raises(ValueError):
        elements(FilteredPort(**whole))  # type: ignore[arg-type]


def test_a_device_is_shut_by_its_name() -> None:
    """A device that may say nothing is one element; what cannot be the name of a device needs none."""
    assert [element.device for element in shut("tap1")] == ["tap1"]
    assert shut("a-name-of-sixteen") == frozenset()

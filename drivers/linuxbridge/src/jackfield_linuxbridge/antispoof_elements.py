"""What one port may say, as elements of the sets that the rules ask.

    ports    device                            -> the chain that judges its frames
    macs     device . MAC address
    ipv4     device . MAC address . IPv4 block
    ipv6     device . MAC address . IPv6 block

A device is named, not numbered: its elements are there before the device is, so there is no moment
in which it is in a bridge and not judged.

The kernel refuses blocks of one key that overlap, as an allowed address pair of 10.0.0.0/24 does with
the port's own 10.0.0.5; they are merged here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from jackfield_sdk import AddressPair
from jackfield_sdk.addresses import canonical_mac, link_local

PORTS, MACS, IPV4, IPV6 = "ports", "macs", "ipv4", "ipv6"

# The chains that a device's frames can go to.
SECURED, UNADDRESSED, TRUSTED, SHUT = "secured", "unaddressed", "trusted", "shut"

# Keys are fields in registers of four bytes: a name with its NUL takes sixteen, a MAC address eight.
NAME_LENGTH = 16
_MAC_LENGTH = 8

Block = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class FilteredPort:
    """A port and its device on this host. A pair without MAC address is for the port's own.

    `port_security_enabled` is False for the ports of the network's own services as well: DHCP
    servers and routers speak for others by trade.
    """

    id: str
    device: str
    mac_address: str
    ip_addresses: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    port_security_enabled: bool = True


class Element(NamedTuple):
    """An element of a set; of `ports` with a chain, of `ipv4` and `ipv6` with the end of its range."""

    set: str
    key: bytes
    end: bytes = b""
    chain: str = ""

    @property
    def device(self) -> str:
        """The device that it is about."""
        return self.key[:NAME_LENGTH].rstrip(b"\0").decode(errors="replace")


def elements(port: FilteredPort) -> frozenset[Element]:
    """Return the elements of a port. ValueError if one of its addresses is none, or its device has no name."""
    if not port.port_security_enabled:
        return frozenset({_judge(port.device, TRUSTED)})
    return frozenset(_secured(port))


def shut(device: str) -> frozenset[Element]:
    """Return the elements of a device that may say nothing; none if no device can have the name."""
    return frozenset({_judge(device, SHUT)} if _is_name(device) else ())


def _judge(device: str, chain: str) -> Element:
    return Element(PORTS, _name(device), chain=chain)


def _secured(port: FilteredPort) -> Iterator[Element]:
    blocks = _blocks(port)
    yield _judge(port.device, SECURED if any(blocks.values()) else UNADDRESSED)
    has_ipv6 = any(isinstance(block, IPv6Network) for listed in blocks.values() for block in listed)
    for mac, listed in blocks.items():
        speaker = _name(port.device) + _mac(mac)
        yield Element(MACS, speaker)
        if has_ipv6:
            listed.append(ipaddress.ip_network(link_local(mac)))
        for block in _merged(listed):
            kind = IPV6 if isinstance(block, IPv6Network) else IPV4
            yield Element(kind, speaker + block[0].packed, speaker + block[-1].packed)


def _blocks(port: FilteredPort) -> dict[str, list[Block]]:
    own = canonical_mac(port.mac_address)
    blocks: dict[str, list[Block]] = {own: [ipaddress.ip_network(text) for text in port.ip_addresses]}
    for pair in port.allowed_address_pairs:
        mac = canonical_mac(pair.mac_address or own)
        blocks.setdefault(mac, []).append(ipaddress.ip_network(pair.ip_address, strict=False))
    return blocks


def _merged(blocks: Sequence[Block]) -> Iterator[Block]:
    yield from ipaddress.collapse_addresses(block for block in blocks if isinstance(block, IPv4Network))
    yield from ipaddress.collapse_addresses(block for block in blocks if isinstance(block, IPv6Network))


def _is_name(device: str) -> bool:
    return 0 < len(device.encode()) < NAME_LENGTH


def _name(device: str) -> bytes:
    if not _is_name(device):
        raise ValueError(f"{device!r} is no name of a device")
    return device.encode().ljust(NAME_LENGTH, b"\0")


def _mac(mac_address: str) -> bytes:
    return bytes.fromhex(mac_address.replace(":", "")).ljust(_MAC_LENGTH, b"\0")

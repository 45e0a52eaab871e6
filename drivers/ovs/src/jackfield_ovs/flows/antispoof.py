"""Anti-spoofing: a guest speaks only for the addresses that its port was given.

Three tables in a row, and what no rule lets through is dropped.
1. The source MAC address is the port's, or that of an allowed address pair.
2. Nobody announces what is not his: ARP (RFC 826) by sender MAC and IP, neighbour
   advertisements (RFC 4861) by target. Guests neither serve DHCP nor advertise routers.
3. The source IP address is one of the port's; asking for an address is allowed before one is
   had (DHCP from 0.0.0.0, duplicate address detection and MLD from ::, RFC 4862 and 3810).

A port without any address is on a network without subnets, where there is no truth to hold its
words against: then only its MAC address is checked, and the servers are still kept out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jackfield_ovs.addresses import canonical_block, canonical_mac, link_local
from jackfield_ovs.flows.flow import DROP, Flow

SOURCE_MAC = FIRST = 24
ANNOUNCED = 25
SOURCE_IP = 26
PASSED = 60

_ANNOUNCE = f"goto_table:{ANNOUNCED}"
_SOURCE = f"goto_table:{SOURCE_IP}"
_PASS = f"goto_table:{PASSED}"

# ICMPv6 types that a host sends from the unspecified address: router solicitation, neighbour
# solicitation for duplicate address detection, MLDv1 report and done, MLDv2 report.
_UNSPECIFIED_TYPES = (133, 135, 131, 132, 143)
_ADVERTISEMENT = 136
_ROUTER_ADVERTISEMENT = 134


@dataclass(frozen=True, slots=True)
class Address:
    """A MAC address with an IP address or block in canonical text, as the port may use them."""

    mac_address: str
    block: str

    @property
    def is_ipv6(self) -> bool:
        """True for IPv6."""
        return ":" in self.block

    @property
    def is_any(self) -> bool:
        """True if the block is the whole address family."""
        return self.block.endswith("/0")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a port may send from: its MAC addresses, and the IP addresses used with each."""

    mac_addresses: tuple[str, ...]
    addresses: tuple[Address, ...]


def rules(mac_address: str, ip_addresses: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> Rules:
    """Gather the rules of a port from its own addresses and its allowed (MAC, block) pairs.

    Every MAC address may use its own IPv6 link-local address as well, if the port has IPv6 at
    all. ValueError if something is no address.
    """
    own = [(mac_address, ip_address) for ip_address in ip_addresses]
    given = [Address(canonical_mac(mac or mac_address), canonical_block(text)) for mac, text in (*own, *pairs)]
    macs = tuple(sorted({canonical_mac(mac_address), *(address.mac_address for address in given)}))
    if any(address.is_ipv6 for address in given):
        given += [Address(mac, link_local(mac)) for mac in macs]
    unique = sorted(set(given), key=lambda address: (address.mac_address, address.block))
    return Rules(macs, tuple(unique))


def common_flows() -> Iterator[Flow]:
    """Yield the rules that hold for every port with port security."""
    for table in (SOURCE_MAC, ANNOUNCED, SOURCE_IP):
        yield Flow(table, 0, "", DROP)
    yield Flow(ANNOUNCED, 50, "udp,tp_src=67,tp_dst=68", DROP)
    yield Flow(ANNOUNCED, 50, "udp6,tp_src=547,tp_dst=546", DROP)
    yield Flow(ANNOUNCED, 50, f"icmp6,icmp_type={_ROUTER_ADVERTISEMENT}", DROP)
    yield Flow(ANNOUNCED, 20, "arp", DROP)
    yield Flow(ANNOUNCED, 20, f"icmp6,icmp_type={_ADVERTISEMENT}", DROP)
    yield Flow(ANNOUNCED, 10, "", _SOURCE)


def guest_flows(ofport: int, allowed: Rules) -> Iterator[Flow]:
    """Yield the rules of one port."""
    for mac in allowed.mac_addresses:
        yield Flow(SOURCE_MAC, 10, f"in_port={ofport},dl_src={mac}", _ANNOUNCE)
    if not allowed.addresses:
        yield from _without_addresses(ofport, allowed)
        return
    yield from _before_an_address(ofport, allowed)
    for address in allowed.addresses:
        yield from _ipv6(ofport, address) if address.is_ipv6 else _ipv4(ofport, address)


def _without_addresses(ofport: int, allowed: Rules) -> Iterator[Flow]:
    for mac in allowed.mac_addresses:
        yield Flow(ANNOUNCED, 30, f"arp,in_port={ofport},arp_sha={mac}", _PASS)
    yield Flow(ANNOUNCED, 30, f"icmp6,in_port={ofport},icmp_type={_ADVERTISEMENT}", _PASS)
    yield Flow(SOURCE_IP, 10, f"in_port={ofport}", _PASS)


def _before_an_address(ofport: int, allowed: Rules) -> Iterator[Flow]:
    for mac in allowed.mac_addresses:
        # An ARP probe claims nothing: its sender address is zero (RFC 5227).
        probe = f"arp,in_port={ofport},arp_op=1,arp_spa=0.0.0.0,arp_sha={mac}"
        yield Flow(ANNOUNCED, 30, probe, _PASS)
    request = f"udp,in_port={ofport},nw_src=0.0.0.0,tp_src=68,tp_dst=67"
    yield Flow(SOURCE_IP, 10, request, _PASS)
    if any(address.is_ipv6 for address in allowed.addresses):
        for icmp_type in _UNSPECIFIED_TYPES:
            match = f"icmp6,in_port={ofport},ipv6_src=::,icmp_type={icmp_type}"
            yield Flow(SOURCE_IP, 10, match, _PASS)


def _ipv4(ofport: int, address: Address) -> Iterator[Flow]:
    mac = address.mac_address
    sender = "" if address.is_any else f",arp_spa={address.block}"
    source = "" if address.is_any else f",nw_src={address.block}"
    arp = f"arp,in_port={ofport},dl_src={mac},arp_sha={mac}{sender}"
    yield Flow(ANNOUNCED, 30, arp, _PASS)
    yield Flow(SOURCE_IP, 10, f"ip,in_port={ofport},dl_src={mac}{source}", _PASS)


def _ipv6(ofport: int, address: Address) -> Iterator[Flow]:
    mac = address.mac_address
    target = "" if address.is_any else f",nd_target={address.block}"
    source = "" if address.is_any else f",ipv6_src={address.block}"
    advertisement = f"icmp6,in_port={ofport},dl_src={mac},icmp_type={_ADVERTISEMENT}{target}"
    yield Flow(ANNOUNCED, 30, advertisement, _SOURCE)
    yield Flow(SOURCE_IP, 10, f"ipv6,in_port={ofport},dl_src={mac}{source}", _PASS)

"""What a guest may send and what not: one table, by which the agents of all drivers are measured.

The guest is always the same one. Its port has one IPv4 and one IPv6 address, and allowed address pairs: a single
address, a block, a block of IPv6, and another MAC address with an address of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from support import frames
from support.frames import (
    ALL_NODES_MAC,
    ARP,
    AUTHENTICATION,
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    IPV4,
    IPV6,
    PADDING,
    RARP,
    ROUTING,
    STACKED,
    UDP,
    authentication_header,
    ethernet,
    fragment_header,
    icmpv6,
    ipv4,
    ipv6,
    neighbour,
    options_header,
    tagged,
    udp,
)

MAC = "fa:16:3e:00:07:01"
OWN = "192.168.7.1"
OWN_V6 = "2001:db8:7::1"
LINK_LOCAL = "fe80::f816:3eff:fe00:701"
PAIR_MAC = "fa:16:3e:00:07:99"
PAIR_LINK_LOCAL = "fe80::f816:3eff:fe00:799"
PAIRS = (
    ("", "192.168.7.77"),
    ("", "192.168.77.0/28"),
    ("", "2001:db8:77::/64"),
    (PAIR_MAC, "192.168.7.99"),
)

STRANGER_MAC = "fa:16:3e:66:66:66"
STRANGER = "192.168.7.66"
STRANGER_V6 = "2001:db8:7::66"
STRANGER_LINK_LOCAL = "fe80::f816:3eff:fe66:6666"
NOTHING, NOTHING_V6 = "0.0.0.0", "::"

BPDU_GROUP = "01:80:c2:00:00:00"
LLDP_GROUP = "01:80:c2:00:00:0e"
PORT_AUTHENTICATION_GROUP = "01:80:c2:00:00:03"

# Don't Fragment is 0x4000; More Fragments; an offset of 8 bytes.
_MORE, _LATER = 0x2000, 0x2001

Make = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A frame, made with its mark, and whether it arrives."""

    name: str
    make: Make
    passes: bool


def _passes(**makes: Make) -> list[Case]:
    return [Case(name, make, True) for name, make in makes.items()]


def _dropped(**makes: Make) -> list[Case]:
    return [Case(name, make, False) for name, make in makes.items()]


def _four(source: str, payload: bytes, mac: str = MAC, *, fragment: int = 0, options: bytes = b"") -> bytes:
    return ethernet(IPV4, ipv4(source, payload, fragment=fragment, options=options), mac)


def _six(source: str, following: int, payload: bytes, mac: str = MAC) -> bytes:
    return ethernet(IPV6, ipv6(source, following, payload), mac, ALL_NODES_MAC)


def _nd(kind: int, target: str, source: str, end: bytes, mac: str = MAC) -> bytes:
    return _six(source, ICMPV6, neighbour(kind, target, source, end), mac)


def _arp(
    operation: int, mac: str, ip: str, end: bytes, ether: str = "", *, kind: int = ARP, hardware: int = 1
) -> bytes:
    return ethernet(kind, frames.arp(operation, mac, ip, end, hardware=hardware), ether or mac)


def _any(end: bytes) -> bytes:
    return udp(5000, 5000, end)


def _router(end: bytes) -> bytes:
    return icmpv6(134, bytes(12) + end, LINK_LOCAL)


def _lie(end: bytes, source: str = LINK_LOCAL) -> bytes:
    return neighbour(136, STRANGER_V6, source, end)


def lie_to(group: str) -> bytes:
    """Return a frame from a strange MAC address to a group."""
    return ethernet(IPV4, ipv4(OWN, _any(b"")), STRANGER_MAC, group)


OWN_ADDRESSES = _passes(
    ipv4=lambda end: _four(OWN, _any(end)),
    ipv4_with_options=lambda end: _four(OWN, _any(end), options=b"\x01\x01\x01\x00"),
    ipv4_first_fragment=lambda end: _four(OWN, udp(5000, 5000, end), fragment=_MORE),
    ipv4_later_fragment=lambda end: _four(OWN, end, fragment=_LATER),
    ipv6=lambda end: _six(OWN_V6, UDP, _any(end)),
    ipv6_link_local=lambda end: _six(LINK_LOCAL, UDP, _any(end)),
    ipv6_behind_options=lambda end: _six(OWN_V6, DESTINATION_OPTIONS, options_header(UDP, _any(end))),
    ipv6_behind_authentication=lambda end: _six(OWN_V6, AUTHENTICATION, authentication_header(UDP, _any(end))),
    ipv6_first_fragment=lambda end: _six(OWN_V6, FRAGMENT, fragment_header(UDP, _any(end))),
    ipv6_later_fragment=lambda end: _six(OWN_V6, FRAGMENT, fragment_header(UDP, end, offset=8)),
    arp_request=lambda end: _arp(1, MAC, OWN, end),
    arp_reply=lambda end: _arp(2, MAC, OWN, end),
    arp_probe=lambda end: _arp(1, MAC, NOTHING, end),
    rarp_announcement=lambda end: _arp(3, MAC, NOTHING, end, kind=RARP),
    neighbour_solicitation=lambda end: _nd(135, STRANGER_V6, OWN_V6, end),
    neighbour_advertisement=lambda end: _nd(136, OWN_V6, OWN_V6, end),
    advertisement_of_link_local=lambda end: _nd(136, LINK_LOCAL, LINK_LOCAL, end),
    duplicate_address_detection=lambda end: _nd(135, OWN_V6, NOTHING_V6, end),
    router_solicitation=lambda end: _six(NOTHING_V6, ICMPV6, icmpv6(133, bytes(4) + end, NOTHING_V6)),
    dhcp_discover=lambda end: _four(NOTHING, udp(68, 67, end)),
    dhcp_renewal=lambda end: _four(OWN, udp(68, 67, end)),
    dhcpv6_solicit=lambda end: _six(LINK_LOCAL, UDP, udp(546, 547, end)),
    priority_tag=lambda end: tagged(_four(OWN, _any(end)), 0),
)

ALLOWED_ADDRESS_PAIRS = _passes(
    single_address=lambda end: _four("192.168.7.77", _any(end)),
    block=lambda end: _four("192.168.77.15", _any(end)),
    arp_for_block=lambda end: _arp(1, MAC, "192.168.77.3", end),
    ipv6_block=lambda end: _six("2001:db8:77::abcd", UDP, _any(end)),
    advertisement_for_block=lambda end: _nd(136, "2001:db8:77::1", LINK_LOCAL, end),
    other_mac=lambda end: _four("192.168.7.99", _any(end), PAIR_MAC),
    arp_of_other_mac=lambda end: _arp(2, PAIR_MAC, "192.168.7.99", end),
    link_local_of_other_mac=lambda end: _six(PAIR_LINK_LOCAL, UDP, _any(end), PAIR_MAC),
) + _dropped(
    beside_the_block=lambda end: _four("192.168.77.16", _any(end)),
    arp_beside_the_block=lambda end: _arp(1, MAC, "192.168.77.16", end),
    beside_the_ipv6_block=lambda end: _six("2001:db8:78::1", UDP, _any(end)),
    advertisement_beside_the_block=lambda end: _nd(136, "2001:db8:78::1", LINK_LOCAL, end),
    own_address_from_other_mac=lambda end: _four(OWN, _any(end), PAIR_MAC),
    others_address_from_own_mac=lambda end: _four("192.168.7.99", _any(end)),
    arp_with_other_ether_source=lambda end: _arp(1, MAC, OWN, end, PAIR_MAC),
    arp_with_other_sender_mac=lambda end: _arp(1, PAIR_MAC, OWN, end, MAC),
)

STRANGE_MAC = _dropped(
    ipv4_from_strange_mac=lambda end: _four(OWN, _any(end), STRANGER_MAC),
    ipv6_from_strange_mac=lambda end: _six(OWN_V6, UDP, _any(end), STRANGER_MAC),
    arp_from_strange_mac=lambda end: _arp(1, MAC, OWN, end, STRANGER_MAC),
    arp_names_strange_mac=lambda end: _arp(1, STRANGER_MAC, OWN, end, MAC),
    arp_probe_names_strange_mac=lambda end: _arp(1, STRANGER_MAC, NOTHING, end, MAC),
    rarp_names_strange_mac=lambda end: _arp(3, STRANGER_MAC, NOTHING, end, MAC, kind=RARP),
    dhcp_discover_from_strange_mac=lambda end: _four(NOTHING, udp(68, 67, end), STRANGER_MAC),
)

STRANGE_IP = _dropped(
    strange_ipv4=lambda end: _four(STRANGER, _any(end)),
    strange_ipv4_fragment=lambda end: _four(STRANGER, end, fragment=_LATER),
    no_ipv4=lambda end: _four(NOTHING, _any(end)),
    strange_ipv6=lambda end: _six(STRANGER_V6, UDP, _any(end)),
    strange_link_local=lambda end: _six(STRANGER_LINK_LOCAL, UDP, _any(end)),
    no_ipv6=lambda end: _six(NOTHING_V6, UDP, _any(end)),
    arp_request_of_stranger=lambda end: _arp(1, MAC, STRANGER, end),
    arp_reply_of_stranger=lambda end: _arp(2, MAC, STRANGER, end),
    arp_reply_of_nobody=lambda end: _arp(2, MAC, NOTHING, end),
    arp_of_other_hardware=lambda end: _arp(1, MAC, OWN, end, hardware=6),
    rarp_reply=lambda end: _arp(4, MAC, OWN, end, kind=RARP),
    strange_advertisement=lambda end: _six(LINK_LOCAL, ICMPV6, _lie(end)),
    strange_advertisement_behind_options=lambda end: _six(
        LINK_LOCAL, DESTINATION_OPTIONS, options_header(ICMPV6, _lie(end))
    ),
    strange_advertisement_in_fragment=lambda end: _six(LINK_LOCAL, FRAGMENT, fragment_header(ICMPV6, _lie(end))),
    own_advertisement_from_stranger=lambda end: _nd(136, OWN_V6, STRANGER_V6, end),
    duplicate_of_stranger=lambda end: _nd(135, STRANGER_V6, NOTHING_V6, end),
)

SERVERS = _dropped(
    dhcp_offer=lambda end: _four(OWN, udp(67, 68, end)),
    dhcp_offer_from_any_port=lambda end: _four(OWN, udp(5000, 68, end)),
    dhcp_offer_with_options=lambda end: _four(OWN, udp(67, 68, end), options=b"\x01\x01\x01\x00"),
    dhcp_offer_in_fragment=lambda end: _four(OWN, udp(67, 68, end), fragment=_MORE),
    dhcpv6_reply=lambda end: _six(LINK_LOCAL, UDP, udp(547, 546, end)),
    dhcpv6_reply_behind_options=lambda end: _six(
        LINK_LOCAL, DESTINATION_OPTIONS, options_header(UDP, udp(547, 546, end))
    ),
    dhcpv6_reply_in_fragment=lambda end: _six(LINK_LOCAL, FRAGMENT, fragment_header(UDP, udp(547, 546, end))),
    router_advertisement=lambda end: _six(LINK_LOCAL, ICMPV6, _router(end)),
    router_advertisement_behind_options=lambda end: _six(LINK_LOCAL, HOP_BY_HOP, options_header(ICMPV6, _router(end))),
    router_advertisement_in_fragment=lambda end: _six(LINK_LOCAL, FRAGMENT, fragment_header(ICMPV6, _router(end))),
    router_advertisement_behind_route=lambda end: _six(LINK_LOCAL, ROUTING, options_header(ICMPV6, _router(end))),
    router_advertisement_in_atomic_fragment=lambda end: _six(
        LINK_LOCAL, FRAGMENT, fragment_header(ICMPV6, _router(end), more=False)
    ),
    router_advertisement_in_fragment_of_fragment=lambda end: _six(
        LINK_LOCAL, FRAGMENT, fragment_header(FRAGMENT, fragment_header(ICMPV6, _router(end)), more=False)
    ),
    # The upper header is in the next fragment, where nobody can judge it.
    first_fragment_of_headers_only=lambda end: _six(
        LINK_LOCAL, FRAGMENT, fragment_header(DESTINATION_OPTIONS, bytes([ICMPV6, 2]) + PADDING + end)
    ),
)

NOT_OF_THIS_NETWORK = _dropped(
    vlan_tag=lambda end: tagged(_four(OWN, _any(end)), 100),
    vlan_tag_on_arp=lambda end: tagged(_arp(1, MAC, STRANGER, end), 100),
    vlan_tag_behind_priority_tag=lambda end: tagged(tagged(_four(OWN, _any(end)), 100), 0),
    stacked_tag=lambda end: tagged(_four(OWN, _any(end)), 100, STACKED),
    spanning_tree=lambda end: ethernet(0x0026, b"\x42\x42\x03" + bytes(35) + end, MAC, BPDU_GROUP),
)

OTHER_PROTOCOL = _dropped(other_protocol=lambda end: ethernet(0x88B5, end, MAC))

SECURED = [
    *OWN_ADDRESSES,
    *ALLOWED_ADDRESS_PAIRS,
    *STRANGE_MAC,
    *STRANGE_IP,
    *SERVERS,
    *NOT_OF_THIS_NETWORK,
    *OTHER_PROTOCOL,
]
"""A port with port security and the pairs."""


def _free(cases: Iterable[Case]) -> list[Case]:
    return [Case(case.name, case.make, True) for case in cases]


TRUSTED = [*_free([*OWN_ADDRESSES, *STRANGE_MAC, *STRANGE_IP, *SERVERS, *OTHER_PROTOCOL]), *NOT_OF_THIS_NETWORK]
"""A port without port security, or of the network's own services."""

UNADDRESSED = [
    *_free([*OWN_ADDRESSES, *OTHER_PROTOCOL]),
    *STRANGE_MAC,
    *SERVERS,
    *NOT_OF_THIS_NETWORK,
    *_passes(any_ipv4=lambda end: _four(STRANGER, _any(end)), any_ipv6=lambda end: _six(STRANGER_V6, UDP, _any(end))),
    *_passes(
        any_arp=lambda end: _arp(1, MAC, STRANGER, end),
        any_advertisement=lambda end: _six(LINK_LOCAL, ICMPV6, _lie(end)),
    ),
]
"""A port without addresses and pairs."""

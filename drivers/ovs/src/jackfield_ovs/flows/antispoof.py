"""Anti-spoofing: a guest speaks only for the addresses that its port was given.

Four tables in a row, and what no rule lets through is dropped.
0. No frame carries a VLAN tag. A priority tag, which names no VLAN, is taken off first: what is behind it
   could be a tag that comes to light on a flat network.
1. The source MAC address is the port's, or that of an allowed address pair.
2. Nobody announces what is not his: ARP (RFC 826) by sender MAC and IP, neighbour advertisements
   (RFC 4861) by target. Guests neither answer as DHCP servers nor advertise routers.
3. The source IP address is one of the port's; asking for an address is allowed before one is
   had (DHCP from 0.0.0.0, duplicate address detection and MLD from ::, RFC 4862 and 3810).

A port without any address is on a network without subnets, where there is no truth to hold its
words against: then only its MAC address is checked, and the servers are still kept out. A port
without port security passes a table like the first alone.

The rules about ports and ICMPv6 types see the first fragment of a packet only if the bridge looks into
fragments (`openflow`). A packet whose headers end before that is dropped (RFC 7112).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jackfield_sdk.addresses import canonical_block, canonical_mac, link_local

from jackfield_ovs.flows.flow import DROP, Flow

UNTAGGED = FIRST = 23
SOURCE_MAC = 24
ANNOUNCED = 25
SOURCE_IP = 26
TRUSTED = 27
PASSED = 60

_MAC = f"goto_table:{SOURCE_MAC}"
_ANNOUNCE = f"goto_table:{ANNOUNCED}"
_SOURCE = f"goto_table:{SOURCE_IP}"
_PASS = f"goto_table:{PASSED}"

# A tag with the VLAN 0, and one with any (0x1000 is OpenFlow's bit for its presence).
_PRIORITY_TAG, _TAG = "vlan_tci=0x1000/0x1fff", "vlan_tci=0x1000/0x1000"

# Of two tags a switch with a vlan-limit of 1, the default, reads only the outer one, and then takes the Ethernet type
# of the inner one (IEEE 802.1Q) for that of the frame.
_TAGGED = (_TAG, "dl_type=0x8100", "dl_type=0x88a8")

# What is said to the clients of DHCP and DHCPv6, from whatever port, and by routers.
_ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT = 134, 135, 136
_OF_SERVERS = ("udp,tp_dst=68", "udp6,tp_dst=546", f"icmp6,icmp_type={_ROUTER_ADVERTISEMENT}")

# IPv6 packets whose upper header is not where it can be judged. The user-space datapath knows no protocol of them
# then, the kernel's says that there is no next header, or reads a type of 0, which does not exist.
_CUT_SHORT = ("ipv6,nw_proto=0", "ipv6,ip_frag=first,nw_proto=59", "icmp6,ip_frag=first,icmp_type=0")

# ICMPv6 types that a host sends from the unspecified address, beside neighbour solicitations for
# duplicate address detection: router solicitation, MLDv1 report and done, MLDv2 report.
_UNSPECIFIED_TYPES = (133, 131, 132, 143)


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
    """Yield the rules that hold for every port."""
    for table, onward in ((UNTAGGED, _MAC), (TRUSTED, _PASS)):
        yield Flow(table, 20, _PRIORITY_TAG, f"pop_vlan,resubmit(,{table})")
        yield from (Flow(table, 10, match, DROP) for match in _TAGGED)
        yield Flow(table, 0, "", onward)
    for table in (SOURCE_MAC, ANNOUNCED, SOURCE_IP):
        yield Flow(table, 0, "", DROP)
    for match in (*_OF_SERVERS, *_CUT_SHORT):
        yield Flow(ANNOUNCED, 50, match, DROP)
    for match in ("arp", "rarp", f"icmp6,icmp_type={_ADVERTISEMENT}"):
        yield Flow(ANNOUNCED, 20, match, DROP)
    yield Flow(ANNOUNCED, 10, "", _SOURCE)


def guest_flows(ofport: int, allowed: Rules) -> Iterator[Flow]:
    """Yield the rules of one port."""
    for mac in allowed.mac_addresses:
        yield Flow(SOURCE_MAC, 10, f"in_port={ofport},dl_src={mac}", _ANNOUNCE)
        # A hypervisor announces with a RARP request where a machine has moved to.
        moved = f"rarp,in_port={ofport},dl_src={mac},arp_op=3,arp_sha={mac}"
        yield Flow(ANNOUNCED, 30, moved, _PASS)
    if not allowed.addresses:
        yield from _without_addresses(ofport, allowed)
        return
    yield from _before_an_address(ofport, allowed)
    for address in allowed.addresses:
        yield from _ipv6(ofport, address) if address.is_ipv6 else _ipv4(ofport, address)


def _without_addresses(ofport: int, allowed: Rules) -> Iterator[Flow]:
    for mac in allowed.mac_addresses:
        yield Flow(ANNOUNCED, 30, f"arp,in_port={ofport},dl_src={mac},arp_sha={mac}", _PASS)
    yield Flow(ANNOUNCED, 30, f"icmp6,in_port={ofport},icmp_type={_ADVERTISEMENT}", _PASS)
    yield Flow(SOURCE_IP, 10, f"in_port={ofport}", _PASS)


def _before_an_address(ofport: int, allowed: Rules) -> Iterator[Flow]:
    for mac in allowed.mac_addresses:
        # An ARP probe claims nothing: its sender address is zero (RFC 5227).
        probe = f"arp,in_port={ofport},dl_src={mac},arp_op=1,arp_spa=0.0.0.0,arp_sha={mac}"
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
    of_guest = f"in_port={ofport},dl_src={mac}"
    yield Flow(ANNOUNCED, 30, f"icmp6,{of_guest},icmp_type={_ADVERTISEMENT}{target}", _SOURCE)
    detection = f"icmp6,{of_guest},ipv6_src=::,icmp_type={_SOLICITATION}{target}"
    yield Flow(SOURCE_IP, 10, detection, _PASS)
    yield Flow(SOURCE_IP, 10, f"ipv6,{of_guest}{source}", _PASS)

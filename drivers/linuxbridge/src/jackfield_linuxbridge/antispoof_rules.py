"""The rules, the same on every host: what a port may say is in the sets, not here.

Frames are judged as they enter a bridge, before it learns from them. `prerouting` sees them all but
those for a reserved group address (802.1X), of which a bridge learns as well: these pass `input`.
A device that is not in `ports` is no guest's and not judged.

Each frame costs one look into `ports` and some fifteen rules, however many ports there are.

Two traps. A match that reads behind the end of a frame does not match, so nothing may pass for *not* matching
there: neighbour advertisements are dropped unless their target can be read and is allowed. And where headers
are broken, no protocol is known and all rules about protocols would miss: `servers` drops such packets, and
first fragments that end before their upper header (RFC 7112).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from jackfield_linuxbridge.antispoof_elements import IPV4, IPV6, MACS, PORTS, SECURED, SHUT, TRUSTED, UNADDRESSED
from jackfield_linuxbridge.antispoof_expressions import (
    ARP_FORMAT,
    ARP_IP,
    ARP_MAC,
    ARP_OPERATION,
    DESTINATION_MAC,
    DESTINATION_PORT,
    DEVICE,
    DROP,
    ETHER_TYPE,
    FRAGMENT_OFFSET,
    ICMPV6_TYPE,
    IPV4_SOURCE,
    IPV6_SOURCE,
    L4_PROTOCOL,
    ND_TARGET,
    PASS,
    PROTOCOL,
    RETURN,
    SOURCE_MAC,
    SOURCE_PORT,
    UPPER_HEADER,
    VLAN_TAG,
    Steps,
    equal,
    goto,
    judged_by,
    jump,
    known,
    listed,
    masked_equal,
    masked_unequal,
    unequal,
    unlisted,
)

# Ethernet types (IEEE 802) and IP protocols (IANA).
ETHER_IPV4, ETHER_ARP, ETHER_RARP, ETHER_IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
ETHER_VLAN, ETHER_STACKED = 0x8100, 0x88A8
UDP, ICMPV6 = 17, 58

# Hardware type Ethernet, protocol IPv4, addresses of six and four bytes (RFC 826).
ARP_FOR_IPV4 = 0x0001_0800_06_04
ARP_REQUEST, RARP_REQUEST = 1, 3

# RFC 4861.
ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT = 134, 135, 136
# What else a host sends from the unspecified address: router solicitation, MLDv1 report and done, MLDv2 report.
FROM_UNSPECIFIED = (133, 131, 132, 143)

# 01:80:c2:00:00:00 to :0f: what a bridge does not forward (IEEE 802.1Q, table 8-1).
RESERVED_GROUP, RESERVED_MASK = 0x0180_C200_0000, 0xFFFF_FFFF_FFF0

# Fields of less than a byte: the VLAN of a tag, and the offset of an IPv6 fragment (RFC 8200, 4.5).
VLAN_ID, OFFSET_BITS = 0x0FFF, 0xFFF8

PREROUTING, INPUT = "prerouting", "input"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: why it is there, and its steps. What drops also counts."""

    why: str
    steps: Steps

    @property
    def comment(self) -> str:
        """What is written beside the rule: why, and a digest that tells if it is still the same."""
        return f"{self.why} #{hashlib.blake2s(repr(self.steps).encode(), digest_size=4).hexdigest()}"


def rule(why: str, *parts: Steps) -> Rule:
    """Put a rule together of matches, all of which have to hold, and a verdict."""
    return Rule(why, tuple(step for part in parts for step in part))


_EACH_BY_ITS_OWN = (rule("each guest by its own chain", judged_by(PORTS, DEVICE)),)

_UNTAGGED = (
    rule("reserved group address", masked_equal(DESTINATION_MAC, RESERVED_MASK, RESERVED_GROUP), DROP),
    rule("stacked VLAN tag", equal(ETHER_TYPE, ETHER_STACKED), DROP),
    rule("VLAN tag", equal(ETHER_TYPE, ETHER_VLAN), masked_unequal(VLAN_TAG, VLAN_ID, 0), DROP),
    rule("second VLAN tag", equal(PROTOCOL, ETHER_VLAN), DROP),
    rule("second VLAN tag", equal(PROTOCOL, ETHER_STACKED), DROP),
)

_SERVERS = (
    rule("to a DHCP client", equal(PROTOCOL, ETHER_IPV4), equal(L4_PROTOCOL, UDP), equal(DESTINATION_PORT, 68), DROP),
    rule(
        "to a DHCPv6 client", equal(PROTOCOL, ETHER_IPV6), equal(L4_PROTOCOL, UDP), equal(DESTINATION_PORT, 546), DROP
    ),
    rule("router advertisement", equal(L4_PROTOCOL, ICMPV6), equal(ICMPV6_TYPE, ROUTER_ADVERTISEMENT), DROP),
    rule("beginning of a fragmented packet", masked_equal(FRAGMENT_OFFSET, OFFSET_BITS, 0), goto("first_fragment")),
    rule("headers that can be read", known(L4_PROTOCOL), RETURN),
    rule("headers that cannot be read", DROP),
)

_FIRST_FRAGMENT = (
    rule("upper header", known(UPPER_HEADER), RETURN),
    rule("upper header in a later fragment", DROP),
)

_SECURED = (
    rule("no VLAN tags", jump("untagged")),
    rule("source MAC address", unlisted(MACS, DEVICE, SOURCE_MAC), DROP),
    rule("ARP", equal(PROTOCOL, ETHER_ARP), goto("from_arp")),
    rule("IPv4", equal(PROTOCOL, ETHER_IPV4), goto("from_ipv4")),
    rule("IPv6", equal(PROTOCOL, ETHER_IPV6), goto("from_ipv6")),
    rule("RARP", equal(PROTOCOL, ETHER_RARP), goto("from_rarp")),
    rule("other protocol", DROP),
)

_FROM_ARP = (
    rule("ARP for other than IPv4", unequal(ARP_FORMAT, ARP_FOR_IPV4), DROP),
    rule("ARP sender MAC address", unlisted(MACS, DEVICE, ARP_MAC), DROP),
    # It claims nothing (RFC 5227).
    rule("ARP probe", equal(ARP_OPERATION, ARP_REQUEST), equal(ARP_IP, 0), PASS),
    rule("ARP from a strange MAC address", unlisted(IPV4, DEVICE, SOURCE_MAC, ARP_IP), DROP),
    rule("ARP sender", listed(IPV4, DEVICE, ARP_MAC, ARP_IP), PASS),
    rule("ARP sender IP address", DROP),
)

# A hypervisor announces with a request where a machine has moved to; an answer would come from a server.
_FROM_RARP = (
    rule("RARP request", equal(ARP_OPERATION, RARP_REQUEST), listed(MACS, DEVICE, ARP_MAC), PASS),
    rule("RARP", DROP),
)

_FROM_IPV4 = (
    rule("no servers", jump("servers")),
    rule("source", equal(PROTOCOL, ETHER_IPV4), listed(IPV4, DEVICE, SOURCE_MAC, IPV4_SOURCE), PASS),
    rule(
        "DHCP client",
        equal(PROTOCOL, ETHER_IPV4),
        equal(IPV4_SOURCE, 0),
        equal(L4_PROTOCOL, UDP),
        equal(SOURCE_PORT, 68),
        equal(DESTINATION_PORT, 67),
        PASS,
    ),
    rule("source IPv4 address", DROP),
)

_FROM_IPV6 = (
    rule("no servers", jump("servers")),
    rule(
        "neighbour advertisement", equal(L4_PROTOCOL, ICMPV6), equal(ICMPV6_TYPE, ADVERTISEMENT), goto("advertisement")
    ),
    rule("unspecified source", equal(PROTOCOL, ETHER_IPV6), equal(IPV6_SOURCE, 0), goto("unspecified")),
    rule("source", goto("source_ipv6")),
)

_ADVERTISEMENT = (
    rule("target", listed(IPV6, DEVICE, SOURCE_MAC, ND_TARGET), goto("source_ipv6")),
    rule("neighbour advertisement target", DROP),
)

_UNSPECIFIED = (
    *(
        rule("before an address", equal(L4_PROTOCOL, ICMPV6), equal(ICMPV6_TYPE, icmp_type), PASS)
        for icmp_type in FROM_UNSPECIFIED
    ),
    rule(
        "duplicate address detection",
        equal(L4_PROTOCOL, ICMPV6),
        equal(ICMPV6_TYPE, SOLICITATION),
        listed(IPV6, DEVICE, SOURCE_MAC, ND_TARGET),
        PASS,
    ),
    rule("unspecified source IPv6 address", DROP),
)

_SOURCE_IPV6 = (
    rule("source", equal(PROTOCOL, ETHER_IPV6), listed(IPV6, DEVICE, SOURCE_MAC, IPV6_SOURCE), PASS),
    rule("source IPv6 address", DROP),
)

_UNADDRESSED = (
    rule("no VLAN tags", jump("untagged")),
    rule("source MAC address", unlisted(MACS, DEVICE, SOURCE_MAC), DROP),
    rule("ARP sender MAC address", equal(PROTOCOL, ETHER_ARP), unlisted(MACS, DEVICE, ARP_MAC), DROP),
    rule("no servers", equal(PROTOCOL, ETHER_IPV4), jump("servers")),
    rule("no servers", equal(PROTOCOL, ETHER_IPV6), jump("servers")),
    rule("RARP", equal(PROTOCOL, ETHER_RARP), goto("from_rarp")),
    rule("any address", PASS),
)

# Chains that others go to come first: the kernel takes a rule only if its target is there.
CHAINS: Mapping[str, tuple[Rule, ...]] = {
    "untagged": _UNTAGGED,
    "first_fragment": _FIRST_FRAGMENT,
    "servers": _SERVERS,
    "source_ipv6": _SOURCE_IPV6,
    "advertisement": _ADVERTISEMENT,
    "unspecified": _UNSPECIFIED,
    "from_arp": _FROM_ARP,
    "from_rarp": _FROM_RARP,
    "from_ipv4": _FROM_IPV4,
    "from_ipv6": _FROM_IPV6,
    SECURED: _SECURED,
    UNADDRESSED: _UNADDRESSED,
    TRUSTED: (rule("no VLAN tags", jump("untagged")), rule("trusted", PASS)),
    SHUT: (rule("port with a wrong address", DROP),),
    PREROUTING: _EACH_BY_ITS_OWN,
    INPUT: _EACH_BY_ITS_OWN,
}

"""The tunnel bridge: local VLANs on one side, tunnel keys on the other.

A frame from the integration bridge goes to exactly one endpoint if its destination is a port
that the core named, and to the endpoints of its network if it is broadcast or multicast. Nothing
is learned from traffic: the core knows where every port is. A frame from a tunnel gets the local
VLAN that belongs to its key. The types have separate key spaces, so each has its own table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jackfield_ovs.flows.flow import DROP, Flow, tag_as

CLASSIFY = 0
OUTBOUND = 2
INBOUND: Mapping[str, int] = {"gre": 3, "vxlan": 4, "geneve": 6}
UNICAST = 20
FLOOD = 22

# The group bit of a destination MAC address: broadcast and multicast have it (IEEE 802).
_GROUP = "01:00:00:00:00:00/01:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class TunnelPort:
    """A tunnel to one endpoint."""

    tunnel_type: str
    ofport: int


@dataclass(frozen=True, slots=True)
class TunnelNetwork:
    """A network: its key, the tunnels to all its endpoints, and the tunnel of each MAC address."""

    tunnel_type: str
    local_vlan: int
    key: int
    flood: tuple[int, ...]
    unicast: tuple[tuple[str, int], ...]


def tunnel_flows(
    integration: int | None,
    ports: tuple[TunnelPort, ...],
    networks: tuple[TunnelNetwork, ...],
    *,
    flood_unknown_unicast: bool,
) -> Iterator[Flow]:
    """Yield the rules; `integration` is the patch port, None until it exists."""
    yield from _skeleton(flood_unknown_unicast)
    for port in ports:
        table = INBOUND[port.tunnel_type]
        yield Flow(CLASSIFY, 1, f"in_port={port.ofport}", f"goto_table:{table}")
    if integration is None:
        return
    yield Flow(CLASSIFY, 1, f"in_port={integration}", f"goto_table:{OUTBOUND}")
    for network in networks:
        yield from _inbound(network, integration)
        yield from _outbound(network)


def _skeleton(flood_unknown_unicast: bool) -> Iterator[Flow]:
    for table in (CLASSIFY, *INBOUND.values(), FLOOD):
        yield Flow(table, 0, "", DROP)
    yield Flow(OUTBOUND, 0, "", f"goto_table:{UNICAST}")
    yield Flow(OUTBOUND, 1, f"dl_dst={_GROUP}", f"goto_table:{FLOOD}")
    yield Flow(UNICAST, 0, "", f"goto_table:{FLOOD}" if flood_unknown_unicast else DROP)


def _inbound(network: TunnelNetwork, integration: int) -> Iterator[Flow]:
    actions = f"{tag_as(network.local_vlan)},output:{integration}"
    yield Flow(INBOUND[network.tunnel_type], 1, f"tun_id={network.key:#x}", actions)


def _outbound(network: TunnelNetwork) -> Iterator[Flow]:
    wrap = f"pop_vlan,set_field:{network.key:#x}->tun_id"
    vlan = f"dl_vlan={network.local_vlan}"
    for mac, ofport in network.unicast:
        yield Flow(UNICAST, 2, f"{vlan},dl_dst={mac}", f"{wrap},output:{ofport}")
    if network.flood:
        outputs = ",".join(f"output:{ofport}" for ofport in network.flood)
        yield Flow(FLOOD, 1, vlan, f"{wrap},{outputs}")

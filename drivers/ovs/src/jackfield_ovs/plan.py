"""From what the core wants and what is seen on the switch to what the switch must hold.

The plan is a value and made from values only. It answers four questions: which local VLAN does
each network have, which patch and tunnel ports must there be, which tag has each guest's port,
and how does each port fare. The flows follow in `forwarding`.

The agent plans before it writes to the OVSDB and again after, when new ports have their OpenFlow
numbers. Nothing is planned for what is not there yet; the event of its appearance plans again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jackfield_sdk import NetworkView, PortState, PortView, Views
from jackfield_sdk.addresses import canonical_ip, canonical_mac

from jackfield_ovs import local_vlans
from jackfield_ovs.layout import (
    DEAD_VLAN,
    MARK,
    PATCH_TO_INTEGRATION,
    PATCH_TO_TUNNELS,
    Layout,
    integration_patch,
    physical_patch,
    tunnel_name,
)
from jackfield_ovs.observed import OFPORT_FAILED, Observed, ObservedInterface

PHYSICAL_TYPES = frozenset({"flat", "vlan"})
TUNNEL_TYPES = frozenset({"vxlan", "gre", "geneve"})

# IEEE 802.1Q, RFC 7348 and 8926 (24 bits), RFC 2890 (32 bits).
SEGMENTATION_IDS = {"vlan": (1, 4094), "vxlan": (1, 2**24 - 1), "geneve": (1, 2**24 - 1), "gre": (1, 2**32 - 1)}


@dataclass(frozen=True, slots=True)
class Patch:
    """One end of a pair of patch ports."""

    name: str
    bridge: str
    peer: str


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel port to one endpoint, with its options in the OVSDB."""

    name: str
    tunnel_type: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """How a port fares: UP as soon as its flows are in. `interface` is None while unseen.

    `tag` is the VLAN that the interface's port must have in the OVSDB. None leaves it: what
    cannot be wired now may be forwarding still, and loses its flows when sweeping is allowed.
    """

    view: PortView
    state: PortState
    reason: str
    interface: ObservedInterface | None = None
    tag: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the switch must hold. `obstacles` says of a network why it cannot be carried."""

    local_vlans: Mapping[str, int]
    obstacles: Mapping[str, str]
    patches: tuple[Patch, ...]
    tunnels: Mapping[str, Tunnel]
    ports: tuple[PlannedPort, ...]


def make_plan(views: Views, observed: Observed, layout: Layout) -> Plan:
    """Plan the whole host."""
    vlans = local_vlans.assign(views.networks, observed.local_vlans)
    obstacles = dict(_obstacles(views, observed, layout, vlans))
    carried = [view for key, view in views.networks.items() if key not in obstacles]
    return Plan(
        local_vlans=vlans,
        obstacles=obstacles,
        patches=tuple(patch for patch in _patches(observed, layout) if not _foreign(patch.name, observed)),
        tunnels={tunnel.name: tunnel for view in carried for tunnel in _tunnels(view, layout)},
        ports=tuple(_ports(views, observed, layout, vlans, obstacles)),
    )


def obstacle(view: NetworkView, layout: Layout) -> str:
    """Say why this host can never carry the network as it is set up; empty if it can."""
    if view.network_type in PHYSICAL_TYPES:
        if view.physical_network not in layout.physical_networks:
            return f'physical_network "{view.physical_network}" has no bridge on this host'
    elif view.network_type in TUNNEL_TYPES:
        if view.network_type not in layout.tunnel_types:
            return f"this host terminates no {view.network_type} tunnels"
    elif view.network_type != "local":
        return f"network_type {view.network_type} is unknown to this agent"
    lowest, highest = SEGMENTATION_IDS.get(view.network_type, (0, 0))
    if highest and not lowest <= (view.segmentation_id or 0) <= highest:
        return f"segmentation_id {view.segmentation_id} is not between {lowest} and {highest} ({view.network_type})"
    return ""


def check_addresses(view: NetworkView) -> None:
    """Raise ValueError if an endpoint or a MAC address of the view is none."""
    for endpoint in view.endpoints:
        canonical_ip(endpoint)
    for entry in view.forwarding:
        canonical_mac(entry.mac_address)


def remote_endpoints(view: NetworkView, layout: Layout) -> Iterator[str]:
    """Yield the endpoints of the network's other hosts, each once."""
    for endpoint in dict.fromkeys(view.endpoints):
        if endpoint != layout.tunnel_ip:
            yield endpoint


def _obstacles(views: Views, observed: Observed, layout: Layout, vlans: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for network_id, view in views.networks.items():
        reason = obstacle(view, layout)
        bridge = layout.physical_networks.get(view.physical_network or "", "")
        if not reason and view.network_type in PHYSICAL_TYPES and bridge not in observed.bridges:
            reason = f'bridge {bridge} of physical_network "{view.physical_network}" does not exist'
        if not reason and network_id not in vlans:
            reason = f"all local VLANs ({local_vlans.LAST}) of this host are taken"
        reason = reason or _conflict(view, observed, layout)
        if reason:
            yield network_id, reason


def _conflict(view: NetworkView, observed: Observed, layout: Layout) -> str:
    """Say which port of somebody else has the name that one of the network's ports needs."""
    needed = [tunnel.name for tunnel in _tunnels(view, layout)]
    if view.network_type in TUNNEL_TYPES:
        needed += [PATCH_TO_TUNNELS, PATCH_TO_INTEGRATION]
    elif view.network_type in PHYSICAL_TYPES:
        bridge = layout.physical_networks[view.physical_network or ""]
        needed += [integration_patch(bridge), physical_patch(bridge)]
    foreign = [name for name in needed if _foreign(name, observed)]
    if not foreign:
        return ""
    return f"port {foreign[0]} on {observed.interfaces[foreign[0]].bridge} is not ours: it lacks external_ids:{MARK}"


def _foreign(name: str, observed: Observed) -> bool:
    seen = observed.interfaces.get(name)
    return seen is not None and seen.mark not in ("patch", "tunnel")


def _patches(observed: Observed, layout: Layout) -> Iterator[Patch]:
    integration = layout.integration_bridge
    if layout.has_tunnels:
        yield Patch(PATCH_TO_TUNNELS, integration, PATCH_TO_INTEGRATION)
        yield Patch(PATCH_TO_INTEGRATION, layout.tunnel_bridge, PATCH_TO_TUNNELS)
    for bridge in sorted(layout.physical_networks.values()):
        if bridge in observed.bridges:
            yield Patch(integration_patch(bridge), integration, physical_patch(bridge))
            yield Patch(physical_patch(bridge), bridge, integration_patch(bridge))


def _tunnels(view: NetworkView, layout: Layout) -> Iterator[Tunnel]:
    if view.network_type not in TUNNEL_TYPES:
        return
    options = {"key": "flow", "df_default": "true" if layout.df_default else "false"}
    if layout.tunnel_ip:
        options["local_ip"] = layout.tunnel_ip
    if view.network_type in layout.udp_ports:
        options["dst_port"] = str(layout.udp_ports[view.network_type])
    for endpoint in remote_endpoints(view, layout):
        name = tunnel_name(view.network_type, endpoint)
        yield Tunnel(name, view.network_type, options | {"remote_ip": endpoint})


def _ports(
    views: Views,
    observed: Observed,
    layout: Layout,
    vlans: Mapping[str, int],
    obstacles: Mapping[str, str],
) -> Iterator[PlannedPort]:
    plugged = _plugged(observed, layout)
    for view in views.ports.values():
        interface = plugged.get(view.id)
        reason = _why_not_carried(view, views, obstacles)
        if interface is None:
            state = PortState.ERROR if reason else PortState.DOWN
            text = reason or f"no interface with iface-id {view.id} on {layout.integration_bridge}"
            yield PlannedPort(view, state, text)
        elif reason:
            yield PlannedPort(view, PortState.ERROR, reason, interface)
        else:
            yield _planned(view, interface, vlans[view.network_id])


def _plugged(observed: Observed, layout: Layout) -> dict[str, ObservedInterface]:
    """Map iface-id to interface. While a guest is plugged anew there may be two of them for a
    moment, and the one that works is the one to wire.
    """
    interfaces = (seen for seen in observed.on_bridge(layout.integration_bridge) if seen.iface_id)
    return {seen.iface_id: seen for seen in sorted(interfaces, key=lambda seen: seen.usable)}


def _why_not_carried(view: PortView, views: Views, obstacles: Mapping[str, str]) -> str:
    if view.network_id not in views.networks:
        return f"network {view.network_id} is not known on this host"
    return obstacles.get(view.network_id, "")


def _planned(view: PortView, interface: ObservedInterface, vlan: int) -> PlannedPort:
    if interface.error or interface.ofport == OFPORT_FAILED:
        reason = interface.error or f"Open vSwitch could not open {interface.name}"
        return PlannedPort(view, PortState.ERROR, reason, interface)
    if not view.admin_state_up:
        return PlannedPort(view, PortState.DOWN, "admin_state_up is False", interface, DEAD_VLAN)
    if not interface.usable or interface.tag != vlan:
        reason = f"Open vSwitch has not taken up {interface.name} yet"
        return PlannedPort(view, PortState.DOWN, reason, interface, vlan)
    return PlannedPort(view, PortState.UP, "", interface, vlan)

"""From the plan to the flows of each bridge.

Flows name ports by number, so only what the switch has numbered takes part: a tunnel that is not
open yet is missing in its network's flood list until the event of its opening.
"""

from __future__ import annotations

from collections.abc import Iterator

from jackfield_sdk import NetworkView, PortState, Views

from jackfield_ovs.flows import antispoof
from jackfield_ovs.flows.flow import Flow
from jackfield_ovs.flows.integration import Guest, Uplink, integration_flows
from jackfield_ovs.flows.physical import physical_flows
from jackfield_ovs.flows.tunnel import TunnelNetwork, TunnelPort, tunnel_flows
from jackfield_ovs.layout import (
    PATCH_TO_INTEGRATION,
    PATCH_TO_TUNNELS,
    Layout,
    integration_patch,
    physical_patch,
    tunnel_name,
)
from jackfield_ovs.observed import Observed
from jackfield_ovs.plan import (
    PHYSICAL_TYPES,
    TUNNEL_TYPES,
    Plan,
    PlannedPort,
    remote_endpoints,
)


def bridge_flows(plan: Plan, views: Views, observed: Observed, layout: Layout) -> dict[str, list[Flow]]:
    """Return the flows of every bridge that exists."""
    flows = {layout.integration_bridge: list(_integration(plan, views, observed, layout))}
    if layout.has_tunnels:
        flows[layout.tunnel_bridge] = list(_tunnel(plan, views, observed, layout))
    for physical_network, bridge in layout.physical_networks.items():
        ofport = observed.ofport(physical_patch(bridge), bridge)
        if ofport is not None:
            networks = _segments(plan, views, physical_network)
            flows[bridge] = list(physical_flows(ofport, networks))
    return {bridge: rules for bridge, rules in flows.items() if bridge in observed.bridges}


def rules_of(port: PlannedPort) -> antispoof.Rules | None:
    """Return the anti-spoofing rules of a port; None if it is trusted.

    The network's own services (DHCP servers, routers) speak for others by trade.
    """
    view = port.view
    if not view.port_security_enabled or view.device_owner.startswith("network:"):
        return None
    pairs = tuple((pair.mac_address, pair.ip_address) for pair in view.allowed_address_pairs)
    return antispoof.rules(view.mac_address, view.ip_addresses, pairs)


def _integration(plan: Plan, views: Views, observed: Observed, layout: Layout) -> Iterator[Flow]:
    bridge = layout.integration_bridge
    guests = tuple(
        Guest(port.interface.ofport, rules_of(port))
        for port in plan.ports
        if port.state is PortState.UP and port.interface and port.interface.ofport
    )
    tunnels = observed.ofport(PATCH_TO_TUNNELS, bridge) if layout.has_tunnels else None
    yield from integration_flows(guests, tuple(_uplinks(plan, views, observed, layout)), tunnels)


def _uplinks(plan: Plan, views: Views, observed: Observed, layout: Layout) -> Iterator[Uplink]:
    for physical_network, bridge in layout.physical_networks.items():
        ofport = observed.ofport(integration_patch(bridge), layout.integration_bridge)
        if ofport is not None:
            yield Uplink(ofport, _segments(plan, views, physical_network))


def _segments(plan: Plan, views: Views, physical_network: str) -> tuple[tuple[int | None, int], ...]:
    return tuple(
        (view.segmentation_id if view.network_type == "vlan" else None, plan.local_vlans[view.id])
        for view in _carried(plan, views)
        if view.network_type in PHYSICAL_TYPES and view.physical_network == physical_network
    )


def _tunnel(plan: Plan, views: Views, observed: Observed, layout: Layout) -> Iterator[Flow]:
    bridge = layout.tunnel_bridge
    ports = {
        name: TunnelPort(tunnel.tunnel_type, ofport)
        for name, tunnel in plan.tunnels.items()
        if (ofport := observed.ofport(name, bridge)) is not None
    }
    networks = tuple(
        _tunnel_network(view, plan, ports, layout)
        for view in _carried(plan, views)
        if view.network_type in TUNNEL_TYPES
    )
    yield from tunnel_flows(
        observed.ofport(PATCH_TO_INTEGRATION, bridge),
        tuple(ports.values()),
        networks,
        flood_unknown_unicast=layout.flood_unknown_unicast,
    )


def _tunnel_network(view: NetworkView, plan: Plan, ports: dict[str, TunnelPort], layout: Layout) -> TunnelNetwork:
    tunnels = {
        endpoint: ports[name].ofport
        for endpoint in remote_endpoints(view, layout)
        if (name := tunnel_name(view.network_type, endpoint)) in ports
    }
    unicast = {entry.mac_address: tunnels[entry.endpoint] for entry in view.forwarding if entry.endpoint in tunnels}
    return TunnelNetwork(
        tunnel_type=view.network_type,
        local_vlan=plan.local_vlans[view.id],
        key=view.segmentation_id or 0,
        flood=tuple(sorted(tunnels.values())),
        unicast=tuple(unicast.items()),
    )


def _carried(plan: Plan, views: Views) -> Iterator[NetworkView]:
    for network_id, view in views.networks.items():
        if network_id not in plan.obstacles:
            yield view

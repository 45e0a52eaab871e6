"""From what the core wants and what is seen on the host to what the host must hold.

The plan is a value (`desired`) and made from values only; `difference` turns it into operations.
A network has a bridge, and devices that carry it to other hosts: a VLAN device, a VXLAN device, one
GRE device for each endpoint, or the uplink itself. Nothing is planned for a tap that is not there
yet; the event of its appearance plans again.

Forwarding rests on what the core says: a VXLAN device learns nothing from its tunnel, and a GRE
device's MAC addresses are entries of the bridge. Bridges learn, so that a guest that has just moved
is found by its first frame. What nobody named is flooded to the network's endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from jackfield_sdk import NetworkView, PortState, PortView, Views
from jackfield_sdk.addresses import canonical_ip, canonical_mac

from jackfield_linuxbridge.desired import (
    BRIDGE_OPTIONS,
    FLOOD,
    Device,
    Plan,
    PlannedNetwork,
    PlannedPort,
)
from jackfield_linuxbridge.layout import Layout, bridge_name, gre_name, tap_name, vlan_name, vxlan_name
from jackfield_linuxbridge.observed import Observed, ObservedLink
from jackfield_linuxbridge.obstacles import obstacle, obstacle_here, taken


def make_plan(views: Views, observed: Observed, layout: Layout) -> Plan:
    """Plan the whole host."""
    obstacles = {network_id: obstacle(view, layout) for network_id, view in views.networks.items()}
    planned = {
        network_id: _network(view, observed, layout)
        for network_id, view in views.networks.items()
        if not obstacles[network_id]
    }
    obstacles |= {id: obstacle_here(network, views, observed, layout) for id, network in planned.items()}
    obstacles |= taken([network for id, network in planned.items() if not obstacles[id]], observed)
    networks = {network_id: network for network_id, network in planned.items() if not obstacles[network_id]}
    obstacles = {network_id: reason for network_id, reason in obstacles.items() if reason}
    return Plan(networks, obstacles, tuple(_ports(views, observed, networks, obstacles)))


def check_addresses(view: NetworkView) -> None:
    """Raise ValueError if an endpoint or a MAC address of the view is none."""
    for endpoint in view.endpoints:
        canonical_ip(endpoint)
    for entry in view.forwarding:
        canonical_mac(entry.mac_address)
        canonical_ip(entry.endpoint)


def _network(view: NetworkView, observed: Observed, layout: Layout) -> PlannedNetwork:
    match view.network_type:
        case "flat":
            return _flat(view, observed, layout)
        case "vlan":
            return PlannedNetwork(view, _bridge(view, layout), (_vlan(view, layout),))
        case "vxlan":
            destinations = frozenset(_destinations(view, layout))
            return PlannedNetwork(view, _bridge(view, layout), (_vxlan(view, layout),), destinations=destinations)
        case "gre":
            behind = _behind(view, layout)
            carriers = tuple(_gre(view, layout, endpoint) for endpoint in _remote_endpoints(view, layout))
            return PlannedNetwork(view, _bridge(view, layout), carriers, behind=behind)
        case _:
            return PlannedNetwork(view, _bridge(view, layout))


def _bridge(view: NetworkView, layout: Layout) -> Device:
    alias = layout.alias("bridge", view.id)
    return Device(bridge_name(view.id), "bridge", alias, view.mtu, options=BRIDGE_OPTIONS)


def _flat(view: NetworkView, observed: Observed, layout: Layout) -> PlannedNetwork:
    """Plan a bridge that takes over the uplink's addresses, and therefore its MTU."""
    uplink = layout.physical_networks[view.physical_network or ""]
    seen = observed.links.get(uplink)
    alias = layout.alias("bridge", view.id, uplink)
    mtu = seen.mtu if seen else view.mtu
    return PlannedNetwork(view, Device(bridge_name(view.id), "bridge", alias, mtu, options=BRIDGE_OPTIONS), (), uplink)


def _vlan(view: NetworkView, layout: Layout) -> Device:
    uplink = layout.physical_networks[view.physical_network or ""]
    vlan = view.segmentation_id or 0
    return _carrier(view, layout, vlan_name(uplink, vlan), "vlan", {"vlan_id": vlan}, parent=uplink)


def _vxlan(view: NetworkView, layout: Layout) -> Device:
    tunnel_ip = layout.tunnel_ip or ""
    local = "vxlan_local6" if ":" in tunnel_ip else "vxlan_local"
    options = {
        "vxlan_id": view.segmentation_id,
        local: tunnel_ip,
        "vxlan_port": layout.vxlan_udp_port,
        "vxlan_learning": 0,
    }
    return _carrier(view, layout, vxlan_name(view.segmentation_id or 0), "vxlan", options)


def _gre(view: NetworkView, layout: Layout, endpoint: str) -> Device:
    key = view.segmentation_id or 0
    options = {"gre_local": layout.tunnel_ip, "gre_remote": endpoint, "gre_ikey": key, "gre_okey": key}
    return _carrier(view, layout, gre_name(key, endpoint), "gretap", options, isolated=True)


def _carrier(
    view: NetworkView,
    layout: Layout,
    name: str,
    kind: str,
    options: Mapping[str, object],
    *,
    parent: str = "",
    isolated: bool = False,
) -> Device:
    alias = layout.alias("carrier", view.id)
    return Device(name, kind, alias, view.mtu, bridge_name(view.id), parent, options, isolated)


def _remote_endpoints(view: NetworkView, layout: Layout) -> Iterator[str]:
    """Yield the endpoints of the network's other hosts, each once."""
    for endpoint in dict.fromkeys(canonical_ip(endpoint) for endpoint in view.endpoints):
        if endpoint != layout.tunnel_ip and (":" in endpoint) == (":" in (layout.tunnel_ip or "")):
            yield endpoint


def _destinations(view: NetworkView, layout: Layout) -> Iterator[tuple[str, str]]:
    for endpoint in _remote_endpoints(view, layout):
        yield FLOOD, endpoint
    yield from _remote_macs(view, layout).items()


def _behind(view: NetworkView, layout: Layout) -> dict[str, frozenset[str]]:
    macs = _remote_macs(view, layout)
    return {
        gre_name(view.segmentation_id or 0, endpoint): frozenset(
            mac for mac, where in macs.items() if where == endpoint
        )
        for endpoint in _remote_endpoints(view, layout)
    }


def _remote_macs(view: NetworkView, layout: Layout) -> dict[str, str]:
    """Map MAC addresses to endpoints. While a port moves it may be named at two; the last wins."""
    remote = frozenset(_remote_endpoints(view, layout))
    named = ((canonical_mac(entry.mac_address), canonical_ip(entry.endpoint)) for entry in view.forwarding)
    return {mac: endpoint for mac, endpoint in named if endpoint in remote}


def _ports(
    views: Views, observed: Observed, networks: Mapping[str, PlannedNetwork], obstacles: Mapping[str, str]
) -> Iterator[PlannedPort]:
    owners = _owners(views, observed)
    for view in views.ports.values():
        device = tap_name(view.id)
        if owners[device] == view.id:
            yield replace(_port(view, observed.links.get(device), observed, networks, obstacles), device=device)
        else:
            yield PlannedPort(view, PortState.ERROR, f"device {device} is that of port {owners[device]}")


def _owners(views: Views, observed: Observed) -> dict[str, str]:
    """Map names of taps to ports. Of two ports whose ids begin alike the one that has the tap keeps it."""
    owners: dict[str, str] = {}
    for id in views.ports:
        tap = observed.links.get(tap_name(id))
        if tap is not None and tap.mark is not None and tap.mark.id == id:
            owners[tap.name] = id
        owners.setdefault(tap_name(id), id)
    return owners


def _port(
    view: PortView,
    tap: ObservedLink | None,
    observed: Observed,
    networks: Mapping[str, PlannedNetwork],
    obstacles: Mapping[str, str],
) -> PlannedPort:
    network = networks.get(view.network_id)
    if network is None:
        unknown = f"network {view.network_id} is not known on this host"
        return PlannedPort(view, PortState.ERROR, obstacles.get(view.network_id, unknown), tap)
    if tap is None:
        return PlannedPort(view, PortState.DOWN, f"there is no device {tap_name(view.id)}")
    return _planned(view, tap, network, observed)


def _planned(view: PortView, tap: ObservedLink, network: PlannedNetwork, observed: Observed) -> PlannedPort:
    master = observed.links.get(tap.bridge)
    if tap.bridge not in ("", network.bridge.name) and (master is None or master.mark is None):
        return PlannedPort(view, PortState.ERROR, f"{tap.name} is a port of {tap.bridge}, which is not ours", tap)
    if not view.admin_state_up:
        return PlannedPort(view, PortState.DOWN, "admin_state_up is False", tap, "")
    return PlannedPort(view, PortState.UP, "", tap, network.bridge.name, network.view.mtu)

"""Implementation details on the wire: what plugs an interface on a host.

What is UNSET is not for the caller, and is left out. A key that a VIF type or a
segment does not have is null, so that clients need not ask whether it is there.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree
from jackfield_core.services.agent import AgentView
from jackfield_core.services.implementation_details import (
    HostDetails,
    NetworkDetails,
    PortDetails,
    PortPlace,
    segment_of,
)
from jackfield_core.types import AddressPair, BindingLevel


class SegmentOut(Struct, frozen=True):
    """What frames of a network are marked with on a host."""

    id: str
    network_type: str
    physical_network: str | None
    segmentation_id: int | None


class AgentOut(Struct, frozen=True):
    """A node agent as it described itself; *physical_networks* has the bridge or interface of each."""

    id: str
    agent_type: str
    driver: str
    alive: bool
    admin_state_up: bool
    physical_networks: dict[str, str]
    tunnel_types: Sequence[str]
    tunnel_ip: str | None
    vif_types: Sequence[str]


class AddressOut(Struct, frozen=True):
    """An address of a port, and what a guest has to know with it."""

    subnet_id: str
    ip_address: str
    cidr: str | None
    gateway_ip: str | None


class PlugOut(Struct, frozen=True):
    """What is plugged, into what, and which driver chose it."""

    driver: str | None
    vif_type: str
    vif_details: dict[str, Any]
    bridge_name: str | None
    segment: SegmentOut | None


class LevelOut(Struct, frozen=True):
    """One level of a binding and its segment; level 0 is the fabric, the last one is on the host."""

    level: int
    driver: str
    segment_id: str
    network_type: str | None
    physical_network: str | None
    segmentation_id: int | None


class PlaceOut(PlugOut, frozen=True):
    """A port on a host; *status* is that of the binding."""

    host: str
    status: str
    vnic_type: str
    profile: dict[str, Any]
    levels: Sequence[LevelOut]
    agents: Sequence[AgentOut]


class PortDetailsOut(Struct, frozen=True):
    """A port; *binding* is null if it is on no host."""

    id: str
    network_id: str
    mtu: int
    mac_address: str
    fixed_ips: Sequence[AddressOut]
    admin_state_up: bool
    port_security_enabled: bool
    allowed_address_pairs: Sequence[AddressPair]
    binding: PlaceOut | UnsetType | None


class HostOut(Struct, frozen=True):
    """A host of a network; *plugs* are empty while no port of the network is there."""

    host: str
    plugs: Sequence[PlugOut]
    agents: Sequence[AgentOut]


class NetworkDetailsOut(Struct, frozen=True):
    """A network on its hosts."""

    id: str
    mtu: int
    port_security_enabled: bool
    segments: Sequence[SegmentOut] | UnsetType
    hosts: Sequence[HostOut] | UnsetType


_OF_ONE_PORT = ("mac_address",)
"""VIF details that differ from port to port."""


def render_port(found: PortDetails) -> PortDetailsOut:
    """Return the details of a port as an administrator or a service sees them."""
    place = _place(found.place, found.tree) if found.place else None
    return _port(found, place)


def render_port_for_users(found: PortDetails) -> PortDetailsOut:
    """Return the details of a port as others see them."""
    return _port(found, UNSET)


def render_network(found: NetworkDetails) -> NetworkDetailsOut:
    """Return the details of a network as an administrator or a service sees them."""
    segments = [_segment(segment) for segment in found.tree.segments]
    return _network(found, segments, [_host(host, found.tree) for host in found.hosts or ()])


def render_network_for_users(found: NetworkDetails) -> NetworkDetailsOut:
    """Return the details of a network as others see them."""
    return _network(found, UNSET, UNSET)


def _network(
    found: NetworkDetails, segments: Sequence[SegmentOut] | UnsetType, hosts: Sequence[HostOut] | UnsetType
) -> NetworkDetailsOut:
    network = found.tree.network
    return NetworkDetailsOut(network.id, network.mtu, network.port_security_enabled, segments, hosts)


def _port(found: PortDetails, binding: PlaceOut | UnsetType | None) -> PortDetailsOut:
    port, subnets = found.port, {subnet.id: subnet for subnet in found.tree.subnets}
    addresses = []
    for one in port.fixed_ips:
        subnet = subnets.get(one.subnet_id)
        cidr, gateway_ip = (subnet.cidr, subnet.gateway_ip) if subnet else (None, None)
        addresses.append(AddressOut(one.subnet_id, one.ip_address, cidr, gateway_ip))
    return PortDetailsOut(
        id=port.id,
        network_id=port.network_id,
        mtu=found.tree.network.mtu,
        mac_address=port.mac_address,
        fixed_ips=addresses,
        admin_state_up=port.admin_state_up,
        port_security_enabled=port.port_security_enabled,
        allowed_address_pairs=port.allowed_address_pairs,
        binding=binding,
    )


def _place(place: PortPlace, tree: NetworkTree) -> PlaceOut:
    binding, top = place.binding, place.levels[-1] if place.levels else None
    segment = segment_of(tree, top.segment_id) if top else None
    return PlaceOut(
        driver=top.driver if top else None,
        vif_type=binding.vif_type,
        vif_details=binding.vif_details,
        bridge_name=binding.vif_details.get("bridge_name"),
        segment=_segment(segment) if segment else None,
        host=binding.host,
        status="ACTIVE" if place.is_active else "INACTIVE",
        vnic_type=binding.vnic_type,
        profile=binding.profile,
        levels=[_level(level, segment_of(tree, level.segment_id)) for level in place.levels],
        agents=[_agent(view) for view in place.agents],
    )


def _level(level: BindingLevel, segment: Segment | None) -> LevelOut:
    about = (segment.network_type, segment.physical_network, segment.segmentation_id) if segment else (None, None, None)
    return LevelOut(level.level, level.driver, level.segment_id, *about)


def _host(host: HostDetails, tree: NetworkTree) -> HostOut:
    plugs = []
    for one in host.pluggings:
        segment = segment_of(tree, one.segment_id)
        details = {name: value for name, value in one.vif_details.items() if name not in _OF_ONE_PORT}
        shown = _segment(segment) if segment else None
        plugs.append(PlugOut(one.driver, one.vif_type, details, details.get("bridge_name"), shown))
    return HostOut(host.host, plugs, [_agent(view) for view in host.agents])


def _segment(segment: Segment) -> SegmentOut:
    return SegmentOut(segment.id, segment.network_type, segment.physical_network, segment.segmentation_id)


def _agent(view: AgentView) -> AgentOut:
    agent = view.agent
    return AgentOut(
        agent.id,
        agent.agent_type,
        agent.driver,
        view.alive,
        agent.admin_state_up,
        agent.physical_networks,
        agent.tunnel_types,
        agent.tunnel_ip,
        agent.vif_types,
    )

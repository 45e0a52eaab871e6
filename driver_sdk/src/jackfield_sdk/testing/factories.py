"""Complete values with random identifiers; a test names only what it is about."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import Any

from jackfield_sdk.resources import (
    Agent,
    AllocationPool,
    Binding,
    BindingLevel,
    FixedIp,
    Host,
    Network,
    Port,
    Segment,
    Subnet,
)
from jackfield_sdk.views import NetworkView, PortView


def new_id() -> str:
    """Mint an identifier."""
    return str(uuid.uuid4())


def a_mac_address() -> str:
    """Mint a MAC address in the range that the core uses by default."""
    return "fa:16:3e:" + ":".join(f"{random.randrange(256):02x}" for _ in range(3))


def a_segment(
    network_type: str = "vxlan",
    segmentation_id: int | None = None,
    physical_network: str | None = None,
    *,
    network_id: str = "",
    **more: Any,
) -> Segment:
    """Make a segment; a VLAN or flat one is on physical network "leaf1" unless told."""
    if network_type in ("vlan", "flat") and physical_network is None:
        physical_network = "leaf1"
    if segmentation_id is None and network_type not in ("flat", "local"):
        segmentation_id = random.randrange(2, 4000)
    return Segment(new_id(), network_id or new_id(), network_type, physical_network, segmentation_id, **more)


def a_network(*segments: Segment, **more: Any) -> Network:
    """Make a network of these segments, or of one VXLAN segment."""
    id = more.pop("id", None) or new_id()
    own = tuple(replace(segment, network_id=id) for segment in segments or (a_segment(),))
    return replace(Network(id, "private", new_id(), mtu=1450, segments=own), **more)


def a_subnet(network: Network, cidr: str = "192.0.2.0/24", **more: Any) -> Subnet:
    """Make an IPv4 subnet of a network, with the first address as its gateway."""
    prefix = cidr.rpartition(".")[0]
    subnet = Subnet(
        id=new_id(),
        network_id=network.id,
        segment_id=None,
        name="",
        project_id=network.project_id,
        cidr=cidr,
        ip_version=4,
        gateway_ip=f"{prefix}.1",
        allocation_pools=(AllocationPool(f"{prefix}.2", f"{prefix}.254"),),
    )
    return replace(subnet, **more)


def a_port(network: Network, host: str = "", *, driver: str = "loopback", **more: Any) -> Port:
    """Make a port of a network; with a host it is bound there, to the network's first segment."""
    binding = Binding()
    if host:
        levels = (BindingLevel(0, driver, network.segments[0].id),)
        binding = Binding(host=host, vif_type="other", levels=levels)
    port = Port(
        id=new_id(),
        network_id=network.id,
        name="",
        project_id=network.project_id,
        admin_state_up=True,
        mac_address=a_mac_address(),
        fixed_ips=(FixedIp(new_id(), f"192.0.2.{random.randrange(2, 255)}"),),
        device_id=new_id(),
        device_owner="compute:nova",
        binding=binding,
    )
    return replace(port, **more)


def an_agent(driver: str = "loopback", **more: Any) -> Agent:
    """Make a live agent that reaches "leaf1" and ends VXLAN tunnels."""
    agent = Agent(
        "Loopback agent",
        driver,
        alive=True,
        physical_networks=frozenset({"leaf1"}),
        tunnel_types=frozenset({"vxlan"}),
    )
    return replace(agent, **more)


def a_host(name: str = "host-1", *agents: Agent, **more: Any) -> Host:
    """Make a host with these agents, or with one of `an_agent()`."""
    agents = agents or (an_agent(),)
    reached = frozenset().union(*(agent.physical_networks for agent in agents))
    return replace(Host(name, agents, reached, tunnel_ip="198.51.100.1"), **more)


def a_network_view(version: str = "1", **more: Any) -> NetworkView:
    """Make the view of a VXLAN network."""
    view = NetworkView(new_id(), version, new_id(), "vxlan", segmentation_id=random.randrange(2, 4000), mtu=1450)
    return replace(view, **more)


def a_port_view(network: NetworkView, version: str = "1", **more: Any) -> PortView:
    """Make the view of a port on a network."""
    return replace(PortView(new_id(), version, network.id, a_mac_address(), ("192.0.2.7",), vif_type="ovs"), **more)

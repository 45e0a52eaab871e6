"""Messages filled from rows, field by field: what a driver is told of less often than of ports."""

from collections.abc import Sequence

import msgspec
from jackfield.driver.v1 import binding_pb2, network_pb2, segment_pb2, subnet_pb2

from jackfield_core.db.agent import Agent
from jackfield_core.db.network import Network
from jackfield_core.db.segment import Segment
from jackfield_core.db.subnet import Subnet

_json = msgspec.json.Encoder(order="deterministic").encode


def fill_network(message: network_pb2.Network, network: Network, segments: Sequence[Segment]) -> None:
    """Fill an empty message with a network and its segments."""
    message.id = network.id
    message.name = network.name
    message.project_id = network.project_id
    message.admin_state_up = network.admin_state_up
    message.shared = network.shared
    message.external = network.external
    message.mtu = network.mtu
    message.port_security_enabled = network.port_security_enabled
    for segment in segments:
        fill_segment(message.segments.add(), segment)


def fill_segment(message: segment_pb2.Segment, segment: Segment) -> None:
    """Fill an empty message with a segment."""
    message.id = segment.id
    message.network_id = segment.network_id
    message.network_type = segment.network_type
    if segment.physical_network is not None:
        message.physical_network = segment.physical_network
    if segment.segmentation_id is not None:
        message.segmentation_id = segment.segmentation_id
    message.dynamic = segment.is_dynamic


def fill_subnet(message: subnet_pb2.Subnet, subnet: Subnet) -> None:
    """Fill an empty message with a subnet."""
    message.id = subnet.id
    message.network_id = subnet.network_id
    if subnet.segment_id is not None:
        message.segment_id = subnet.segment_id
    message.name = subnet.name
    message.project_id = subnet.project_id
    message.cidr = subnet.cidr
    message.ip_version = subnet.ip_version
    if subnet.gateway_ip is not None:
        message.gateway_ip = subnet.gateway_ip
    for pool in subnet.allocation_pools:
        message.allocation_pools.add(start=pool.start, end=pool.end)
    message.dns_nameservers.extend(subnet.dns_nameservers)
    for route in subnet.host_routes:
        message.host_routes.add(destination=route.destination, nexthop=route.nexthop)
    message.enable_dhcp = subnet.enable_dhcp
    if subnet.ipv6_address_mode is not None:
        message.ipv6_address_mode = subnet.ipv6_address_mode
    if subnet.ipv6_ra_mode is not None:
        message.ipv6_ra_mode = subnet.ipv6_ra_mode


def fill_agent(message: binding_pb2.Agent, agent: Agent, alive: bool) -> None:
    """Fill an empty message with what an agent said of itself, and whether it is alive."""
    message.agent_type = agent.agent_type
    message.driver = agent.driver
    message.alive = alive
    message.physical_networks.extend(sorted(agent.physical_networks))
    message.tunnel_types.extend(agent.tunnel_types)
    if agent.tunnel_ip:
        message.tunnel_ip = agent.tunnel_ip
    message.configurations = _json(agent.configurations)


def fill_nic(message: binding_pb2.Nic, neighbour: dict[str, str]) -> None:
    """Fill an empty message with an interface of a host and what is at the other end of its wire."""
    message.name = neighbour.get("interface", "")
    if neighbour.get("chassis_id"):
        message.neighbour.chassis_id = neighbour["chassis_id"]
        message.neighbour.port_id = neighbour.get("port_id", "")
        message.neighbour.system_name = neighbour.get("system_name", "")

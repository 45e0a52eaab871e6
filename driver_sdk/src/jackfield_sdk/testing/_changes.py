"""The core's way to say things: resources, changes and requests to bind, as messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jackfield.driver.v1 import (
    binding_pb2,
    change_pb2,
    mechanism_pb2,
    network_pb2,
    port_pb2,
    segment_pb2,
    subnet_pb2,
)

from jackfield_sdk._convert import encode
from jackfield_sdk.context import Action, DriverState
from jackfield_sdk.resources import Host, Kind, Network, Port, Segment, Subnet

Resource = Network | Subnet | Port


@dataclass(frozen=True, slots=True)
class Wanted:
    """One change to send: a resource, what happened to it, and what it stands on."""

    action: Action
    current: Resource
    revision: int = 1
    original: Resource | None = None
    network: Network | None = None
    subnets: tuple[Subnet, ...] = ()
    host: Host | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    state: DriverState | None = None


def kind_of(resource: Resource) -> Kind:
    """Tell the kind of a resource."""
    match resource:
        case Network():
            return Kind.NETWORK
        case Subnet():
            return Kind.SUBNET
        case Port():
            return Kind.PORT


def change(change_id: str, wanted: Wanted) -> change_pb2.Change:
    """Write a change as the core does, with everything the resource stands on."""
    kind, current = kind_of(wanted.current), _resource(wanted.current)
    message = change_pb2.Change(
        change_id=change_id,
        kind=encode.KINDS[kind],
        id=wanted.current.id,
        action=encode.ACTIONS[wanted.action],
        revision=wanted.revision,
        project_id=wanted.current.project_id,
        current=current,
        original=_resource(wanted.original) if wanted.original else None,
        related=_related(wanted),
        attributes={name: json.dumps(value).encode() for name, value in wanted.attributes.items()},
        digest=hashlib.sha256(current.SerializeToString(deterministic=True)).digest(),
    )
    if wanted.state is not None:
        message.state.CopyFrom(state(wanted.state))
    return message


def orphan(change_id: str, kind: Kind, id: str, revision: int) -> change_pb2.Change:
    """Write the delete of what the core knows from a listing only."""
    message = change_pb2.Change(
        change_id=change_id,
        kind=encode.KINDS[kind],
        id=id,
        action=encode.ACTIONS[Action.DELETE],
        revision=revision,
    )
    getattr(message.current, kind).id = id
    return message


def state(value: DriverState) -> change_pb2.DriverState:
    """Write a stored state."""
    return change_pb2.DriverState(version=value.version, data=value.data)


def bind_request(
    request_id: str, port: Port, network: Network, segments: Iterable[Segment], level: int
) -> mechanism_pb2.BindRequest:
    """Ask for the binding of a port at one level."""
    return mechanism_pb2.BindRequest(
        request_id=request_id,
        port=_port(port),
        network=_network(network),
        segments=[_segment(each) for each in segments],
        level=level,
        bound_levels=_levels(port),
    )


def host(value: Host) -> binding_pb2.Host:
    """Describe a host."""
    return binding_pb2.Host(
        name=value.name,
        agents=[
            binding_pb2.Agent(
                agent_type=agent.agent_type,
                driver=agent.driver,
                alive=agent.alive,
                physical_networks=sorted(agent.physical_networks),
                tunnel_types=sorted(agent.tunnel_types),
                tunnel_ip=agent.tunnel_ip,
                configurations=json.dumps(dict(agent.configurations)).encode(),
            )
            for agent in value.agents
        ],
        physical_networks=sorted(value.physical_networks),
        tunnel_ip=value.tunnel_ip,
        nics=[
            binding_pb2.Nic(
                name=nic.name,
                mac_address=nic.mac_address,
                speed=nic.speed,
                neighbour=binding_pb2.LldpNeighbour(
                    chassis_id=nic.neighbour.chassis_id,
                    port_id=nic.neighbour.port_id,
                    system_name=nic.neighbour.system_name,
                )
                if nic.neighbour
                else None,
            )
            for nic in value.nics
        ],
    )


def _resource(value: Resource) -> change_pb2.Resource:
    match value:
        case Network():
            return change_pb2.Resource(network=_network(value))
        case Subnet():
            return change_pb2.Resource(subnet=_subnet(value))
        case Port():
            return change_pb2.Resource(port=_port(value))


def _related(wanted: Wanted) -> change_pb2.Related:
    related = change_pb2.Related(subnets=[_subnet(each) for each in wanted.subnets])
    if wanted.network is not None:
        related.network.CopyFrom(_network(wanted.network))
    if wanted.host is not None:
        related.host.CopyFrom(host(wanted.host))
    if isinstance(wanted.current, Port) and wanted.network is not None:
        by_id = {segment.id: segment for segment in wanted.network.segments}
        bound = [by_id[level.segment_id] for level in wanted.current.binding.levels if level.segment_id in by_id]
        related.segments.extend([_segment(each) for each in bound])
    return related


def _segment(value: Segment) -> segment_pb2.Segment:
    return segment_pb2.Segment(
        id=value.id,
        network_id=value.network_id,
        network_type=value.network_type,
        physical_network=value.physical_network,
        segmentation_id=value.segmentation_id,
        dynamic=value.dynamic,
    )


def _network(value: Network) -> network_pb2.Network:
    return network_pb2.Network(
        id=value.id,
        name=value.name,
        project_id=value.project_id,
        admin_state_up=value.admin_state_up,
        shared=value.shared,
        external=value.external,
        mtu=value.mtu,
        port_security_enabled=value.port_security_enabled,
        segments=[_segment(each) for each in value.segments],
    )


def _subnet(value: Subnet) -> subnet_pb2.Subnet:
    return subnet_pb2.Subnet(
        id=value.id,
        network_id=value.network_id,
        segment_id=value.segment_id,
        name=value.name,
        project_id=value.project_id,
        cidr=value.cidr,
        ip_version=value.ip_version,
        gateway_ip=value.gateway_ip,
        allocation_pools=[subnet_pb2.AllocationPool(start=p.start, end=p.end) for p in value.allocation_pools],
        dns_nameservers=value.dns_nameservers,
        host_routes=[subnet_pb2.HostRoute(destination=r.destination, nexthop=r.nexthop) for r in value.host_routes],
        enable_dhcp=value.enable_dhcp,
        ipv6_address_mode=value.ipv6_address_mode,
        ipv6_ra_mode=value.ipv6_ra_mode,
    )


def _port(value: Port) -> port_pb2.Port:
    return port_pb2.Port(
        id=value.id,
        network_id=value.network_id,
        name=value.name,
        project_id=value.project_id,
        admin_state_up=value.admin_state_up,
        mac_address=value.mac_address,
        fixed_ips=[port_pb2.FixedIp(subnet_id=f.subnet_id, ip_address=f.ip_address) for f in value.fixed_ips],
        device_id=value.device_id,
        device_owner=value.device_owner,
        port_security_enabled=value.port_security_enabled,
        allowed_address_pairs=[
            port_pb2.AddressPair(mac_address=pair.mac_address, ip_address=pair.ip_address)
            for pair in value.allowed_address_pairs
        ],
        dhcp_options=[
            port_pb2.DhcpOption(name=option.name, value=option.value, ip_version=option.ip_version)
            for option in value.dhcp_options
        ],
        binding=binding_pb2.Binding(
            host=value.binding.host,
            vnic_type=value.binding.vnic_type,
            profile=json.dumps(dict(value.binding.profile)).encode(),
            vif_type=value.binding.vif_type,
            vif_details=json.dumps(dict(value.binding.vif_details)).encode(),
            levels=_levels(value),
        ),
    )


def _levels(port: Port) -> list[binding_pb2.BindingLevel]:
    return [
        binding_pb2.BindingLevel(level=each.level, driver=each.driver, segment_id=each.segment_id)
        for each in port.binding.levels
    ]

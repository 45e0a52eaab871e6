"""From the core's messages to the values that hooks see.

This runs once per change, so it is written flat: every field is read once, in the order of the
dataclass, and nothing is looked up by name. An optional field is absent or has a meaning, and its
empty value has none, so `or None` says presence without asking for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message
from jackfield.driver.v1 import binding_pb2, change_pb2, mechanism_pb2, network_pb2, port_pb2, segment_pb2, subnet_pb2

from jackfield_sdk.context import (
    Action,
    BindContext,
    ChangeContext,
    DriverState,
    NetworkContext,
    PortContext,
    SubnetContext,
)
from jackfield_sdk.resources import (
    AddressPair,
    Agent,
    AllocationPool,
    Binding,
    BindingLevel,
    DhcpOption,
    FixedIp,
    Host,
    HostRoute,
    Kind,
    LldpNeighbour,
    Masked,
    Network,
    Nic,
    Port,
    Segment,
    Subnet,
)

KINDS: dict[int, Kind] = {
    change_pb2.RESOURCE_KIND_NETWORK: Kind.NETWORK,
    change_pb2.RESOURCE_KIND_SUBNET: Kind.SUBNET,
    change_pb2.RESOURCE_KIND_PORT: Kind.PORT,
}
ACTIONS: dict[int, Action] = {
    change_pb2.ACTION_CREATE: Action.CREATE,
    change_pb2.ACTION_UPDATE: Action.UPDATE,
    change_pb2.ACTION_DELETE: Action.DELETE,
}

_NO_NAMES: dict[Kind, frozenset[str]] = dict.fromkeys(Kind, frozenset())

_M = TypeVar("_M", bound=Message)
_V = TypeVar("_V")


class Malformed(Exception):
    """A message that no core of this contract sends: the part at fault."""


class Decoder:
    """Decodes the changes of one request.

    Hundreds of ports of a batch share a network, a subnet and a host, each sent by value.
    Comparing bytes is cheaper than building the same objects again, so what is shared is built
    once per request.
    """

    def __init__(self, deadline: float | None, attribute_names: Mapping[Kind, frozenset[str]] = _NO_NAMES) -> None:
        """Give `deadline`, on the clock of `time.monotonic()`, and these attributes to every context."""
        self._deadline = deadline
        self._attribute_names = attribute_names
        self._networks: dict[bytes, Network] = {}
        self._subnets: dict[bytes, Subnet] = {}
        self._segments: dict[bytes, Segment] = {}
        self._hosts: dict[bytes, Host] = {}

    def change(self, kind: Kind, action: Action, change: change_pb2.Change) -> ChangeContext:
        """Build the context of a change; Malformed if the parts do not belong together."""
        if change.current.WhichOneof("resource") != kind.value:
            raise Malformed(f"current is no {kind}")
        if getattr(change.current, kind.value).id != change.id:
            # Lanes and held revisions go by the one, hooks by the other.
            raise Malformed(f"current is another {kind}")
        return _CONTEXTS[kind](self, action, change)

    def network_change(self, action: Action, change: change_pb2.Change) -> NetworkContext:
        """Build the context of a change of a network."""
        return NetworkContext(
            network(change.current.network),
            network(change.original.network) if change.HasField("original") else None,
            change.revision,
            action,
            self._attributes(change),
            state(change),
            change.digest,
            self._deadline,
        )

    def subnet_change(self, action: Action, change: change_pb2.Change) -> SubnetContext:
        """Build the context of a change of a subnet."""
        return SubnetContext(
            subnet(change.current.subnet),
            subnet(change.original.subnet) if change.HasField("original") else None,
            self._network_of(change, change.current.subnet.network_id),
            change.revision,
            action,
            self._attributes(change),
            state(change),
            change.digest,
            self._deadline,
        )

    def port_change(self, action: Action, change: change_pb2.Change) -> PortContext:
        """Build the context of a change of a port."""
        related = change.related
        return PortContext(
            port(change.current.port),
            port(change.original.port) if change.HasField("original") else None,
            self._network_of(change, change.current.port.network_id),
            tuple([_once(self._subnets, subnet, message) for message in related.subnets]),
            tuple([_once(self._segments, segment, message) for message in related.segments]),
            self.host(related.host) if related.HasField("host") else None,
            change.revision,
            action,
            self._attributes(change),
            state(change),
            change.digest,
            self._deadline,
        )

    def bind(self, host: Host, request: mechanism_pb2.BindRequest) -> BindContext:
        """Build the context of one port to bind."""
        return BindContext(
            port(request.port),
            network(request.network),
            tuple([segment(message) for message in request.segments]),
            request.level,
            levels(request.bound_levels),
            host,
            self._deadline,
        )

    def host(self, message: binding_pb2.Host) -> Host:
        """Build a host, once per request."""
        return _once(self._hosts, host, message)

    def _attributes(self, change: change_pb2.Change) -> Mapping[str, Any]:
        if not change.attributes:
            return Masked()
        # A later release of the driver may have declared more than this one knows.
        known = self._attribute_names[KINDS[change.kind]]
        return Masked({name: _json(value) for name, value in change.attributes.items() if name in known})

    def _network_of(self, change: change_pb2.Change, network_id: str) -> Network:
        is_orphan = change.action == change_pb2.ACTION_DELETE and not network_id
        if not change.related.HasField("network") and not is_orphan:
            raise Malformed("related.network is missing")
        return _once(self._networks, network, change.related.network)


_CONTEXTS: dict[Kind, Callable[[Decoder, Action, change_pb2.Change], ChangeContext]] = {
    Kind.NETWORK: Decoder.network_change,
    Kind.SUBNET: Decoder.subnet_change,
    Kind.PORT: Decoder.port_change,
}


def _once(built: dict[bytes, _V], build: Callable[[_M], _V], message: _M) -> _V:
    key = message.SerializeToString()
    value = built.get(key)
    if value is None:
        value = built[key] = build(message)
    return value


def is_bare(change: change_pb2.Change) -> bool:
    """Tell whether `current` has nothing but an id: that of an orphan, which the core knows from a listing."""
    which = change.current.WhichOneof("resource")
    return which is not None and [field.name for field, _ in getattr(change.current, which).ListFields()] == ["id"]


def state(change: change_pb2.Change) -> DriverState | None:
    """Read what the driver asked the core to keep."""
    if not change.HasField("state"):
        return None
    return DriverState(change.state.version, change.state.data)


def segment(message: segment_pb2.Segment) -> Segment:
    """Build a segment."""
    return Segment(
        message.id,
        message.network_id,
        message.network_type,
        message.physical_network or None,
        message.segmentation_id or None,
        message.dynamic,
    )


def network(message: network_pb2.Network) -> Network:
    """Build a network."""
    return Network(
        message.id,
        message.name,
        message.project_id,
        message.admin_state_up,
        message.shared,
        message.external,
        message.mtu,
        message.port_security_enabled,
        tuple([segment(each) for each in message.segments]),
    )


def subnet(message: subnet_pb2.Subnet) -> Subnet:
    """Build a subnet."""
    return Subnet(
        message.id,
        message.network_id,
        message.segment_id or None,
        message.name,
        message.project_id,
        message.cidr,
        message.ip_version,
        message.gateway_ip or None,
        tuple([AllocationPool(pool.start, pool.end) for pool in message.allocation_pools]),
        tuple(message.dns_nameservers),
        tuple([HostRoute(route.destination, route.nexthop) for route in message.host_routes]),
        message.enable_dhcp,
        message.ipv6_address_mode or None,
        message.ipv6_ra_mode or None,
    )


def port(message: port_pb2.Port) -> Port:
    """Build a port."""
    return Port(
        message.id,
        message.network_id,
        message.name,
        message.project_id,
        message.admin_state_up,
        message.mac_address,
        tuple([FixedIp(each.subnet_id, each.ip_address) for each in message.fixed_ips]),
        message.device_id,
        message.device_owner,
        message.port_security_enabled,
        tuple([AddressPair(each.mac_address, each.ip_address) for each in message.allowed_address_pairs]),
        tuple([DhcpOption(each.name, each.value, each.ip_version) for each in message.dhcp_options]),
        _binding(message.binding),
    )


def levels(messages: Any) -> tuple[BindingLevel, ...]:
    """Build the bound levels."""
    return tuple([BindingLevel(each.level, each.driver, each.segment_id) for each in messages])


def host(message: binding_pb2.Host) -> Host:
    """Build a host."""
    return Host(
        message.name,
        tuple([_agent(each) for each in message.agents]),
        frozenset(message.physical_networks),
        message.tunnel_ip or None,
        tuple([_nic(each) for each in message.nics]),
    )


def _binding(message: binding_pb2.Binding) -> Binding:
    return Binding(
        message.host,
        message.vnic_type,
        Masked(json_object(message.profile)),
        message.vif_type,
        json_object(message.vif_details),
        levels(message.levels),
    )


def _agent(message: binding_pb2.Agent) -> Agent:
    return Agent(
        message.agent_type,
        message.driver,
        message.alive,
        frozenset(message.physical_networks),
        frozenset(message.tunnel_types),
        message.tunnel_ip or None,
        json_object(message.configurations),
    )


def _nic(message: binding_pb2.Nic) -> Nic:
    neighbour = None
    if message.HasField("neighbour"):
        seen = message.neighbour
        neighbour = LldpNeighbour(seen.chassis_id, seen.port_id, seen.system_name)
    return Nic(message.name, message.mac_address, message.speed, neighbour)


def json_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object; nothing is an empty one, and anything else is Malformed."""
    if not text or text == b"{}":
        return {}
    value = _json(text)
    if not isinstance(value, dict):
        raise Malformed("a JSON object was expected")
    return value


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # Not chained: the error keeps the whole text, which may hold a secret, for its trace.
        raise Malformed("a field holds no JSON") from None

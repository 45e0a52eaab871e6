"""Rows become messages.

This is the hottest code of the core after the database, so there are no
dictionaries in between, and what was encoded once is put together as bytes (see
:mod:`~jackfield_core.mechanism.wire`). A message that describes a resource
depends on the rows alone, so its digest is the same in every process.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from jackfield.driver.v1 import binding_pb2, change_pb2, mechanism_pb2, network_pb2, subnet_pb2

from jackfield_core.db.agent import Agent
from jackfield_core.db.port import Port
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Resource
from jackfield_core.mechanism.answers import BindAsk, State
from jackfield_core.mechanism.filling import fill_agent, fill_network, fill_nic, fill_segment, fill_subnet
from jackfield_core.mechanism.portraits import encode_port, tail_of
from jackfield_core.mechanism.wire import framed, heading, tag, varint
from jackfield_core.types import Action, BindingLevel, Kind

ChangeMessage = change_pb2.Change
"""A change on the wire; opaque to everybody outside of this package."""
Host = binding_pb2.Host
"""A host on the wire; opaque to everybody outside of this package."""

KINDS = {
    Kind.NETWORK: change_pb2.RESOURCE_KIND_NETWORK,
    Kind.SUBNET: change_pb2.RESOURCE_KIND_SUBNET,
    Kind.PORT: change_pb2.RESOURCE_KIND_PORT,
}
KIND_OF = {number: kind for kind, number in KINDS.items()}
ACTIONS = {
    Action.CREATE: change_pb2.ACTION_CREATE,
    Action.UPDATE: change_pb2.ACTION_UPDATE,
    Action.DELETE: change_pb2.ACTION_DELETE,
}

NO_ATTRIBUTES: Mapping[str, bytes] = {}
_json = msgspec.json.Encoder(order="deterministic").encode
_CURRENT, _ORIGINAL, _RELATED, _STATE = (
    tag(ChangeMessage, name) for name in ("current", "original", "related", "state")
)
# A length below 128 is one byte; that of a digest is always the same.
_OWN = b"%b%%c%%b%b%%c%%b%b%%b%b" % tuple(
    tag(ChangeMessage, name) for name in ("change_id", "id", "revision", "digest")
) + varint(hashlib.sha256().digest_size)
_NETWORK, _SUBNET, _PORT = (tag(change_pb2.Resource, kind) for kind in KINDS)


class Shared(NamedTuple):
    """What a change has in common with others, as fields of it, and the tail of a port."""

    fields: bytes
    related: bytes
    tail: bytes | None


class Surroundings:
    """What changes stand on: networks, subnets, segments, and those of *hosts* that they are bound to.

    The changes of a batch mostly stand on the same, so it is encoded once. A
    host that is missing is sent with its name alone.
    """

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self._hosts = hosts
        self._related: dict[tuple[object, ...], bytes] = {}
        self._shared: dict[tuple[object, ...], Shared] = {}
        self._kept: list[Change] = []

    def of(self, change: Change, action: Action) -> Shared:
        """Return what *change*, told as *action*, has in common with others; a network stands on nothing."""
        looks = _looks(change, action)
        shared = self._shared.get(looks)
        if shared is None:
            # What is known by its place in memory has to stay there.
            self._kept.append(change)
            one = change.current
            fields = _common_fields(change.kind, action, one.project_id)
            tail = tail_of(one, change.levels) if isinstance(one, Port) else None
            shared = self._shared[looks] = Shared(fields, self._relate(change), tail)
        return shared

    def _relate(self, change: Change) -> bytes:
        if change.kind is Kind.NETWORK:
            return b""
        standing = _standing(change)
        encoded = self._related.get(standing)
        if encoded is None:
            related = change_pb2.Related()
            _fill_related(related, change, self._hosts)
            encoded = self._related[standing] = framed(_RELATED, related.SerializeToString())
        return encoded


def encode_change(
    change: Change,
    *,
    change_id: str,
    action: Action,
    revision: int,
    original: bytes | None,
    surroundings: Surroundings,
    state: State | None,
    attributes: Mapping[str, bytes] = NO_ATTRIBUTES,
) -> bytes:
    """Return a change as a driver sees it.

    *action*, *revision* and *original* (from :func:`encode`) are those of the
    driver that is told, not those of the transaction. *attributes* are the
    driver's own.
    """
    current = change.current
    fields, related, tail = surroundings.of(change, action)
    described = encode(current, change.tree, change.levels, tail)
    attributed = _encode_attributes(attributes)
    return b"".join(
        (
            _own_fields(change_id, current.id, revision),
            _digest(described, attributed),
            fields,
            heading(_CURRENT, len(described)),
            described,
            related,
            attributed,
            b"" if state is None else _encode_state(state),
            b"" if original is None else framed(_ORIGINAL, original),
        )
    )


def encode_orphan(kind: Kind, id: str, *, change_id: str, revision: int) -> bytes:
    """Return the DELETE of what is known by nothing but its *kind* and *id*, as a driver sees it."""
    message = ChangeMessage(
        change_id=change_id, kind=KINDS[kind], id=id, action=change_pb2.ACTION_DELETE, revision=revision
    )
    getattr(message.current, kind).id = id
    message.digest = hashlib.sha256(message.current.SerializeToString(deterministic=True)).digest()
    return message.SerializeToString()


def digest(
    resource: Resource,
    tree: NetworkTree,
    levels: Sequence[BindingLevel] = (),
    attributes: Mapping[str, bytes] = NO_ATTRIBUTES,
) -> bytes:
    """Return the digest under which a driver is told of a resource as it is."""
    return _digest(encode(resource, tree, levels), _encode_attributes(attributes))


def _own_fields(change_id: str, id: str, revision: int) -> bytes:
    """Return the fields that no other change has, each shorter than 128 bytes, up to the digest, which follows."""
    change, resource = change_id.encode(), id.encode()
    return _OWN % (len(change), change, len(resource), resource, varint(revision))


@functools.lru_cache(maxsize=1024)
def _common_fields(kind: Kind, action: Action, project_id: str) -> bytes:
    """Return the fields that many changes have in common."""
    message = ChangeMessage(kind=KINDS[kind], action=ACTIONS[action], project_id=project_id)
    return message.SerializeToString()


def revision_of(change: Change, action: Action) -> int:
    """Return the revision of a change in its transaction; that of a deletion is one above the last of the resource."""
    return change.current.revision_number + (action is Action.DELETE)


def encode(
    resource: Resource, tree: NetworkTree, levels: Sequence[BindingLevel] = (), tail: bytes | None = None
) -> bytes:
    """Return a resource the way drivers get it as ``original``; *tail* is that of a port, if it is known already."""
    if isinstance(resource, Port):
        return framed(_PORT, encode_port(resource, levels, tail))
    if isinstance(resource, Subnet):
        subnet = subnet_pb2.Subnet()
        fill_subnet(subnet, resource)
        return framed(_SUBNET, subnet.SerializeToString(deterministic=True))
    network = network_pb2.Network()
    fill_network(network, resource, tree.segments)
    return framed(_NETWORK, network.SerializeToString(deterministic=True))


def encode_original(change: Change) -> bytes:
    """Return the state before a change the way drivers get it as ``original``."""
    if change.original is None:
        raise ValueError(f"{change.kind} {change.current.id} has no state before it was created")
    return encode(change.original, change.original_tree or change.tree, change.original_levels)


def host(name: str, agents: Sequence[Agent], now: datetime, agent_down_time: float) -> Host:
    """Return what the core knows of a host.

    An agent is alive if its last heartbeat is less than *agent_down_time*
    seconds before *now*.
    """
    message = Host(name=name)
    alive_since = now - timedelta(seconds=agent_down_time)
    for agent in agents:
        fill_agent(message.agents.add(), agent, agent.heartbeat_at > alive_since)
        for neighbour in agent.neighbours:
            fill_nic(message.nics.add(), neighbour)
    message.physical_networks.extend(sorted({name for agent in agents for name in agent.physical_networks}))
    tunnel_ip = next((agent.tunnel_ip for agent in agents if agent.tunnel_ip), None)
    if tunnel_ip:
        message.tunnel_ip = tunnel_ip
    return message


def fill_bind_request(message: mechanism_pb2.BindRequest, request_id: str, ask: BindAsk) -> None:
    """Fill an empty request to bind one port at one level."""
    message.request_id = request_id
    message.port.MergeFromString(encode_port(ask.port, ask.bound_levels))
    fill_network(message.network, ask.tree.network, ask.tree.segments)
    for segment in ask.segments:
        fill_segment(message.segments.add(), segment)
    message.level = ask.level
    for level in ask.bound_levels:
        message.bound_levels.add(level=level.level, driver=level.driver, segment_id=level.segment_id)


def _encode_attributes(attributes: Mapping[str, bytes]) -> bytes:
    return ChangeMessage(attributes=attributes).SerializeToString(deterministic=True) if attributes else b""


def _encode_state(state: State) -> bytes:
    version, data = state
    return framed(_STATE, change_pb2.DriverState(version=version, data=data).SerializeToString())


def _digest(described: bytes, attributed: bytes) -> bytes:
    return hashlib.sha256(described + attributed).digest()


def _looks(change: Change, action: Action) -> tuple[object, ...]:
    """Return what decides how all looks that *change* has in common with others: same objects, same looks."""
    port = change.current
    if not isinstance(port, Port):
        return id(change.kind), id(action), port.project_id, id(change.tree)
    fixed_ips = port.fixed_ips
    return (
        id(action),
        port.project_id,
        id(change.tree),
        id(change.levels),
        id(port.binding),
        id(port.allowed_address_pairs),
        id(port.extra_dhcp_opts),
        port.device_owner,
        port.port_security_enabled,
        fixed_ips[0].subnet_id if len(fixed_ips) == 1 else tuple(fixed_ip.subnet_id for fixed_ip in fixed_ips),
    )


def _standing(change: Change) -> tuple[object, ...]:
    """Return what decides how the surroundings of *change* look: same objects, same looks."""
    port = change.current
    if not isinstance(port, Port):
        return (id(change.tree),)
    return id(change.tree), port.binding.host, id(change.levels), *[fixed_ip.subnet_id for fixed_ip in port.fixed_ips]


def _fill_related(message: change_pb2.Related, change: Change, hosts: Mapping[str, Host]) -> None:
    tree = change.tree
    fill_network(message.network, tree.network, tree.segments)
    port = change.current
    if not isinstance(port, Port):
        return
    used = {fixed_ip.subnet_id for fixed_ip in port.fixed_ips}
    for subnet in tree.subnets:
        if subnet.id in used:
            fill_subnet(message.subnets.add(), subnet)
    for level in change.levels:
        for segment in tree.segments:
            if segment.id == level.segment_id:
                fill_segment(message.segments.add(), segment)
    if port.binding.host in hosts:
        message.host.CopyFrom(hosts[port.binding.host])
    elif port.binding.host:
        message.host.name = port.binding.host

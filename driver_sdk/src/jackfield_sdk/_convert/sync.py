"""Between the messages of the `Sync` stream and the values that an agent sees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.node.v1 import node_pb2

from jackfield_sdk._convert.decode import json_object
from jackfield_sdk.reporter import Unsent
from jackfield_sdk.resources import AddressPair
from jackfield_sdk.views import Facts, ForwardingEntry, NetworkView, PortState, PortView, ViewKind

if TYPE_CHECKING:
    from jackfield_sdk.node import NodeAgent

KINDS: dict[int, ViewKind] = {
    node_pb2.VIEW_KIND_NETWORK: ViewKind.NETWORK,
    node_pb2.VIEW_KIND_PORT: ViewKind.PORT,
}
KIND_MESSAGES = {
    ViewKind.NETWORK: node_pb2.VIEW_KIND_NETWORK,
    ViewKind.PORT: node_pb2.VIEW_KIND_PORT,
}
_STATES = {
    PortState.UP: node_pb2.PORT_STATE_UP,
    PortState.DOWN: node_pb2.PORT_STATE_DOWN,
    PortState.ERROR: node_pb2.PORT_STATE_ERROR,
}

ViewKey = tuple[ViewKind, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """A view that could not be made true, and why."""

    kind: ViewKind
    id: str
    version: str
    reason: str


# What the core may do beyond the first release, because this runner understands it.
FEATURES = ("deltas",)


def network_view(version: str, message: node_pb2.NetworkView) -> NetworkView:
    """Build the view of a network."""
    return NetworkView(
        message.id,
        version,
        message.segment_id,
        message.network_type,
        message.physical_network or None,
        message.segmentation_id or None,
        message.mtu,
        tuple(message.endpoints),
        tuple(_entries(message.forwarding)),
    )


def changed_network_view(base: NetworkView, version: str, message: node_pb2.NetworkDelta) -> NetworkView:
    """Build the view that a delta turns *base* into; the outcome is the one that the core would tell as a whole."""
    replaced = {*message.gone_endpoints, *message.endpoints}
    endpoints = {endpoint for endpoint in base.endpoints if endpoint not in replaced} | {*message.endpoints}
    kept = [entry for entry in base.forwarding if entry.endpoint not in replaced]
    forwarding = sorted([*kept, *_entries(message.forwarding)], key=lambda entry: entry.endpoint)
    return replace(base, version=version, endpoints=tuple(sorted(endpoints)), forwarding=tuple(forwarding))


def port_view(version: str, message: node_pb2.PortView) -> PortView:
    """Build the view of a port; Malformed if `vif_details` is no JSON object."""
    return PortView(
        message.id,
        version,
        message.network_id,
        message.mac_address,
        tuple(message.ip_addresses),
        message.admin_state_up,
        message.device_id,
        message.device_owner,
        message.port_security_enabled,
        tuple([AddressPair(each.mac_address, each.ip_address) for each in message.allowed_address_pairs]),
        message.vif_type,
        message.vnic_type,
        json_object(message.vif_details),
    )


def hello(agent: NodeAgent, host: str, started: datetime, known: Mapping[ViewKey, str]) -> node_pb2.SyncRequest:
    """Introduce an agent and what it holds."""
    start_time = Timestamp()
    start_time.FromDatetime(started)
    message = node_pb2.Hello(
        host=host,
        agent_type=agent.agent_type,
        binary=agent.binary,
        version=agent.version,
        driver=agent.driver,
        start_time=start_time,
        facts=_facts(agent.facts()),
        known=[
            node_pb2.Known(kind=KIND_MESSAGES[kind], id=id, version=version) for (kind, id), version in known.items()
        ],
        features=FEATURES,
    )
    return node_pb2.SyncRequest(hello=message)


def ack(nonce: str, failures: Iterable[Failure]) -> node_pb2.SyncRequest:
    """Acknowledge a push, with the views that did not become true."""
    errors = [
        node_pb2.ViewError(kind=KIND_MESSAGES[each.kind], id=each.id, version=each.version, reason=each.reason)
        for each in failures
    ]
    return node_pb2.SyncRequest(ack=node_pb2.Ack(nonce=nonce, errors=errors))


def report(unsent: Unsent) -> node_pb2.SyncRequest:
    """Tell what is unsent; nothing unsent makes a heartbeat."""
    message = node_pb2.Report(
        ports=[
            node_pb2.PortReport(
                port_id=each.port_id, version=each.version, state=_STATES[each.state], reason=each.reason
            )
            for each in unsent.ports
        ],
        neighbours=[
            node_pb2.Neighbour(
                interface=each.interface,
                chassis_id=each.chassis_id,
                port_id=each.port_id,
                system_name=each.system_name,
            )
            for each in unsent.neighbours or ()
        ],
        devices=unsent.devices,
    )
    return node_pb2.SyncRequest(report=message)


def _entries(messages: Iterable[node_pb2.ForwardingEntry]) -> list[ForwardingEntry]:
    return [ForwardingEntry(each.mac_address, tuple(each.ip_addresses), each.endpoint) for each in messages]


def _facts(facts: Facts) -> node_pb2.Facts:
    return node_pb2.Facts(
        physical_networks=dict(facts.physical_networks),
        tunnel_types=list(facts.tunnel_types),
        tunnel_ip=facts.tunnel_ip,
        vif_types=list(facts.vif_types),
        configurations=json.dumps(dict(facts.configurations)).encode(),
    )

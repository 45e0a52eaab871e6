"""The core's way to tell an agent what to make true: views, as messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from jackfield.node.v1 import node_pb2

from jackfield_sdk.views import ForwardingEntry, NetworkView, PortView


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """What changed of a network since the view of `base_version`: endpoints that are gone, and those
    that have `forwarding` entries in place of what they had.
    """

    id: str
    version: str
    base_version: str
    gone_endpoints: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    forwarding: tuple[ForwardingEntry, ...] = ()


def upsert(view: NetworkView | PortView | NetworkChange) -> node_pb2.Upsert:
    """Write a view to make true, or what changed of one."""
    if isinstance(view, NetworkChange):
        return node_pb2.Upsert(version=view.version, network_delta=_network_delta(view))
    if isinstance(view, NetworkView):
        return node_pb2.Upsert(version=view.version, network=_network_view(view))
    return node_pb2.Upsert(version=view.version, port=_port_view(view))


def _network_view(view: NetworkView) -> node_pb2.NetworkView:
    return node_pb2.NetworkView(
        id=view.id,
        segment_id=view.segment_id,
        network_type=view.network_type,
        physical_network=view.physical_network,
        segmentation_id=view.segmentation_id,
        mtu=view.mtu,
        endpoints=view.endpoints,
        forwarding=_forwarding(view.forwarding),
    )


def _network_delta(view: NetworkChange) -> node_pb2.NetworkDelta:
    return node_pb2.NetworkDelta(
        id=view.id,
        base_version=view.base_version,
        gone_endpoints=view.gone_endpoints,
        endpoints=view.endpoints,
        forwarding=_forwarding(view.forwarding),
    )


def _forwarding(entries: Iterable[ForwardingEntry]) -> list[node_pb2.ForwardingEntry]:
    return [
        node_pb2.ForwardingEntry(
            mac_address=entry.mac_address, ip_addresses=entry.ip_addresses, endpoint=entry.endpoint
        )
        for entry in entries
    ]


def _port_view(view: PortView) -> node_pb2.PortView:
    return node_pb2.PortView(
        id=view.id,
        network_id=view.network_id,
        mac_address=view.mac_address,
        ip_addresses=view.ip_addresses,
        admin_state_up=view.admin_state_up,
        device_id=view.device_id,
        device_owner=view.device_owner,
        port_security_enabled=view.port_security_enabled,
        allowed_address_pairs=[
            node_pb2.AllowedAddressPair(mac_address=pair.mac_address, ip_address=pair.ip_address)
            for pair in view.allowed_address_pairs
        ],
        vif_type=view.vif_type,
        vnic_type=view.vnic_type,
        vif_details=json.dumps(dict(view.vif_details)).encode(),
    )

"""The core's way to tell an agent what to make true: views, as messages."""

from __future__ import annotations

import json

from jackfield.node.v1 import node_pb2

from jackfield_sdk.views import NetworkView, PortView


def upsert(view: NetworkView | PortView) -> node_pb2.Upsert:
    """Write a view to make true."""
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
        forwarding=[
            node_pb2.ForwardingEntry(
                mac_address=entry.mac_address, ip_addresses=entry.ip_addresses, endpoint=entry.endpoint
            )
            for entry in view.forwarding
        ],
    )


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

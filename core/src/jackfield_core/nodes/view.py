"""Rows in, views out: what a host is told of a network and of a port, still encoded.

The version of a view is a hash of its encoding, so equal content has an equal
version in every core process, and an agent that reconnects anywhere is sent
only what is different.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from jackfield.node.v1 import node_pb2
from msgspec import Struct

from jackfield_core.db.network import Network
from jackfield_core.db.placement import PlacedPort
from jackfield_core.db.segment import Segment

_json = msgspec.json.Encoder(order="sorted")
_MESSAGES: Mapping[str, Any] = {
    "network": node_pb2.NetworkView,
    "network_delta": node_pb2.NetworkDelta,
    "port": node_pb2.PortView,
}


class View(Struct, frozen=True):
    """A view as an agent gets it, or what changed of one; *name* is that of its field in an upsert.

    It stays encoded, because most views turn out to be held already.
    """

    name: str
    encoded: bytes
    version: str

    def upsert(self) -> node_pb2.Upsert:
        """Return the part of a push that carries this view."""
        return node_pb2.Upsert(version=self.version, **{self.name: _MESSAGES[self.name].FromString(self.encoded)})


class Place(Struct, frozen=True):
    """An agent, as views know it: its host, its mechanism driver, and its tunnel endpoint."""

    host: str
    driver: str
    tunnel_ip: str | None


def is_tunnel(segment: Segment) -> bool:
    """Return whether a segment leads to other hosts through tunnels."""
    return segment.physical_network is None and segment.segmentation_id is not None


def network_view(network: Network, segment: Segment) -> bytes:
    """Return the encoded part of a network's view that all hosts on *segment* share."""
    view = node_pb2.NetworkView(
        id=network.id,
        segment_id=segment.id,
        network_type=segment.network_type,
        physical_network=segment.physical_network,
        segmentation_id=segment.segmentation_id,
        mtu=network.mtu,
    )
    return view.SerializeToString(deterministic=True)


def endpoint_view(endpoint: str, ports: Iterable[PlacedPort]) -> bytes:
    """Return the encoded part of a network's view that tells of the ports behind *endpoint*."""
    view = node_pb2.NetworkView(
        endpoints=[endpoint],
        forwarding=[
            node_pb2.ForwardingEntry(
                mac_address=port.mac_address,
                ip_addresses=[fixed_ip.ip_address for fixed_ip in port.fixed_ips],
                endpoint=endpoint,
            )
            for port in sorted(ports, key=lambda port: port.mac_address)
        ],
    )
    return view.SerializeToString(deterministic=True)


def port_view(port: PlacedPort) -> View:
    """Return the view of a port."""
    message = node_pb2.PortView(
        id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        ip_addresses=[fixed_ip.ip_address for fixed_ip in port.fixed_ips],
        admin_state_up=port.admin_state_up,
        device_id=port.device_id,
        device_owner=port.device_owner,
        port_security_enabled=port.port_security_enabled,
        allowed_address_pairs=[
            node_pb2.AllowedAddressPair(mac_address=pair.mac_address, ip_address=pair.ip_address)
            for pair in port.allowed_address_pairs
        ],
        vif_type=port.vif_type,
        vnic_type=port.vnic_type,
        vif_details=_json.encode(port.vif_details),
    )
    encoded = message.SerializeToString(deterministic=True)
    return View("port", encoded, hashlib.blake2b(encoded, digest_size=10).hexdigest())

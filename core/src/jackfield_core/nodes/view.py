"""Rows in, views out: a network as each of its hosts has to carry it.

A :class:`Carriage` is one network with all its bound ports, read once and cut
to size for every host. Tunnels make that expensive if it is done host by host,
because everybody is told of everybody else. So the ports behind one tunnel
endpoint become one fragment of an encoded view, and the view of a host is the
concatenation of all fragments but its own: protobuf defines that repeated
fields of concatenated messages are appended (Encoding, "Last One Wins"). When
a port comes to a host, the ports of that host are exchanged and one fragment
is encoded again; the others stay as they are.

The version of a view is a hash of its encoding, so equal content has an equal
version in every core process, and an agent that reconnects anywhere is sent
only what is different.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from jackfield.node.v1 import node_pb2
from msgspec import Struct

from jackfield_core.db.network import Network
from jackfield_core.db.placement import PlacedPort
from jackfield_core.db.segment import Segment

_json = msgspec.json.Encoder(order="sorted")


class View(Struct, frozen=True):
    """A view as an agent gets it, still encoded: most views turn out to be held already."""

    kind: "node_pb2.ViewKind.ValueType"
    encoded: bytes
    version: str

    def upsert(self) -> node_pb2.Upsert:
        """Return the part of a push that carries this view."""
        if self.kind == node_pb2.VIEW_KIND_NETWORK:
            return node_pb2.Upsert(version=self.version, network=node_pb2.NetworkView.FromString(self.encoded))
        return node_pb2.Upsert(version=self.version, port=node_pb2.PortView.FromString(self.encoded))


class Place(Struct, frozen=True):
    """An agent, as views know it: its host, its mechanism driver, and its tunnel endpoint."""

    host: str
    driver: str
    tunnel_ip: str | None


class Carriage:
    """One network with all its bound ports; those of a host can be exchanged."""

    def __init__(self, network: Network, segments: Iterable[Segment], ports: Iterable[PlacedPort]) -> None:
        self._network = network
        self._segments = {segment.id: segment for segment in segments}
        self._on_host: dict[str, list[PlacedPort]] = {}
        # The ports behind each tunnel endpoint, by segment and endpoint; the ends of a tunnel may share a host.
        self._behind: dict[str, dict[str, list[PlacedPort]]] = {}
        self._bases: dict[str, bytes] = {}
        self._fragments: dict[tuple[str, str], bytes] = {}
        self._rows: dict[str, Row] = {}
        self.size = 0
        """Number of ports."""
        self._views: dict[str, View] = {}
        self._add(ports)

    def exchange(self, hosts: Iterable[str], ports: Iterable[PlacedPort]) -> None:
        """Let *ports* be all that is on *hosts*."""
        for port in [port for host in hosts for port in self._on_host.pop(host, ())]:
            self.size -= 1
            self._views.pop(port.id, None)
            if port.tunnel_ip:
                self._behind[port.segment_id][port.tunnel_ip].remove(port)
                self._forget(port.segment_id, port.tunnel_ip)
        self._add(ports)

    def network(self, place: Place) -> View | None:
        """Return the network as *place* carries it, or None if nothing of it is there."""
        ports = self._at(place)
        if not ports:
            return None
        segment = min((self._segments[port.segment_id] for port in ports), key=lambda one: (one.position, one.id))
        return _view(node_pb2.VIEW_KIND_NETWORK, self._encoded(segment, place.tunnel_ip))

    def ports(self, place: Place) -> dict[str, View]:
        """Return the ports that *place* wires, by id."""
        return {port.id: self._view_of(port) for port in self._at(place)}

    def _at(self, place: Place) -> list[PlacedPort]:
        return [port for port in self._on_host.get(place.host, ()) if port.driver == place.driver]

    def _add(self, ports: Iterable[PlacedPort]) -> None:
        for port in ports:
            if port.segment_id in self._segments:
                self.size += 1
                self._on_host.setdefault(port.host, []).append(port)
                if port.tunnel_ip:
                    self._behind.setdefault(port.segment_id, {}).setdefault(port.tunnel_ip, []).append(port)
                    self._forget(port.segment_id, port.tunnel_ip)

    def _forget(self, segment_id: str, endpoint: str) -> None:
        """Encode what hosts are told of an endpoint anew."""
        self._fragments.pop((segment_id, endpoint), None)
        self._rows.pop(segment_id, None)

    def _view_of(self, port: PlacedPort) -> View:
        view = self._views.get(port.id)
        if view is None:
            view = self._views[port.id] = _port_view(port)
        return view

    def _encoded(self, segment: Segment, own_endpoint: str | None) -> bytes:
        if segment.id not in self._bases:
            self._bases[segment.id] = _network_view(self._network, segment).SerializeToString(deterministic=True)
        if not _is_tunnel(segment):
            return self._bases[segment.id]
        return self._bases[segment.id] + self._row(segment.id).but(own_endpoint)

    def _row(self, segment_id: str) -> "Row":
        """Return what hosts are told of each tunnel endpoint on a segment, in order of the endpoints."""
        if segment_id not in self._rows:
            behind = self._behind.get(segment_id, {})
            endpoints = sorted(endpoint for endpoint, ports in behind.items() if ports)
            for endpoint in endpoints:
                if (segment_id, endpoint) not in self._fragments:
                    self._fragments[segment_id, endpoint] = _fragment(endpoint, behind[endpoint])
            self._rows[segment_id] = Row(endpoints, [self._fragments[segment_id, endpoint] for endpoint in endpoints])
        return self._rows[segment_id]


class Row:
    """Fragments of a view in order, each of one tunnel endpoint."""

    def __init__(self, endpoints: Sequence[str], fragments: Sequence[bytes]) -> None:
        self._place = {endpoint: place for place, endpoint in enumerate(endpoints)}
        self._fragments = fragments

    def but(self, endpoint: str | None) -> bytes:
        """Return all fragments but that of *endpoint*."""
        place = self._place.get(endpoint or "")
        if place is None:
            return b"".join(self._fragments)
        return b"".join((*self._fragments[:place], *self._fragments[place + 1 :]))


def _is_tunnel(segment: Segment) -> bool:
    return segment.physical_network is None and segment.segmentation_id is not None


def _network_view(network: Network, segment: Segment) -> node_pb2.NetworkView:
    """Return the part of a network's view that all hosts on *segment* share."""
    return node_pb2.NetworkView(
        id=network.id,
        segment_id=segment.id,
        network_type=segment.network_type,
        physical_network=segment.physical_network,
        segmentation_id=segment.segmentation_id,
        mtu=network.mtu,
    )


def _fragment(endpoint: str, ports: Iterable[PlacedPort]) -> bytes:
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


def _port_view(port: PlacedPort) -> View:
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
    return _view(node_pb2.VIEW_KIND_PORT, message.SerializeToString(deterministic=True))


def _view(kind: "node_pb2.ViewKind.ValueType", encoded: bytes) -> View:
    return View(kind, encoded, hashlib.blake2b(encoded, digest_size=10).hexdigest())

"""One network with all its bound ports, read once and cut to size for every host.

When a port comes to a host, the ports of that host are exchanged and one fragment
of what the others are told is encoded again (:mod:`jackfield_core.nodes.forwarding`);
the rest stays as it is.
"""

from collections.abc import Iterable

from jackfield_core.db.network import Network
from jackfield_core.db.placement import PlacedPort
from jackfield_core.db.segment import Segment
from jackfield_core.nodes.forwarding import NO_ROW, Fragment, Row, Share, fragment
from jackfield_core.nodes.view import Place, View, endpoint_view, is_tunnel, network_view, port_view


class Carriage:
    """One network with all its bound ports; those of a host can be exchanged."""

    def __init__(self, network: Network, segments: Iterable[Segment], ports: Iterable[PlacedPort]) -> None:
        self._network = network
        self._segments = {segment.id: segment for segment in segments}
        self._on_host: dict[str, list[PlacedPort]] = {}
        # The ports behind each tunnel endpoint, by segment and endpoint; the ends of a tunnel may share a host.
        self._behind: dict[str, dict[str, list[PlacedPort]]] = {}
        self._bases: dict[str, Fragment] = {}
        self._fragments: dict[tuple[str, str], Fragment] = {}
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

    def network(self, place: Place) -> Share | None:
        """Return the network as *place* carries it, or None if nothing of it is there."""
        ports = self._at(place)
        if not ports:
            return None
        segment = min((self._segments[port.segment_id] for port in ports), key=lambda one: (one.position, one.id))
        row = self._row(segment.id) if is_tunnel(segment) else NO_ROW
        return Share(self._network.id, self._base(segment), row, place.tunnel_ip)

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
            view = self._views[port.id] = port_view(port)
        return view

    def _base(self, segment: Segment) -> Fragment:
        if segment.id not in self._bases:
            self._bases[segment.id] = fragment(network_view(self._network, segment))
        return self._bases[segment.id]

    def _row(self, segment_id: str) -> Row:
        """Return what hosts are told of each tunnel endpoint on a segment, in order of the endpoints."""
        if segment_id not in self._rows:
            behind = {endpoint: ports for endpoint, ports in self._behind.get(segment_id, {}).items() if ports}
            self._rows[segment_id] = Row(
                {endpoint: self._fragment(segment_id, endpoint, behind[endpoint]) for endpoint in sorted(behind)}
            )
        return self._rows[segment_id]

    def _fragment(self, segment_id: str, endpoint: str, ports: Iterable[PlacedPort]) -> Fragment:
        key = segment_id, endpoint
        if key not in self._fragments:
            self._fragments[key] = fragment(endpoint_view(endpoint, ports))
        return self._fragments[key]

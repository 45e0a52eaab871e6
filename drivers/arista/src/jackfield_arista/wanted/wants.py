"""What a change wants of switches: memberships, each one VLAN on one port of one switch.

A port of the core wants its VLAN wherever its host is plugged in: as a trunk VLAN for a hypervisor, as
the access VLAN for a baremetal machine. The VLAN is that of its last bound segment, and only places in
that segment's physical network count. A port that is bound through us to a tunnel network wants the
VLAN mapped to the VNI as well. A network by itself wants nothing: its VLAN comes with its first port.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jackfield_sdk import Action, Effect, Infeasible, Kind, NetworkContext, Port, PortContext, Segment

from jackfield_arista.configuration.model import Mode
from jackfield_arista.inventory.attachments import Place, Role
from jackfield_arista.inventory.links import UnknownLink, places_of_links
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.wanted.judging import why_not

DRIVER = "arista"
TUNNEL_TYPES = frozenset({"vxlan", "geneve", "gre"})
_HIGHEST_VNI = 16_777_215

Attached = Callable[[str], Sequence[Place]]
"""Where a host is plugged in, by its name."""


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """A VLAN on a port of a switch; `vni` is what the VLAN is mapped to on that switch, if it is."""

    switch: str
    port: str
    mode: Mode
    vlan: int
    vni: int | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """What one resource wants at one revision; `leaving` once it is deleted.

    `plugged` if the driver itself plugs the port, so that it reports it up. An orphan is known by its
    id only, and goes whatever its revision. `reach` are the switches that the inventory had when it was
    said (None: all): of others nobody can tell what the resource wants there now.
    """

    kind: Kind
    id: str
    network_id: str
    revision: int
    digest: bytes = b""
    memberships: tuple[Membership, ...] = ()
    leaving: bool = False
    orphan: bool = False
    plugged: bool = False
    host: str = ""
    physical_network: str = ""
    reach: frozenset[str] | None = None


def want_of_network(context: NetworkContext) -> Want:
    """Return what a network wants: to be known, or to go."""
    network, leaving = context.current, context.action is Action.DELETE
    orphan = leaving and not network.project_id and not network.segments
    return Want(Kind.NETWORK, network.id, network.id, context.revision, context.digest, leaving=leaving, orphan=orphan)


def want_of_port(context: PortContext, inventory: Inventory, attached: Attached) -> Want:
    """Return what a port wants. Infeasible if nobody can give it that."""
    port, leaving = context.current, context.action is Action.DELETE
    if leaving:
        orphan = not port.network_id
        return Want(Kind.PORT, port.id, port.network_id, context.revision, context.digest, leaving=True, orphan=orphan)
    segment = _vlan_segment(context)
    _require_uuid(port.network_id)
    return Want(
        Kind.PORT,
        port.id,
        port.network_id,
        context.revision,
        context.digest,
        memberships=_memberships(context, segment, inventory, attached) if segment else (),
        plugged=_is_plugged_by_us(context),
        host="" if port.binding.vnic_type == "baremetal" else port.binding.host,
        physical_network=(segment.physical_network or "") if segment else "",
        reach=frozenset(inventory.switches),
    )


def places_of(port: Port, inventory: Inventory, attached: Attached) -> Sequence[Place]:
    """Return where a port is plugged in. UnknownLink if its profile names what is not there."""
    binding = port.binding
    if binding.vnic_type != "baremetal":
        return attached(binding.host)
    links = binding.profile.get("local_link_information")
    if links:
        return places_of_links(inventory, links, binding.profile.get("local_group_information"))
    return [place for place in attached(binding.host) if place.role is Role.BAREMETAL]


def _vlan_segment(context: PortContext) -> Segment | None:
    """Return the VLAN that a port is bound to; None if it is bound to none."""
    if not context.current.binding.host or not context.segments:
        return None
    segment = context.segments[-1]
    return segment if segment.network_type == "vlan" and segment.segmentation_id is not None else None


def _memberships(
    context: PortContext, segment: Segment, inventory: Inventory, attached: Attached
) -> tuple[Membership, ...]:
    if reason := why_not(segment, inventory):
        raise Infeasible(reason, code="VLAN_RESERVED", effect=Effect.NONE)
    try:
        places = places_of(context.current, inventory, attached)
    except UnknownLink as unknown:
        if not _is_plugged_by_us(context):
            return ()  # A machine on a switch of somebody else.
        raise Infeasible(unknown.reason, code="UNKNOWN_LINK", effect=Effect.NONE) from unknown
    return tuple(dict.fromkeys(_on_places(places, segment, _vni(context), inventory)))


def _on_places(
    places: Sequence[Place], segment: Segment, vni: int | None, inventory: Inventory
) -> Iterator[Membership]:
    assert segment.segmentation_id is not None
    for place in places:
        if place.physical_network != segment.physical_network:
            continue
        mode = Mode.ACCESS if place.role is Role.BAREMETAL else Mode.TRUNK
        has_vtep = inventory.switch(place.switch).vtep is not None
        yield Membership(place.switch, place.port, mode, segment.segmentation_id, vni if has_vtep else None)


def _vni(context: PortContext) -> int | None:
    """Return the number of the tunnel segment that this driver carries the port's VLAN in."""
    levels = context.current.binding.levels
    if len(context.segments) < 2 or not levels or levels[0].driver != DRIVER:
        return None
    fabric = context.segments[0]
    number = fabric.segmentation_id
    is_vni = fabric.network_type in TUNNEL_TYPES and number is not None and number <= _HIGHEST_VNI
    return number if is_vni else None


def _is_plugged_by_us(context: PortContext) -> bool:
    levels = context.current.binding.levels
    return bool(levels) and levels[-1].driver == DRIVER


def _require_uuid(network_id: str) -> None:
    """Refuse an id that no VLAN can be named by."""
    try:
        is_canonical = str(uuid.UUID(network_id)) == network_id
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise Infeasible(f"network {network_id[:64]!r} is not named by a UUID", code="MALFORMED", effect=Effect.NONE)

"""Which ports this driver binds, from what the inventory says of the host or of the machine's links.

A machine (`vnic_type=baremetal`) is bound to a VLAN of the physical network of its switches, and the
switch is all that plugs it. On a tunnel network the first level is the fabric, and the next one a VLAN
that the core takes for it on that physical network: for a machine we bind it again, for a hypervisor the
driver of its agent does. VLAN networks on hypervisors need no level of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from jackfield_sdk import BindContext, Bound, NextLevel, Segment, Skip

from jackfield_arista.inventory.attachments import Place
from jackfield_arista.inventory.links import UnknownLink
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.wanted.judging import why_not
from jackfield_arista.wanted.wants import TUNNEL_TYPES, Attached, places_of

VIF_TYPE = "other"


def bind(context: BindContext, inventory: Inventory, attached: Attached) -> Bound | NextLevel | Skip:
    """Choose a segment for a port; a pure function."""
    try:
        places = places_of(context.port, inventory, attached)
    except UnknownLink as unknown:
        return Skip(unknown.reason)
    if not places:
        return Skip(f"host {context.host.name} is not attached to any switch of the inventory")
    networks = sorted({place.physical_network for place in places})
    if context.port.binding.vnic_type == "baremetal":
        return _machine(context, inventory, places, networks)
    if context.level > 0:
        return Skip("a VLAN on a hypervisor is bound by the driver of its agent")
    return _fabric(context, networks)


def _machine(
    context: BindContext, inventory: Inventory, places: Sequence[Place], networks: Sequence[str]
) -> Bound | NextLevel | Skip:
    reasons: list[str] = []
    for segment in context.segments:
        if segment.network_type != "vlan" or segment.physical_network not in networks:
            continue
        reason = why_not(segment, inventory)
        if not reason:
            return Bound(segment.id, VIF_TYPE, _vif_details(places, segment))
        reasons.append(reason)
    if reasons:
        return Skip("; ".join(reasons))
    return _fabric(context, networks) if context.level == 0 else Skip(_none_of(context, networks))


def _fabric(context: BindContext, networks: Sequence[str]) -> NextLevel | Skip:
    """Carry the port through the fabric to a VLAN of its switches."""
    if len(networks) > 1:
        return Skip(f"host {context.host.name} hangs on several physical networks ({', '.join(networks)})")
    for segment in context.segments:
        if segment.network_type in TUNNEL_TYPES:
            return NextLevel(segment.id, "vlan", networks[0])
    return Skip(_none_of(context, networks))


def _vif_details(places: Sequence[Place], segment: Segment) -> dict[str, object]:
    return {
        "port_filter": False,
        "connectivity": "l2",
        "vlan": str(segment.segmentation_id),
        "switch_ports": [f"{place.switch} {place.port}" for place in places],
    }


def _none_of(context: BindContext, networks: Sequence[str]) -> str:
    offered = ", ".join(f"{one.network_type} {one.segmentation_id or ''}".strip() for one in context.segments)
    return f"no segment for the physical network {', '.join(networks)} among those offered ({offered or 'none'})"

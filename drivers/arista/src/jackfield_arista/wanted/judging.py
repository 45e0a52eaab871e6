"""What is refused before it is done: VLANs that switches may not carry, and links that lead nowhere.

A precommit hook refuses with these words what could never be made. Binding asks the same question of a
segment before it chooses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jackfield_sdk import Binding, NetworkContext, PortContext, Rejected, Segment

from jackfield_arista.inventory.links import UnknownLink, places_of_links
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.inventory.notation import find_chassis


def judge_network(context: NetworkContext, inventory: Inventory) -> None:
    """Refuse with `Rejected` a network whose VLAN a switch may not carry; what it has had is not judged again."""
    before = context.original.segments if context.original else ()
    _judge_segments([segment for segment in context.current.segments if segment not in before], inventory)


def judge_port(context: PortContext, inventory: Inventory) -> None:
    """Refuse with `Rejected` a port on a VLAN that may not be, or whose link leads nowhere on a switch of ours.

    What the port has been before is not judged again: an inventory may have changed since, and the user's
    change of something else is not to blame for that.
    """
    binding = context.current.binding
    before = context.original.binding if context.original else Binding()
    known = {level.segment_id for level in before.levels}
    _judge_segments([segment for segment in context.segments if segment.id not in known], inventory)
    links = binding.profile.get("local_link_information")
    is_news = (binding.vnic_type, binding.profile) != (before.vnic_type, before.profile)
    if binding.vnic_type != "baremetal" or not is_news or not any(_is_ours(link, inventory) for link in _listed(links)):
        return
    try:
        places_of_links(inventory, links, binding.profile.get("local_group_information"))
    except UnknownLink as unknown:
        raise Rejected(unknown.reason, reason="UNKNOWN_LINK", field="binding:profile") from unknown


def _judge_segments(segments: Iterable[Segment], inventory: Inventory) -> None:
    for segment in segments:
        if reason := why_not(segment, inventory):
            raise Rejected(reason, reason="VLAN_RESERVED")


def why_not(segment: Segment, inventory: Inventory) -> str:
    """Say which switch may not carry a segment, and why; empty if all may."""
    vlan, physical_network = segment.segmentation_id, segment.physical_network
    if segment.network_type != "vlan" or vlan is None:
        return ""
    for group in inventory.groups.values():
        if group.physical_network != physical_network:
            continue
        if not group.allows(vlan):
            return (
                f'VLAN {vlan} on physical_network "{physical_network}" is outside of the ranges of group {group.name}'
            )
        for switch in inventory.members(group.name):
            if vlan in switch.reserved_vlans:
                return f'VLAN {vlan} on physical_network "{physical_network}" is reserved on switch {switch.name}'
    return ""


def _listed(links: Any) -> Sequence[Any]:
    return links if isinstance(links, Sequence) and not isinstance(links, str) else ()


def _is_ours(link: Any, inventory: Inventory) -> bool:
    if not isinstance(link, dict):
        return False
    chassis = find_chassis(str(link.get("switch_id") or "")) or ""
    return inventory.find_switch(chassis, str(link.get("switch_info") or "")) is not None

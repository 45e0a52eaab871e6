"""Where a machine is that Ironic has plugged in: `binding:profile`, exactly as Ironic writes it.

`local_link_information` lists cables: `switch_id` is the chassis MAC in any notation, `port_id` the
interface, `switch_info` free text that is the switch's name by custom. `local_group_information` says
that the cables are one bond. A bond with LACP needs its port-channel, because EOS ignores what is
configured on its members: `port_id` names it, or an attachment of the inventory does, or the name
of Ironic's port group. The other bonds need nothing of the switch, so each cable is a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jackfield_arista.inventory.attachments import Place, Role
from jackfield_arista.inventory.entries import Switch
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.inventory.notation import find_chassis, find_port, is_lag

LACP = frozenset({"802.3ad", "4", "lacp"})
# What is quoted of a profile is short: it may hold anything.
_QUOTED = 64


class UnknownLink(ValueError):
    """A link leads to no port that we know; `reason` says why, for the user and the operator."""

    def __init__(self, reason: str) -> None:
        """Say which link and why."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Link:
    """One cable: a switch of the inventory, and the port in the one spelling."""

    switch: Switch
    port: str


def places_of_links(inventory: Inventory, links: Any, group: Any = None) -> tuple[Place, ...]:
    """Return the places of a baremetal port, each once and in order.

    `links` and `group` are `local_link_information` and `local_group_information` of its profile. UnknownLink
    if they name no switch of ours, or no port.
    """
    if not isinstance(links, Sequence) or isinstance(links, str) or not links:
        raise UnknownLink("binding:profile has no local_link_information, so nobody knows where the machine is")
    cables = [_link(inventory, link) for link in links]
    group = group if isinstance(group, Mapping) else {}
    if str(group.get("bond_mode", "")).lower() in LACP:
        return tuple(sorted(dict.fromkeys(_bonded(inventory, cables, find_port(str(group.get("name") or ""))))))
    return tuple(sorted(dict.fromkeys(place for cable in cables for place in _alone(inventory, cable))))


def _link(inventory: Inventory, link: Any) -> Link:
    if not isinstance(link, Mapping):
        raise UnknownLink("local_link_information must list objects with switch_id and port_id")
    switch_id, port_id, info = (_text(link.get(key)) for key in ("switch_id", "port_id", "switch_info"))
    switch = inventory.find_switch(find_chassis(switch_id) or "", info)
    if switch is None:
        raise UnknownLink(f"no switch of the inventory has chassis {switch_id!r} or the name {info!r}")
    chassis = find_chassis(switch_id)
    if chassis and switch.chassis_id and chassis != switch.chassis_id:
        raise UnknownLink(f"switch_info names {switch.name}, and its chassis is not {switch_id!r}")
    port = find_port(port_id)
    if port is None:
        raise UnknownLink(f"port_id {port_id!r} names no interface of {switch.name}")
    if port in switch.uplinks:
        raise UnknownLink(f"{switch.name} {port} is one of its uplinks")
    return Link(switch, port)


def _alone(inventory: Inventory, cable: Link) -> Sequence[Place]:
    owner = inventory.owner_of(cable.switch.name, cable.port)
    if owner is not None and owner.role is Role.HYPERVISOR:
        raise UnknownLink(f"{cable.switch.name} {cable.port} is given to hypervisor {owner.host}")
    if owner is not None:
        # A cable that is a member of a port-channel is configured there and nowhere else.
        port, mlag = (owner.lag, owner.mlag) if owner.lag else (cable.port, True)
        return inventory.places_on(cable.switch.name, port, Role.BAREMETAL, mlag=mlag)
    return inventory.places_on(cable.switch.name, cable.port, Role.BAREMETAL)


def _bonded(inventory: Inventory, cables: Sequence[Link], named: str | None) -> Iterator[Place]:
    places = {cable: [place for place in _alone(inventory, cable) if is_lag(place.port)] for cable in cables}
    found = {place for each in places.values() for place in each}
    covered = {place.switch for place in found}
    for cable in cables:
        if places[cable]:
            yield from places[cable]
        elif named is not None and is_lag(named):
            yield from inventory.places_on(cable.switch.name, named, Role.BAREMETAL)
        elif cable.switch.name not in covered:
            raise UnknownLink(
                f"the bond is 802.3ad, and nobody says which port-channel {cable.switch.name} {cable.port} is in: "
                f"list it in the inventory (attachments: lag and interfaces), or name the port group after it"
            )


def _text(value: Any) -> str:
    return str(value or "")[:_QUOTED]

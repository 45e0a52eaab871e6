"""The first look that a memory takes at a switch: what is there of ours was made by one that is lost.

Most memories find nothing of ours, and begin. One that does cannot know who needs it, so all of it is
inherited: it stays until the core has told of it, or has deleted its network. What its ports were before
us is lost as well, so they are taken for what they are without it. A number alone on a trunk's list is
taken for ours, because that is how we write them, and a range for the operator's.

A trunk without a list says nothing: it never had one, or somebody has emptied it since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from jackfield_arista.configuration.difference import without_ours
from jackfield_arista.configuration.model import SwitchPort
from jackfield_arista.fleet.plan import Situation
from jackfield_arista.inventory.notation import port_order
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Pair

log = structlog.get_logger(__name__)


def inherit(memory: Memory, situation: Situation, uplinks: Collection[str]) -> Mapping[Pair, str]:
    """Remember what of ours is on a switch, and return with its network what of that nobody has told of yet."""
    marked = _marked(situation, uplinks)
    told = {(port, row.member.vlan) for row in situation.rows for port in (row.member.port, "")}
    untold = {pair: network for pair, network in marked.items() if pair not in told}
    ports = {port for port, _ in marked} - {""}
    memory.inherit(situation.switch, untold, [_without_ours(situation, port, marked) for port in sorted(ports)])
    if marked:
        _say_what_nobody_knows(situation, uplinks)
    return untold


def _marked(situation: Situation, uplinks: Collection[str]) -> dict[Pair, str]:
    """Return what of ours is on a switch, with its network; of trunks what we write there, which is no range."""
    owners = {vlan: situation.network_of(vlan) for vlan in situation.configuration.vlans}
    found: dict[Pair, str] = {("", vlan): network for vlan, network in owners.items() if network is not None}
    for name, port in situation.configuration.ports.items():
        untagged = {vlan for vlan in (port.access_vlan, port.native_vlan) if vlan is not None}
        carried = {vlan for vlan in port.trunk_vlans if str(vlan) in port.trunk_entries} | untagged
        if name not in uplinks:
            found |= {(name, vlan): network for vlan in carried if (network := owners.get(vlan)) is not None}
    return found


def _without_ours(situation: Situation, name: str, marked: Collection[Pair]) -> SwitchPort:
    ours = frozenset(vlan for port, vlan in marked if port == name)
    return without_ours(situation.configuration.port(name), ours)


def _say_what_nobody_knows(situation: Situation, uplinks: Collection[str]) -> None:
    """Name the trunks without a list: the memory that is lost knew which of them had one, and the switch does not."""
    ports = situation.configuration.ports.values()
    listless = sorted((port.name for port in ports if port.carries_all and port.name not in uplinks), key=port_order)
    if listless:
        log.warning(
            "switch.lists_unknown",
            switch=situation.switch,
            ports=listless,
            reason="the memory is new and the switch is not: whether the lists of these trunks were emptied "
            "meanwhile nobody knows, so they stay trunks of all VLANs",
        )

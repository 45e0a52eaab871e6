"""What a look at a switch finds, point by point, and what to do about it.

Each point is a pure function from what the switch showed to findings, so that all of them can be tried
without a switch. A finding is fine, a note (nothing has to be done) or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import (
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    SwitchError,
    Unreachable,
)
from jackfield_arista.device.namespaces import ARISTA_CLI
from jackfield_arista.inventory.entries import Switch
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.inventory.notation import port_order

# The name of any deployment's VLANs, see `ownership`.
_MARKED = re.compile(r"jf([0-9a-f]{6})_[A-Za-z0-9_-]{22}")
_STEPS: Mapping[type[SwitchError], tuple[str, str]] = {
    Unreachable: ("reach", "see that the address is right, the switch is up, and `management api netconf` is on"),
    HostKeyUnknown: ("host key", "compare the fingerprint at the console, then write the key as host_key"),
    HostKeyChanged: ("host key", "find out why; only if the switch was exchanged, write the new key as host_key"),
    AuthenticationFailed: ("login", "see that the credential names what the switch accepts, and that it can be read"),
}


class Level(StrEnum):
    """How bad a finding is."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One point: which step, how bad, the fact, and what to do."""

    step: str
    level: Level
    fact: str
    advice: str = ""


class Announcing(Protocol):
    """A session as far as it says what the switch can."""

    def can(self, capability: str) -> bool: ...
    def has_module(self, namespace: str) -> bool: ...


def of_error(error: SwitchError) -> Finding:
    """Return at which step an error has stopped us."""
    step, advice = next((found for kind, found in _STEPS.items() if isinstance(error, kind)), ("read", ""))
    return Finding(step, Level.WRONG, error.fact, advice or "see the switch's own log")


def of_capabilities(switch: Switch, session: Announcing) -> Iterator[Finding]:
    """Find whether changes can be made as the inventory says they are made."""
    needed = ("candidate", "confirmed-commit") if switch.datastore == "candidate" else ("writable-running",)
    missing = [name for name in needed if not session.can(name)]
    if missing:
        other = "running" if switch.datastore == "candidate" else "candidate"
        fact = f"the switch announces no {' and no '.join(missing)}"
        yield Finding("datastore", Level.WRONG, fact, f"set datastore: {other}")
    else:
        yield Finding("datastore", Level.FINE, f"{switch.datastore}, with {', '.join(needed)}")
    yield _of_saving(switch, session)


def of_vlans(inventory: Inventory, switch: Switch, configuration: Configuration) -> Iterator[Finding]:
    """Find VLANs that bear our mark where they may not be."""
    marked = {vlan: match[1] for vlan, name in configuration.vlans.items() if (match := _MARKED.fullmatch(name))}
    deployments = sorted(set(marked.values()))
    yield Finding("our VLANs", Level.FINE, f"{len(marked)} of {len(configuration.vlans)} VLANs are Jackfield's")
    if len(deployments) > 1:
        fact = f"they are of {len(deployments)} deployments: {', '.join(deployments)}"
        yield Finding("our VLANs", Level.NOTE, fact, "see that their groups have no VLAN in common")
    group = inventory.group_of(switch.name)
    for vlan in sorted(marked):
        if vlan in switch.reserved_vlans:
            fact = f"VLAN {vlan} is reserved, and a network has it"
            yield Finding("reserved VLANs", Level.WRONG, fact, "move the network, or take the VLAN off reserved_vlans")
        elif not group.allows(vlan):
            fact = f"VLAN {vlan} is outside of the ranges of group {group.name}, and a network has it"
            yield Finding("reserved VLANs", Level.WRONG, fact, "move the network, or widen vlan_ranges")


def of_ports(
    inventory: Inventory, switch: Switch, configuration: Configuration, links: Mapping[str, bool]
) -> Iterator[Finding]:
    """Find ports of the inventory that are not there, or not fit to carry a host."""
    expected = dict(_expected_ports(inventory, switch))
    for port in sorted(expected, key=port_order):
        found, what = configuration.port(port), expected[port]
        if not found.exists:
            advice = "see that it is cabled as the inventory says; names are those of the models, as Ethernet7/1"
            yield Finding("interfaces", Level.WRONG, f"there is no {port}, which is {what}", advice)
        elif links.get(port) is False:
            yield Finding("interfaces", Level.NOTE, f"{port}, which is {what}, has no link", "see the cable")
        if found.carries_all and port not in switch.uplinks:
            fact = f"{port}, which is {what}, is a trunk of all VLANs: its host gets those of all others"
            advice = "give it a list, `switchport trunk allowed vlan 1`, before its first"
            yield Finding("interfaces", Level.NOTE, fact, advice)
    there = sum(configuration.port(port).exists for port in expected)
    yield Finding("interfaces", Level.FINE, f"{there} of {len(expected)} ports of the inventory are there")


def of_identity(switch: Switch) -> Iterator[Finding]:
    """Find what the inventory leaves to chance."""
    if switch.chassis_id is None:
        fact = "there is no chassis_id, so LLDP and Ironic find this switch by its name only"
        yield Finding("inventory", Level.NOTE, fact, "copy it from `show lldp local-info`")
    if switch.maintenance:
        yield Finding("inventory", Level.NOTE, "it is in maintenance: what it is owed waits", "end it when all is fine")


def _of_saving(switch: Switch, session: Announcing) -> Finding:
    if switch.save == "never":
        return Finding("save", Level.NOTE, "changes are not saved: a restart forgets them", "")
    by_copy = switch.save == "startup" and session.can("startup")
    if by_copy or session.has_module(ARISTA_CLI):
        return Finding("save", Level.FINE, "by copying to startup" if by_copy else "by `write memory`")
    fact = "the switch announces neither a startup configuration nor its command line"
    return Finding("save", Level.WRONG, fact, "set save: never, or upgrade the switch")


def _expected_ports(inventory: Inventory, switch: Switch) -> Iterable[tuple[str, str]]:
    """Yield the ports that the inventory speaks of, each with what it is."""
    yield from ((port, "an uplink") for port in switch.uplinks)
    for attachment in inventory.attachments:
        members = attachment.interfaces if attachment.switch == switch.name else ()
        places = [place.port for place in inventory.places_of(attachment) if place.switch == switch.name]
        yield from ((port, attachment.host) for port in (*places, *members))

"""What has to fit together in an inventory, and is not seen from one entry alone.

Each rule yields faults: where in the inventory, and the fact. All of them are found at once, so that
a file is mended in one go.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from jackfield_arista.inventory.attachments import Attachment
from jackfield_arista.inventory.entries import Switch

Switches = Mapping[str, Switch]
Path = tuple[str | int, ...]
Fault = tuple[Path, str]


class Inconsistent(ValueError):
    """Parts of an inventory do not fit together; `faults` says where and why."""

    def __init__(self, found: Sequence[Fault]) -> None:
        """Keep the faults, and say them all."""
        super().__init__("; ".join(f"{'.'.join(map(str, path))}: {fact}" for path, fact in found))
        self.faults = tuple(found)


def faults(
    switches: Switches, groups: Container[str], credentials: Container[str], attachments: Sequence[Attachment]
) -> Sequence[Fault]:
    """Return everything that does not fit together."""
    found = [
        *_references(switches, groups, credentials),
        *_pairs(switches),
        *_twins(switches),
        *_homeless(switches, attachments),
    ]
    # Where a port belongs can be asked only once all names lead somewhere.
    return found or [*_cables(switches, attachments)]


def _references(switches: Switches, groups: Container[str], credentials: Container[str]) -> Iterator[Fault]:
    for switch in switches.values():
        if switch.group not in groups:
            yield ("switches", switch.name, "group"), f"there is no group {switch.group}"
        if switch.credential not in credentials:
            yield ("switches", switch.name, "credential"), f"there is no credential {switch.credential}"


def _pairs(switches: Switches) -> Iterator[Fault]:
    for switch in switches.values():
        if switch.mlag_peer is None:
            continue
        path: Path = ("switches", switch.name, "mlag_peer")
        peer = switches.get(switch.mlag_peer)
        if peer is None or peer.name == switch.name:
            yield path, f"there is no other switch {switch.mlag_peer}"
        elif peer.mlag_peer != switch.name:
            yield path, f"{peer.name} does not name {switch.name} as its mlag_peer"
        elif peer.group != switch.group:
            yield path, f"{peer.name} is in group {peer.group}, and an MLAG pair is in one group"


def _twins(switches: Switches) -> Iterator[Fault]:
    """Two entries for one switch would undo each other's work."""
    seen: dict[tuple[object, ...], str] = {}
    for switch in switches.values():
        keys: dict[str, tuple[object, ...]] = {"address": (switch.address.lower(), switch.port)}
        if switch.chassis_id is not None:
            keys["chassis_id"] = (switch.chassis_id,)
        for field, key in keys.items():
            other = seen.setdefault(key, switch.name)
            if other != switch.name:
                yield ("switches", switch.name, field), f"{other} has the same"


def _homeless(switches: Switches, attachments: Sequence[Attachment]) -> Iterator[Fault]:
    for number, attachment in enumerate(attachments):
        if attachment.switch not in switches:
            yield ("attachments", number, "switch"), f"{attachment.host}: there is no switch {attachment.switch}"


def _cables(switches: Switches, attachments: Sequence[Attachment]) -> Iterator[Fault]:
    owners: dict[tuple[str, str], str] = {}
    for number, attachment in enumerate(attachments):
        switch = switches[attachment.switch]
        ends = [(name, port) for port in attachment.ports for name in switch.members(port, mlag=attachment.mlag)]
        members = [(attachment.switch, member) for member in attachment.interfaces]
        for name, port in dict.fromkeys([*ends, *members]):
            path: Path = ("attachments", number)
            if port in switches[name].uplinks:
                yield path, f"{attachment.host}: {name} {port} is one of its uplinks"
            other = owners.setdefault((name, port), attachment.host)
            if other != attachment.host:
                yield path, f"{attachment.host}: {name} {port} is given to {other} already"

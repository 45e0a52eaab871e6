"""What has to fit together in an inventory, and is not seen from one entry alone.

Each rule yields faults: where in the inventory, and the fact. All of them are found at once, so that
a file is mended in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield_arista.inventory import Inventory

Path = tuple[str | int, ...]
Fault = tuple[Path, str]


class Inconsistent(ValueError):
    """Parts of an inventory do not fit together; `faults` says where and why."""

    def __init__(self, found: Sequence[Fault]) -> None:
        """Keep the faults, and say them all."""
        super().__init__("; ".join(f"{'.'.join(map(str, path))}: {fact}" for path, fact in found))
        self.faults = tuple(found)


def faults(inventory: Inventory) -> Sequence[Fault]:
    """Return everything that does not fit together."""
    found = [*_references(inventory), *_pairs(inventory), *_twins(inventory), *_homeless(inventory)]
    # Where a port belongs can be asked only once all names lead somewhere.
    return found or [*_cables(inventory)]


def _references(inventory: Inventory) -> Iterator[Fault]:
    for switch in inventory.switches.values():
        if switch.group not in inventory.groups:
            yield ("switches", switch.name, "group"), f"there is no group {switch.group}"
        if switch.credential not in inventory.credentials:
            yield ("switches", switch.name, "credential"), f"there is no credential {switch.credential}"


def _pairs(inventory: Inventory) -> Iterator[Fault]:
    for switch in inventory.switches.values():
        if switch.mlag_peer is None:
            continue
        path: Path = ("switches", switch.name, "mlag_peer")
        peer = inventory.switches.get(switch.mlag_peer)
        if peer is None or peer.name == switch.name:
            yield path, f"there is no other switch {switch.mlag_peer}"
        elif peer.mlag_peer != switch.name:
            yield path, f"{peer.name} does not name {switch.name} as its mlag_peer"
        elif peer.group != switch.group:
            yield path, f"{peer.name} is in group {peer.group}, and an MLAG pair is in one group"


def _twins(inventory: Inventory) -> Iterator[Fault]:
    """Two entries for one switch would undo each other's work."""
    seen: dict[tuple[object, ...], str] = {}
    for switch in inventory.switches.values():
        keys: dict[str, tuple[object, ...]] = {"address": (switch.address.lower(), switch.port)}
        if switch.chassis_id is not None:
            keys["chassis_id"] = (switch.chassis_id,)
        for field, key in keys.items():
            other = seen.setdefault(key, switch.name)
            if other != switch.name:
                yield ("switches", switch.name, field), f"{other} has the same"


def _homeless(inventory: Inventory) -> Iterator[Fault]:
    for number, attachment in enumerate(inventory.attachments):
        if attachment.switch not in inventory.switches:
            yield ("attachments", number, "switch"), f"{attachment.host}: there is no switch {attachment.switch}"


def _cables(inventory: Inventory) -> Iterator[Fault]:
    owners: dict[tuple[str, str], str] = {}
    for number, attachment in enumerate(inventory.attachments):
        places = [(place.switch, place.port) for place in inventory.places_of(attachment)]
        members = [(attachment.switch, member) for member in attachment.interfaces]
        for switch, port in dict.fromkeys([*places, *members]):
            path: Path = ("attachments", number)
            if port in inventory.switches[switch].uplinks:
                yield path, f"{attachment.host}: {switch} {port} is one of its uplinks"
            other = owners.setdefault((switch, port), attachment.host)
            if other != attachment.host:
                yield path, f"{attachment.host}: {switch} {port} is given to {other} already"

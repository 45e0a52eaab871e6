"""What the file and LLDP say against each other.

The file wins, always: LLDP is heard from cables, and a wrong cable is no reason to move a VLAN. But a
contradiction is listed with both sides and the time it was first seen, because one of the two is
wrong and only a person can tell which. Here is the comparison; `lldp` remembers since when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jackfield_arista.inventory.attachments import Role
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.inventory.notation import is_lag, same_host


class Witness(StrEnum):
    """Who heard a frame: the host's agent heard the switch, or the switch heard the host."""

    AGENT = "agent"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """A host's interface on a port of a switch of ours; `interface` is empty if the switch was not told."""

    host: str
    interface: str
    switch: str
    port: str
    witness: Witness


@dataclass(frozen=True, slots=True, order=True)
class Contradiction:
    """Two claims that cannot both be true, one of them about (switch, port)."""

    host: str
    interface: str
    switch: str
    port: str
    file_says: str
    lldp_says: str


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """A contradiction and when it was first seen."""

    found: Contradiction
    since: datetime

    def __str__(self) -> str:
        """Return it as a sentence for the operator."""
        where = f"{self.found.host} {self.found.interface}".rstrip()
        when = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{where}: the file says {self.found.file_says}, LLDP says {self.found.lldp_says}, since {when}"


def contradictions(inventory: Inventory, sightings: Iterable[Sighting]) -> tuple[Contradiction, ...]:
    """Return what the file, the agents and the switches say against each other, each once and in order."""
    seen = [one for one in sorted(sightings) if one.switch in inventory.switches]
    found = [*_against_the_file(inventory, seen), *_against_each_other(inventory, seen)]
    return tuple(sorted(dict.fromkeys(found)))


def _against_the_file(inventory: Inventory, sightings: Iterable[Sighting]) -> Iterator[Contradiction]:
    for seen in sightings:
        file_says = _file_says(inventory, seen)
        if file_says is not None:
            yield _contradiction(seen, file_says)


def _file_says(inventory: Inventory, seen: Sighting) -> str | None:
    """Return what the file says against a sighting, None if they agree."""
    where = f"{seen.switch} {seen.port}"
    if seen.port in inventory.switches[seen.switch].uplinks:
        return f"{where} is an uplink"
    owner = inventory.owner_of(seen.switch, seen.port)
    if owner is None:
        return _elsewhere(inventory, seen)
    # What a rented machine calls itself is its user's choice.
    is_owner = same_host(owner.host, seen.host) or (owner.role is Role.BAREMETAL and seen.witness is Witness.SWITCH)
    return None if is_owner else f"{where} is {owner.host}"


def _elsewhere(inventory: Inventory, seen: Sighting) -> str | None:
    """Return where the file has a host that is seen on a port which the file gives to nobody."""
    listed = inventory.attachments_of(seen.host)
    places = [place for one in listed for place in inventory.places_of(one)]
    has_lag_here = any(place.switch == seen.switch and is_lag(place.port) for place in places)
    has_members_here = any(one.switch == seen.switch and one.lag and one.interfaces for one in listed)
    # A port-channel whose members are not listed may well have this one.
    if not listed or (has_lag_here and not has_members_here):
        return None
    return f"it is on {', '.join(f'{place.switch} {place.port}' for place in sorted(places))}"


def _against_each_other(inventory: Inventory, sightings: Sequence[Sighting]) -> Iterator[Contradiction]:
    """Yield hosts that are seen on one port, although a cable has one other end."""
    for there in _by_port(sightings).values():
        for seen in there:
            others = [other for other in there if not same_host(other.host, seen.host)]
            if others and inventory.owner_of(seen.switch, seen.port) is None:
                said = "; ".join(f"the {other.witness} that it is {other.host}" for other in others)
                yield _contradiction(seen, f"nothing of {seen.switch} {seen.port}", f", and {said}")


def _by_port(sightings: Iterable[Sighting]) -> Mapping[tuple[str, str], Sequence[Sighting]]:
    by_port: dict[tuple[str, str], list[Sighting]] = {}
    for seen in sightings:
        by_port.setdefault((seen.switch, seen.port), []).append(seen)
    return by_port


def _contradiction(seen: Sighting, file_says: str, more: str = "") -> Contradiction:
    lldp_says = f"{seen.switch} {seen.port} is {seen.host} (heard by the {seen.witness}){more}"
    return Contradiction(seen.host, seen.interface, seen.switch, seen.port, file_says, lldp_says)

"""Which ports have to be told again, because their host is plugged in elsewhere than when they were told.

An inventory that changes and a cable that LLDP hears of move a host's places. The memory has the places
of before; the core, which is owed the port again then, tells everything that the new ones take. A switch
that was not in the inventory for a while is as it was; what changed meanwhile was not said for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jackfield_arista.memory.memory import Memory
from jackfield_arista.wanted.wants import Attached


def moved(memory: Memory, attached: Attached, switches: Collection[str]) -> Iterator[str]:
    """Yield the ids of ports whose host has other places now on these switches, those of the inventory."""
    places: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
    held, outdated = memory.places(switches), memory.outdated(switches)
    for id, port in memory.ports().items():
        if id in outdated:
            yield id
        elif port.host and port.physical_network:
            where = port.host, port.physical_network
            if where not in places:
                found = attached(port.host)
                places[where] = frozenset(
                    (place.switch, place.port) for place in found if place.physical_network == port.physical_network
                )
            if held.get(id, frozenset()) != places[where]:
                yield id

"""Where the next address might be free: places in the allocation pools of a subnet.

A place is a position in the subnet. None of this asks the database; it only
guesses well. The cursor of a subnet is the place behind the last guess, so the
guesses of concurrent requests in one process differ.
"""

import random
from functools import lru_cache

from jackfield_core.db.address import MAX_POSITION
from jackfield_core.db.subnet import Subnet
from jackfield_core.ipam import pools
from jackfield_core.types import AllocationPool

Spans = tuple[tuple[int, int], ...]
"""Ranges of positions, both ends included, lowest first."""

CAPACITY = 1 << 16
"""Subnets whose cursor is remembered; forgetting one costs a lost race."""


class Places:
    """Guesses free places, subnet by subnet."""

    def __init__(self) -> None:
        self._cursors: dict[str, int] = {}

    def next(self, subnet: Subnet) -> int:
        """Return the place at the cursor; behind the last pool the first one follows."""
        places = spans(subnet)
        cursor = self._cursors.get(subnet.id, 0)
        return self._moved(subnet, next((max(low, cursor) for low, high in places if cursor <= high), places[0][0]))

    def random(self, subnet: Subnet) -> int:
        """Return a place somewhere in the pools, and go on from there."""
        places = spans(subnet)
        ((low, high),) = random.choices(places, [high - low + 1 for low, high in places])
        return self._moved(subnet, random.randint(low, high))

    def ahead(self, subnet: Subnet) -> Spans:
        """Return the pools from the cursor on, and then what lies before it."""
        cursor = self._cursors.get(subnet.id, 0)
        behind = tuple((max(low, cursor), high) for low, high in spans(subnet) if cursor <= high)
        before = tuple((low, min(high, cursor - 1)) for low, high in spans(subnet) if low < cursor)
        return behind + before

    def go_on(self, subnet: Subnet, place: int) -> None:
        """Go on behind *place*, which was free a moment ago: often the next ones are too."""
        self._moved(subnet, place)

    def _moved(self, subnet: Subnet, place: int) -> int:
        if len(self._cursors) >= CAPACITY:
            self._cursors.clear()
        self._cursors[subnet.id] = place + 1
        return place


def spans(subnet: Subnet) -> Spans:
    """Return the positions that the allocation pools of *subnet* cover."""
    return _spans(subnet.cidr, subnet.allocation_pools)


@lru_cache(maxsize=4096)
def _spans(cidr: str, allocation_pools: tuple[AllocationPool, ...]) -> Spans:
    ends = sorted((_position(cidr, pool.start), _position(cidr, pool.end)) for pool in allocation_pools)
    # The far half of an IPv6 /64 cannot be counted in a database's integers; nobody will miss it.
    return tuple((low, min(high, MAX_POSITION)) for low, high in ends if low <= MAX_POSITION)


def _position(cidr: str, ip_address: str) -> int:
    place = pools.position(cidr, ip_address)
    assert place is not None, f"allocation pool of {cidr} holds {ip_address}"
    return place

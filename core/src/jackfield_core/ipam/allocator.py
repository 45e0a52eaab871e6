"""Giving addresses to ports, many at once, without a lock.

An address is taken by inserting its row. Everything that a request needs is
inserted in one statement: the addresses that were asked for, and for the rest
the places behind the last one that this process gave away. What somebody else
has taken is not inserted, and is tried again at a random place, from where
this process then goes on, so that processes move out of each other's way. If
that fails too, the database is asked for the next gaps, and this process goes
on in one of them: in a subnet that is nearly full few requests have to ask. A
subnet without a gap is full, and the next one of the same IP version is tried.
"""

import random
from collections import Counter
from collections.abc import Sequence

from jackfield_core.db.address import MAX_POSITION, Address
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict
from jackfield_core.ipam import pools
from jackfield_core.ipam.places import Places, spans
from jackfield_core.ipam.wishes import Certain, Choice, PortAddresses, Wish, wishes
from jackfield_core.types import FixedIp

__all__ = ["Allocator", "PortAddresses"]

SPARE = 16
"""Free places looked for beyond those needed, so that concurrent requests do not all want the same."""


class Allocator:
    """Gives addresses to ports; one for the whole process."""

    def __init__(self) -> None:
        self._places = Places()

    async def assign(
        self, tables: Tables, tree: NetworkTree, wanted: Sequence[PortAddresses]
    ) -> dict[str, tuple[FixedIp, ...]]:
        """Take addresses for ports of one network; return those of each port, held ones included.

        Raises:
            Invalid: The network has no such subnet or address.
            Conflict: An address is in use, or all that could serve are.
        """
        slots = [_Slot(one.port_id, wish) for one in wanted for wish in wishes(tree, one)]
        turns: Counter[str] = Counter()
        offers = _certain(slots)
        while pending := [slot for slot in slots if slot.fixed_ip is None]:
            offers += await self._offers(tables, tree, pending, turns, {_key(offer.address) for offer in offers})
            await _take(tables, offers)
            offers = []
        taken: dict[str, list[FixedIp]] = {one.port_id: [] for one in wanted}
        for slot in slots:
            assert slot.fixed_ip is not None
            taken[slot.port_id].append(slot.fixed_ip)
        return {port_id: tuple(fixed_ips) for port_id, fixed_ips in taken.items()}

    async def _offers(
        self,
        tables: Tables,
        tree: NetworkTree,
        pending: Sequence["_Slot"],
        turns: Counter[str],
        taboo: set[tuple[str, str]],
    ) -> list["_Offer"]:
        """Find an address to try for each slot that has a choice; fewer if a subnet has fewer."""
        offers = []
        for subnet, waiting in _by_subnet(pending):
            turn = turns[subnet.id]
            turns[subnet.id] += 1
            places = await self._candidates(tables, subnet, turn, len(waiting))
            if turn > 1 and not places:
                _give_up(tree, subnet, waiting)
            addresses = (_address(subnet, place) for place in dict.fromkeys(places))
            free = [address for address in addresses if _key(address) not in taboo]
            offers += [_Offer(slot, address) for slot, address in zip(waiting, free, strict=False)]
        return offers

    async def _candidates(self, tables: Tables, subnet: Subnet, turn: int, count: int) -> list[int]:
        """Return places to try: first the next ones, then random ones, then those that are free."""
        if turn == 0 and spans(subnet):
            return [self._places.next(subnet) for _ in range(count)]
        if turn == 1 and spans(subnet):
            return [self._places.random(subnet) for _ in range(count)]
        return await self._free(tables, subnet, count)

    async def _free(self, tables: Tables, subnet: Subnet, count: int) -> list[int]:
        """Return places that are free now, looked for from the cursor on, which stays where they are."""
        free: list[int] = []
        for low, high in self._places.ahead(subnet):
            for first, last in await tables.addresses.gaps(subnet.id, low, high, limit=count + SPARE):
                free.extend(range(first, min(last, first + count + SPARE) + 1))
            if len(free) >= count:
                break
        chosen = random.sample(free, min(count, len(free)))
        if chosen:
            self._places.go_on(subnet, max(chosen))
        return chosen


class _Slot:
    """One address that a port is to get."""

    def __init__(self, port_id: str, wish: Wish) -> None:
        self.port_id = port_id
        self.wish = wish
        self.fixed_ip = wish if isinstance(wish, FixedIp) else None
        self.subnets = wish.subnets if isinstance(wish, Choice) else ()
        """Subnets that may still have a free address."""


class _Offer:
    """An address that is tried for a slot."""

    def __init__(self, slot: _Slot, address: Address) -> None:
        self.slot = slot
        self.address = address


def _certain(slots: Sequence[_Slot]) -> list[_Offer]:
    """Return the addresses that were asked for.

    Raises:
        Conflict: One was asked for twice.
    """
    offers = []
    seen = set()
    for slot in slots:
        if not isinstance(slot.wish, Certain):
            continue
        place = pools.position(slot.wish.subnet.cidr, slot.wish.ip_address)
        counted = place if place is not None and place <= MAX_POSITION else None
        address = Address(slot.wish.subnet.id, slot.wish.ip_address, counted)
        if _key(address) in seen:
            raise _in_use(address)
        seen.add(_key(address))
        offers.append(_Offer(slot, address))
    return offers


def _by_subnet(pending: Sequence[_Slot]) -> list[tuple[Subnet, list[_Slot]]]:
    """Group slots with a choice by the subnet that they try next."""
    groups: dict[str, tuple[Subnet, list[_Slot]]] = {}
    for slot in pending:
        if slot.subnets:
            subnet = slot.subnets[0]
            groups.setdefault(subnet.id, (subnet, []))[1].append(slot)
    return list(groups.values())


async def _take(tables: Tables, offers: Sequence[_Offer]) -> None:
    """Insert what is offered, and fill the slots of what was free.

    Raises:
        Conflict: An address that was asked for is in use.
    """
    if not offers:
        return
    won = await tables.addresses.reserve([(offer.address, offer.slot.port_id) for offer in offers])
    for offer in offers:
        if _key(offer.address) in won:
            offer.slot.fixed_ip = FixedIp(offer.address.subnet_id, offer.address.ip_address)
        elif isinstance(offer.slot.wish, Certain):
            raise _in_use(offer.address)


def _give_up(tree: NetworkTree, full: Subnet, waiting: Sequence[_Slot]) -> None:
    """Send slots on to their next subnet.

    Raises:
        Conflict: There is none for one of them.
    """
    for slot in waiting:
        slot.subnets = tuple(subnet for subnet in slot.subnets if subnet is not full)
        if not slot.subnets:
            raise Conflict(
                f"No more IP addresses available on network {tree.network.id}.", type="IpAddressGenerationFailure"
            )


def _in_use(address: Address) -> Conflict:
    return Conflict(
        f"IP address {address.ip_address} already allocated in subnet {address.subnet_id}",
        type="IpAddressAlreadyAllocated",
    )


def _address(subnet: Subnet, place: int) -> Address:
    return Address(subnet.id, pools.address_at(subnet.cidr, place), place)


def _key(address: Address) -> tuple[str, str]:
    return address.subnet_id, address.ip_address

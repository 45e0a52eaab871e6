"""Segments that come into being because a driver wants one between switch and host.

All ports of a network share them, so the network is locked while one is looked
for and, if there is none, allocated. It becomes a part of the network like any
other segment: the network's revision grows, and drivers are told.
"""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from jackfield_core.db.base import now
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change, Tables, Transaction, UnitOfWork
from jackfield_core.errors import NotFound
from jackfield_core.types import Action, Kind


class Allocator(Protocol):
    """Who hands out segments; the segment manager is one."""

    async def allocate_dynamic(
        self, tables: Tables, network_id: str, network_type: str, physical_network: str | None, position: int
    ) -> Segment:
        """Insert a segment with a free number and return it."""


class DynamicSegments:
    """Finds or allocates the segments that drivers want, each in a short transaction of its own."""

    def __init__(self, allocator: Allocator, unit_of_work: UnitOfWork) -> None:
        self._allocator = allocator
        self._unit_of_work = unit_of_work

    async def ensure(
        self, tree: NetworkTree, network_type: str, physical_network: str | None
    ) -> tuple[Segment, NetworkTree]:
        """Return the dynamic segment of a network, and the network as it is with it.

        Raises:
            NotFound: The network is gone.
            Invalid: There is no such network type or physical network.
            Exhausted: No number is left.
        """
        segment = _find(tree.segments, network_type, physical_network)
        if segment:
            return segment, tree
        async with self._unit_of_work() as tx:
            tree = await _lock(tx, tree.network.id)
            segment = _find(tree.segments, network_type, physical_network)
            if segment:
                return segment, tree
            position = 1 + max((segment.position for segment in tree.segments), default=-1)
            segment = await self._allocator.allocate_dynamic(
                tx, tree.network.id, network_type, physical_network, position
            )
            return segment, await _record(tx, tree, segment)


def _find(segments: Iterable[Segment], network_type: str, physical_network: str | None) -> Segment | None:
    for segment in segments:
        is_there = physical_network is None or segment.physical_network == physical_network
        if segment.is_dynamic and segment.network_type == network_type and is_there:
            return segment
    return None


async def _lock(tx: Transaction, network_id: str) -> NetworkTree:
    """Keep the network from changing, and return it as it is."""
    if await tx.networks.find_for_update(network_id) is None:
        raise NotFound.of("network", network_id)
    return (await load_trees(tx.connection, [network_id]))[network_id]


async def _record(tx: Transaction, tree: NetworkTree, segment: Segment) -> NetworkTree:
    """Make *segment* a part of the network, and return that."""
    network = msgspec.structs.replace(tree.network, revision_number=tree.network.revision_number + 1, updated_at=now())
    grown = NetworkTree(network, (*tree.segments, segment), tree.subnets)
    await tx.networks.update(network)
    tx.record(Change(Kind.NETWORK, Action.UPDATE, network, tree.network, grown, original_tree=tree))
    return grown

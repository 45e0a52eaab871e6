"""Segments that come into being because a driver wants one between switch and host, and go when nobody does.

All ports of a network share them, so the network is held while one is looked
for and, if there is none, allocated. It becomes a part of the network like any
other segment: the network's revision grows, drivers judge that and are told.
A segment that the network has just let go of is taken back before a new one is
allocated: its number is still on devices anyway.

When no binding counts on it any more (:mod:`~jackfield_core.db.idle_segment`),
it leaves the network in the same way, and its number is free when every driver
has heard of that. Nobody chose that, so nobody judges it. Somebody may be binding
a port to it at this very moment, outside of any transaction: he finds the
network at another revision, and starts again.
"""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from msgspec.structs import replace

from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.idle_segment import IdleSegmentTable
from jackfield_core.db.leaving import Leaving
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change, Tables, Transaction, UnitOfWork
from jackfield_core.errors import Conflict, DriverRejected, NotFound
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.types import Action, Kind

log = structlog.get_logger()

NUMBERS = 5
"""How many numbers drivers are shown for one segment, if they refuse them."""


class Allocator(Protocol):
    """Who hands out segments; the segment manager is one."""

    async def allocate_dynamic(
        self, tables: Tables, network_id: str, network_type: str, physical_network: str | None, position: int
    ) -> Segment:
        """Insert a segment with a free number and return it."""

    def mtu(self, segments: Iterable[Segment]) -> int:
        """Return the largest IP packet, in bytes, that fits through all *segments*."""


class DynamicSegments:
    """Finds or allocates the segments that drivers want, and releases them; each in a short transaction of its own."""

    def __init__(self, allocator: Allocator, mechanism: MechanismManager, unit_of_work: UnitOfWork) -> None:
        self._allocator = allocator
        self._mechanism = mechanism
        self._unit_of_work = unit_of_work

    async def ensure(
        self, tree: NetworkTree, network_type: str, physical_network: str | None
    ) -> tuple[Segment, NetworkTree]:
        """Return the dynamic segment of a network, and the network as it is with it.

        Raises:
            NotFound: The network is gone.
            Invalid: There is no such network type or physical network.
            Exhausted: No number is left.
            Conflict: The network's packets do not fit through the segment.
            DriverRejected: A driver wants none of the segments that it was shown.
            DriverUnavailable: A required driver gave no verdict on one.
        """
        segment = _find(tree.segments, network_type, physical_network)
        if segment:
            return segment, tree
        for _ in range(NUMBERS - 1):
            # Numbers are drawn at random, and a switch may want some of them for itself.
            with contextlib.suppress(DriverRejected):
                return await self._find_or_allocate(tree, network_type, physical_network)
        return await self._find_or_allocate(tree, network_type, physical_network)

    @retried
    async def release(self, network_id: str, unused_since: datetime) -> Sequence[Segment]:
        """Take from a network the dynamic segments that are idle, and were allocated before; return them."""
        async with self._unit_of_work() as tx:
            if await tx.networks.find_for_update(network_id) is None:
                return ()
            idle = await IdleSegmentTable(tx.connection).of_network(network_id, unused_since)
            if not idle:
                return ()
            tree = (await load_trees(tx.connection, [network_id]))[network_id]
            change = _change(tree, tuple(segment for segment in tree.segments if segment not in idle))
            await tx.networks.update(change.tree.network)
            tx.record(change)
            revision = change.current.revision_number
            await tx.leaving.add(
                Leaving(Kind.NETWORK, network_id, network_id, revision, segment.id) for segment in idle
            )
        for segment in idle:
            _log("segment.released", segment)
        return idle

    async def _find_or_allocate(
        self, tree: NetworkTree, network_type: str, physical_network: str | None
    ) -> tuple[Segment, NetworkTree]:
        async with self._unit_of_work() as tx:
            tree = await _lock(tx, tree.network.id)
            segment = _find(tree.segments, network_type, physical_network)
            if segment:
                return segment, tree
            segment = await self._take_back(tx, tree, network_type, physical_network)
            if segment is None:
                segment = await self._allocator.allocate_dynamic(
                    tx, tree.network.id, network_type, physical_network, tree.next_position
                )
            self._check_mtu(tree, segment)
            change = _change(tree, (*tree.segments, segment))
            await tx.networks.update(change.tree.network)
            await self._mechanism.precommit(tx.record(await tx.recall(change)))
        _log("segment.allocated", segment)
        return segment, change.tree

    async def _take_back(
        self, tx: Transaction, tree: NetworkTree, network_type: str, physical_network: str | None
    ) -> Segment | None:
        """Return a segment that the network let go of and drivers may still have, as its own again."""
        segment = _find(await tx.segments.list_leaving(tree.network.id), network_type, physical_network)
        # Another transaction may be freeing it; then it is gone after the wait.
        if segment is None or await tx.leaving.take_back(tree.network.id, segment.id):
            return None
        revision = segment.revision_number + 1
        segment = replace(segment, position=tree.next_position, revision_number=revision, updated_at=now())
        await tx.segments.update(segment)
        return segment

    def _check_mtu(self, tree: NetworkTree, segment: Segment) -> None:
        largest = self._allocator.mtu([segment])
        if largest and tree.network.mtu > largest:
            raise Conflict(
                f"{_name(segment)} carries packets of {largest} bytes at most,"
                f" and the MTU of network {tree.network.id} is {tree.network.mtu}"
            )


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


def _change(tree: NetworkTree, segments: tuple[Segment, ...]) -> Change:
    """Return the change of a network that is to have *segments*."""
    network = replace(tree.network, revision_number=tree.network.revision_number + 1, updated_at=now())
    after = NetworkTree(network, segments, tree.subnets)
    return Change(Kind.NETWORK, Action.UPDATE, network, tree.network, after, original_tree=tree)


def _name(segment: Segment) -> str:
    where = f' on physical_network "{segment.physical_network}"' if segment.physical_network else ""
    return f"{segment.network_type} {segment.segmentation_id}{where}"


def _log(event: str, segment: Segment) -> None:
    log.info(
        event,
        network_id=segment.network_id,
        segment_id=segment.id,
        network_type=segment.network_type,
        physical_network=segment.physical_network,
        segmentation_id=segment.segmentation_id,
    )

"""Segments of a network beyond its first: a change of a segment is a change of its network."""

from collections.abc import Sequence

from msgspec.structs import replace

from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import retried
from jackfield_core.db.leaving import Leaving
from jackfield_core.db.network import Network
from jackfield_core.db.query import ListQuery
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Transaction, UnitOfWork
from jackfield_core.errors import Conflict, NotFound
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services import revision
from jackfield_core.services.network import change, hold
from jackfield_core.services.policy import expect_admin, expect_operator
from jackfield_core.services.spec import SegmentCreate, SegmentUpdate
from jackfield_core.types import Action, Kind


class SegmentService:
    """What operators can do with segments.

    Every method raises Forbidden for users. Services may look, and change nothing.
    """

    def __init__(self, unit_of_work: UnitOfWork, segments: SegmentManager, mechanism: MechanismManager) -> None:
        self._unit_of_work = unit_of_work
        self._segments = segments
        self._mechanism = mechanism

    @retried
    async def create(self, ctx: RequestContext, spec: SegmentCreate) -> Segment:
        """Add a segment to a network."""
        expect_admin(ctx, "create_segment")
        self._segments.validate([spec.spec])
        async with self._unit_of_work() as tx:
            tree = await hold(tx, spec.network_id)
            position = tree.next_position
            (segment,) = await self._segments.reserve(tx, spec.network_id, [spec.spec], position=position)
            if spec.name or spec.description:
                segment = replace(segment, name=spec.name, description=spec.description)
                await tx.segments.update(segment)
            await self._change_network(tx, tree, (*tree.segments, segment))
        return segment

    async def get(self, ctx: RequestContext, id: str) -> Segment:
        """Return a segment."""
        expect_operator(ctx, "get_segment")
        async with self._unit_of_work.reading() as tables:
            segment = await tables.segments.find(id)
        if segment is None:
            raise NotFound.of("segment", id)
        return segment

    async def list(self, ctx: RequestContext, query: ListQuery) -> Sequence[Segment]:
        """Return one page of segments."""
        expect_operator(ctx, "get_segment")
        async with self._unit_of_work.reading() as tables:
            return await tables.segments.list(query)

    @retried
    async def update(self, ctx: RequestContext, id: str, spec: SegmentUpdate, if_match: int | None = None) -> Segment:
        """Change the name or description of a segment."""
        expect_admin(ctx, "update_segment")
        segment = await self.get(ctx, id)
        async with self._unit_of_work() as tx:
            await hold(tx, segment.network_id)
            segment = await _held(tx, id)
            revision.check(segment, if_match)
            after = revision.changed(segment, **revision.given(spec))
            if revision.is_same(segment, after):
                return segment
            await tx.segments.update(after)
        return after

    @retried
    async def delete(self, ctx: RequestContext, id: str, if_match: int | None = None) -> None:
        """Remove a segment that no port is bound to and no subnet is tied to.

        Its number is free again when every driver has heard of that.
        """
        expect_admin(ctx, "delete_segment")
        segment = await self.get(ctx, id)
        async with self._unit_of_work() as tx:
            tree = await hold(tx, segment.network_id)
            revision.check(await _held(tx, id), if_match)
            if any(subnet.segment_id == id for subnet in tree.subnets) or await _is_bound(tx, segment):
                raise Conflict(
                    f"Segment '{id}' cannot be deleted: a subnet is tied to it or a port is bound to it.",
                    type="SegmentInUse",
                )
            after = await self._change_network(tx, tree, tuple(one for one in tree.segments if one.id != id))
            await tx.leaving.add([Leaving(Kind.NETWORK, after.id, after.id, after.revision_number, id)])

    async def _change_network(self, tx: Transaction, tree: NetworkTree, segments: tuple[Segment, ...]) -> Network:
        """Raise the network's revision, tell the drivers of the network as it is now, and return it."""
        after = NetworkTree(revision.changed(tree.network), segments, tree.subnets)
        await tx.networks.update(after.network)
        await self._mechanism.precommit(tx.record(await change(tx, Action.UPDATE, after, tree)))
        return after.network


async def _is_bound(tx: Transaction, segment: Segment) -> bool:
    """Return whether a binding of a port, active or not, is to the segment."""
    return await tx.ports.uses_segment(segment.id) or await tx.inactive_bindings.uses_segment(
        segment.network_id, segment.id
    )


async def _held(tx: Transaction, id: str) -> Segment:
    segment = await tx.segments.find(id)
    if segment is None:
        raise NotFound.of("segment", id)
    return segment

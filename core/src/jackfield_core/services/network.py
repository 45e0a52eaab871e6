"""Networks: created with their segments, deleted with their subnets."""

import uuid
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.network import Network
from jackfield_core.db.occupancy import OccupancyTable
from jackfield_core.db.query import ListQuery
from jackfield_core.db.segment import Segment
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.db.vendor_attribute import NO_VALUES, Values
from jackfield_core.errors import Conflict, Invalid, NotFound
from jackfield_core.ipam.wishes import SERVICE_OWNERS
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services import policy, revision
from jackfield_core.services.attribute import differing
from jackfield_core.services.spec import NetworkCreate, NetworkUpdate
from jackfield_core.types import Action, Kind, Status

MIN_MTU = 68
"""Bytes that every IPv4 link must carry (RFC 791)."""
MIN_MTU_IPV6 = 1280
"""Bytes that every IPv6 link must carry (RFC 8200)."""


class NetworkService:
    """What users can do with networks."""

    def __init__(self, unit_of_work: UnitOfWork, segments: SegmentManager, mechanism: MechanismManager) -> None:
        self._unit_of_work = unit_of_work
        self._segments = segments
        self._mechanism = mechanism

    async def create(self, ctx: RequestContext, spec: NetworkCreate) -> NetworkTree:
        """Create a network and reserve its segments."""
        return (await self.create_bulk(ctx, [spec]))[0]

    @retried
    async def create_bulk(self, ctx: RequestContext, specs: Sequence[NetworkCreate]) -> Sequence[NetworkTree]:
        """Create several networks, or none."""
        policy.check_new_networks(ctx, specs)
        async with self._unit_of_work() as tx:
            trees = [await self._add(tx, spec) for spec in specs]
            created = (_created(tree, spec) for tree, spec in zip(trees, specs, strict=True))
            await self._mechanism.precommit(tx.record(*created))
        return trees

    async def get(self, ctx: RequestContext, id: str) -> NetworkTree:
        """Return a network with its segments and subnets."""
        async with self._unit_of_work.reading() as tables:
            tree = (await load_trees(tables.connection, [id])).get(id)
        if tree is None or tree.network.deleted_at is not None:
            raise NotFound.of("network", id)
        return tree

    async def list(self, ctx: RequestContext, query: ListQuery) -> Sequence[NetworkTree]:
        """Return one page of networks with their segments and subnets."""
        async with self._unit_of_work.reading() as tables:
            networks = await tables.networks.list(query)
            ids = [network.id for network in networks]
            segments = await tables.segments.list_of_networks(ids)
            subnets = await tables.subnets.list_of_networks(ids)
        return [
            NetworkTree(network, tuple(segments.get(network.id, ())), tuple(subnets.get(network.id, ())))
            for network in networks
        ]

    @retried
    async def update(
        self, ctx: RequestContext, id: str, spec: NetworkUpdate, if_match: int | None = None
    ) -> NetworkTree:
        """Change a network; a request that changes nothing leaves it at its revision."""
        async with self._unit_of_work() as tx:
            tree = await hold(tx, id)
            revision.check(tree.network, if_match)
            if spec.mtu is not UNSET:
                self._check_mtu(tree, spec.mtu)
            after = replace(tree, network=revision.changed(tree.network, **revision.given(spec)))
            attributes = await differing(tx, Kind.NETWORK, id, spec.attributes)
            if not attributes and revision.is_same(tree.network, after.network):
                return tree
            await tx.networks.update(after.network)
            await self._mechanism.precommit(tx.record(await change(tx, Action.UPDATE, after, tree, attributes)))
        return after

    @retried
    async def delete(self, ctx: RequestContext, id: str, if_match: int | None = None) -> None:
        """Delete a network without ports, but for those of services such as DHCP; they and its subnets go with it.

        Its segments are free again when every driver has let go of them.
        """
        async with self._unit_of_work() as tx:
            tree = await hold(tx, id)
            revision.check(tree.network, if_match)
            if await tx.ports.uses_network(id, SERVICE_OWNERS):
                raise Conflict(
                    f"Unable to complete operation on network {id}. There are one or more ports still in use on the"
                    " network.",
                    type="NetworkInUse",
                )
            ports = await _ports_deleted(tx, tree)
            subnets = [await subnet_deleted(tx, subnet, tree) for subnet in tree.subnets]
            await self._mechanism.precommit(tx.record(*ports, *subnets, await change(tx, Action.DELETE, tree, tree)))

    async def _add(self, tx: Transaction, spec: NetworkCreate) -> NetworkTree:
        """Reserve segments and insert the network that they make."""
        id = str(uuid.uuid4())
        segments = await self._reserve(tx, id, spec)
        tree = NetworkTree(_new_network(id, spec, self._segments.mtu(segments)), segments)
        if spec.mtu is not UNSET:
            self._check_mtu(tree, spec.mtu)
        await tx.networks.add(tree.network)
        return tree

    async def _reserve(self, tx: Transaction, id: str, spec: NetworkCreate) -> tuple[Segment, ...]:
        if spec.segments:
            self._segments.validate(spec.segments)
            return await self._segments.reserve(tx, id, spec.segments)
        return await self._segments.allocate(tx, id)

    def _check_mtu(self, tree: NetworkTree, mtu: int) -> None:
        largest = self._segments.mtu(tree.segments)
        smallest = MIN_MTU_IPV6 if any(subnet.ip_version == 6 for subnet in tree.subnets) else MIN_MTU
        if mtu < smallest or (largest and mtu > largest):
            raise Invalid(
                f"Invalid input for mtu. Reason: {mtu} is not in valid range {smallest} through {largest or 65535}.",
                type="InvalidInput",
            )


async def hold(tx: Transaction, id: str) -> NetworkTree:
    """Return a network with its parts and keep all of it from changing until the commit.

    Raises:
        NotFound: There is no such network.
    """
    network = await tx.networks.find_for_update(id)
    if network is None:
        raise NotFound.of("network", id)
    segments = await tx.segments.list_of_networks([id])
    subnets = await tx.subnets.list_of_networks([id])
    return NetworkTree(network, tuple(segments.get(id, ())), tuple(subnets.get(id, ())))


def _new_network(id: str, spec: NetworkCreate, mtu: int) -> Network:
    at = now()
    return Network(
        id=id,
        project_id=spec.project_id,
        name=spec.name,
        description=spec.description,
        admin_state_up=spec.admin_state_up,
        status=Status.ACTIVE,
        mtu=mtu if spec.mtu is UNSET else spec.mtu,
        shared=spec.shared,
        external=spec.external,
        port_security_enabled=spec.port_security_enabled,
        revision_number=1,
        created_at=at,
        updated_at=at,
    )


def _created(tree: NetworkTree, spec: NetworkCreate) -> Change:
    return Change(Kind.NETWORK, Action.CREATE, tree.network, None, tree, new_attributes=spec.attributes)


async def change(
    tx: Transaction, action: Action, tree: NetworkTree, original: NetworkTree, attributes: Values = NO_VALUES
) -> Change:
    """Return the change of a network that was there before."""
    return await tx.recall(
        Change(
            Kind.NETWORK,
            action,
            tree.network,
            original.network,
            tree,
            original_tree=original,
            new_attributes=attributes,
        )
    )


async def _ports_deleted(tx: Transaction, tree: NetworkTree) -> Sequence[Change]:
    """Return the deletions of all ports that are left on a network."""
    ports = await OccupancyTable(tx.connection).on_network(tree.network.id)
    levels = await tx.ports.levels(port.id for port in ports) if ports else {}
    changes = []
    for port in ports:
        bound = levels.get(port.id, ())
        change = Change(Kind.PORT, Action.DELETE, port, port, tree, levels=bound, original_levels=bound)
        changes.append(await tx.recall(change))
    return changes


async def subnet_deleted(tx: Transaction, subnet: Subnet, tree: NetworkTree) -> Change:
    """Return the deletion of a subnet from its network."""
    return await tx.recall(Change(Kind.SUBNET, Action.DELETE, subnet, subnet, tree))

"""Subnets: a change of a subnet raises the revision of its network."""

import uuid
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.query import ListQuery
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.errors import NotFound
from jackfield_core.ipam import pools
from jackfield_core.ipam.inheritance import inherit
from jackfield_core.ipam.wishes import SERVICE_OWNERS
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.services import revision, self_made, subnet_rules
from jackfield_core.services.attribute import differing
from jackfield_core.services.network import hold, subnet_deleted
from jackfield_core.services.spec import SubnetCreate, SubnetUpdate
from jackfield_core.types import Action, Kind


class SubnetService:
    """What users can do with subnets."""

    def __init__(self, unit_of_work: UnitOfWork, mechanism: MechanismManager) -> None:
        self._unit_of_work = unit_of_work
        self._mechanism = mechanism

    async def create(self, ctx: RequestContext, spec: SubnetCreate) -> Subnet:
        """Create a subnet on a network."""
        return (await self.create_bulk(ctx, [spec]))[0]

    @retried
    async def create_bulk(self, ctx: RequestContext, specs: Sequence[SubnetCreate]) -> Sequence[Subnet]:
        """Create several subnets, or none."""
        subnets = [_new_subnet(spec) for spec in specs]
        async with self._unit_of_work() as tx:
            # One order for everybody, so that two requests never wait in a circle.
            trees = {id: await hold(tx, id) for id in sorted({subnet.network_id for subnet in subnets})}
            changes = []
            for subnet, spec in zip(subnets, specs, strict=True):
                tree = trees[subnet.network_id]
                subnet_rules.check_fits(subnet, tree)
                await tx.subnets.add(subnet)
                await inherit(tx, subnet)
                tree = trees[subnet.network_id] = await _with_subnets(tx, tree, (*tree.subnets, subnet))
                changes.append(Change(Kind.SUBNET, Action.CREATE, subnet, None, tree, new_attributes=spec.attributes))
            for id, tree in trees.items():
                await self_made.give(tx, tree, [subnet for subnet in subnets if subnet.network_id == id])
            await self._mechanism.precommit(tx.record(*changes))
        return subnets

    async def get(self, ctx: RequestContext, id: str) -> Subnet:
        """Return a subnet."""
        async with self._unit_of_work.reading() as tables:
            subnet = await tables.subnets.find(id)
        if subnet is None:
            raise NotFound.of("subnet", id)
        return subnet

    async def list(self, ctx: RequestContext, query: ListQuery) -> Sequence[Subnet]:
        """Return one page of subnets."""
        async with self._unit_of_work.reading() as tables:
            return await tables.subnets.list(query)

    @retried
    async def update(self, ctx: RequestContext, id: str, spec: SubnetUpdate, if_match: int | None = None) -> Subnet:
        """Change a subnet; addresses in use stay in use even if they leave the pools.

        A request that changes nothing leaves the subnet at its revision.
        """
        found = await self.get(ctx, id)
        async with self._unit_of_work() as tx:
            tree = await hold(tx, found.network_id)
            before = _of(tree, id)
            revision.check(before, if_match)
            after = _edited(before, spec)
            attributes = await differing(tx, Kind.SUBNET, id, spec.attributes)
            if not attributes and revision.is_same(before, after):
                return before
            await tx.subnets.update(after)
            others = tuple(after if subnet.id == id else subnet for subnet in tree.subnets)
            tree = await _with_subnets(tx, tree, others)
            change = Change(Kind.SUBNET, Action.UPDATE, after, before, tree, new_attributes=attributes)
            await self._mechanism.precommit(tx.record(await tx.recall(change)))
        return after

    @retried
    async def delete(self, ctx: RequestContext, id: str, if_match: int | None = None) -> None:
        """Delete a subnet of which no port has an address, but for services' and those that hosts make themselves."""
        found = await self.get(ctx, id)
        async with self._unit_of_work() as tx:
            tree = await hold(tx, found.network_id)
            subnet = _of(tree, id)
            revision.check(subnet, if_match)
            tree = await _with_subnets(tx, tree, tuple(one for one in tree.subnets if one.id != id))
            if not subnet.is_auto_address and await tx.addresses.used_by_ports(id, SERVICE_OWNERS):
                raise self_made.in_use(id)
            await self_made.take_back(tx, tree, subnet)
            await self._mechanism.precommit(tx.record(await subnet_deleted(tx, subnet, tree)))


async def _with_subnets(tx: Transaction, tree: NetworkTree, subnets: tuple[Subnet, ...]) -> NetworkTree:
    """Raise the network's revision, which is the version of its subnets too."""
    network = revision.changed(tree.network)
    await tx.networks.update(network)
    return replace(tree, network=network, subnets=subnets)


def _of(tree: NetworkTree, id: str) -> Subnet:
    for subnet in tree.subnets:
        if subnet.id == id:
            return subnet
    raise NotFound.of("subnet", id)


def _new_subnet(spec: SubnetCreate) -> Subnet:
    """Return the subnet that *spec* asks for, with its gateway and pools."""
    subnet_rules.check_modes(spec)
    cidr = pools.parse_cidr(spec.cidr, spec.ip_version)
    if spec.enable_dhcp:
        subnet_rules.check_dhcp(cidr)
    gateway_ip = pools.default_gateway(cidr) if spec.gateway_ip is UNSET else _gateway(cidr, spec.gateway_ip)
    if spec.allocation_pools is UNSET:
        allocation_pools = pools.default_pools(cidr, gateway_ip)
    else:
        allocation_pools = pools.check_pools(cidr, spec.allocation_pools, gateway_ip)
    at = now()
    return Subnet(
        id=str(uuid.uuid4()),
        network_id=spec.network_id,
        project_id=spec.project_id,
        name=spec.name,
        description=spec.description,
        ip_version=spec.ip_version,
        cidr=cidr,
        gateway_ip=gateway_ip,
        enable_dhcp=spec.enable_dhcp,
        ipv6_address_mode=spec.ipv6_address_mode,
        ipv6_ra_mode=spec.ipv6_ra_mode,
        segment_id=spec.segment_id,
        allocation_pools=allocation_pools,
        dns_nameservers=spec.dns_nameservers,
        host_routes=spec.host_routes,
        revision_number=1,
        created_at=at,
        updated_at=at,
    )


def _edited(before: Subnet, spec: SubnetUpdate) -> Subnet:
    """Return *before* as the user wants it, with gateway and pools that agree."""
    after = revision.changed(before, **revision.given(spec))
    if spec.enable_dhcp is False and (before.ipv6_ra_mode or before.ipv6_address_mode):
        raise subnet_rules.modes_without_dhcp()
    if after.enable_dhcp and not before.enable_dhcp:
        subnet_rules.check_dhcp(before.cidr)
    if spec.gateway_ip is UNSET and spec.allocation_pools is UNSET:
        return after
    gateway_ip = _gateway(before.cidr, after.gateway_ip)
    allocation_pools = pools.check_pools(before.cidr, after.allocation_pools, gateway_ip)
    return replace(after, gateway_ip=gateway_ip, allocation_pools=allocation_pools)


def _gateway(cidr: str, gateway_ip: str | None) -> str | None:
    """Return a gateway in canonical form, if there is one."""
    if gateway_ip is None:
        return None
    pools.check_gateway(cidr, gateway_ip)
    return pools.parse_address(gateway_ip, "gateway_ip")

"""Subnets: a change of a subnet raises the revision of its network."""

import uuid
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.query import ListQuery
from jackfield_core.db.subnet import AUTOMATIC, Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.errors import Invalid, NotFound
from jackfield_core.ipam import pools
from jackfield_core.ipam.inheritance import inherit
from jackfield_core.ipam.wishes import SERVICE_OWNERS
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.services import revision, self_made
from jackfield_core.services.attribute import differing
from jackfield_core.services.network import MIN_MTU_IPV6, hold, subnet_deleted
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
                _check_fits(subnet, tree)
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


def _check_fits(subnet: Subnet, tree: NetworkTree) -> None:
    """Compare a new subnet with what is on its network already.

    Raises:
        Invalid: It overlaps another subnet, names a segment that it cannot be
            tied to, or needs a larger MTU.
    """
    for other in tree.subnets:
        if pools.overlap(subnet.cidr, other.cidr):
            raise Invalid(
                f"Invalid input for operation: Requested subnet with cidr: {subnet.cidr} for network:"
                f" {subnet.network_id} overlaps with another subnet (id: {other.id}, cidr: {other.cidr}).",
                type="InvalidInput",
            )
    _check_segment(subnet, tree)
    if subnet.ip_version == 6 and 0 < tree.network.mtu < MIN_MTU_IPV6:
        raise Invalid(
            f"Invalid input for ip_version. Reason: the MTU {tree.network.mtu} of network {subnet.network_id} is below"
            f" {MIN_MTU_IPV6}, which IPv6 needs.",
            type="InvalidInput",
        )


def _check_segment(subnet: Subnet, tree: NetworkTree) -> None:
    """Check what a new subnet is tied to: on one network either all subnets are tied to segments, or none is.

    Raises:
        Invalid: The segment is of another network or dynamic, or other subnets hold it otherwise.
    """
    if subnet.segment_id is not None:
        segment = next((one for one in tree.segments if one.id == subnet.segment_id), None)
        if segment is None:
            raise Invalid(
                f"Invalid input for segment_id. Reason: segment {subnet.segment_id} is not of network"
                f" {subnet.network_id}.",
                type="InvalidInput",
            )
        if segment.is_dynamic:
            raise Invalid(
                f"A subnet cannot be associated with a dynamic segment: segment_id {segment.id}.",
                type="SubnetCantAssociateToDynamicSegment",
            )
    if any((other.segment_id is None) != (subnet.segment_id is None) for other in tree.subnets):
        raise Invalid(
            f"All of the subnets on network '{subnet.network_id}' must either all be associated with segments or all"
            " not associated with any segment: segment_id does not fit.",
            type="SubnetsNotAllAssociatedWithSegments",
        )


def _new_subnet(spec: SubnetCreate) -> Subnet:
    """Return the subnet that *spec* asks for, with its gateway and pools."""
    _check_modes(spec)
    cidr = pools.parse_cidr(spec.cidr, spec.ip_version)
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


def _check_modes(spec: SubnetCreate) -> None:
    """Check the IPv6 modes.

    Raises:
        Invalid: They are given for IPv4, contradict each other, or ask for
            addresses from the MAC on a prefix that is not 64 bits long (RFC 4862).
    """
    ra_mode, address_mode = spec.ipv6_ra_mode, spec.ipv6_address_mode
    if ra_mode is None and address_mode is None:
        return
    if spec.ip_version == 4:
        raise _bad_mode("ipv6_ra_mode and ipv6_address_mode cannot be set on an IPv4 subnet.")
    if not spec.enable_dhcp:
        raise _modes_without_dhcp()
    if ra_mode and address_mode and ra_mode != address_mode:
        raise _bad_mode(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. If both"
            " attributes are set, they must be the same value."
        )
    if {ra_mode, address_mode} & {*AUTOMATIC} and not spec.cidr.endswith("/64"):
        raise _bad_mode(
            f"Invalid CIDR {spec.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires"
            " the prefix to be /64."
        )


def _modes_without_dhcp() -> Invalid:
    return _bad_mode("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")


def _bad_mode(reason: str) -> Invalid:
    # The words are Neutron's, and clients have learned to look for them.
    return Invalid(f"Invalid input for operation: {reason}", type="InvalidInput")


def _edited(before: Subnet, spec: SubnetUpdate) -> Subnet:
    """Return *before* as the user wants it, with gateway and pools that agree."""
    after = revision.changed(before, **revision.given(spec))
    if spec.enable_dhcp is False and (before.ipv6_ra_mode or before.ipv6_address_mode):
        raise _modes_without_dhcp()
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

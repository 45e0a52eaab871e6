"""Ports: bound outside the transaction, created inside it.

A port is drafted, its binding is asked for where a host is known, and then one
transaction checks that the network still stands as it was read, takes the
addresses, inserts the port with its binding, and asks the drivers for their
verdict. Whatever fails leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy.exc
from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.binding.binder import Binder, BindingOutcome, BindingRequest
from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import Stale, retried
from jackfield_core.db.leaving import Leaving
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.query import ListQuery
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.errors import Conflict, NotFound
from jackfield_core.ipam.allocator import Allocator, PortAddresses
from jackfield_core.ipam.wishes import ROUTER_OWNERS
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.services import draft, policy, revision
from jackfield_core.services.attribute import differing
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import BINDING_FAILED, Action, FixedIpRequest, Kind

Outcomes = Mapping[str, BindingOutcome]
_NO_CHANGE = PortUpdate()


class PortService:
    """What users can do with ports."""

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        trees: NetworkTrees,
        allocator: Allocator,
        binder: Binder,
        mechanism: MechanismManager,
        *,
        base_mac: str,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._trees = trees
        self._allocator = allocator
        self._binder = binder
        self._mechanism = mechanism
        self._base_mac = base_mac

    async def create(self, ctx: RequestContext, spec: PortCreate) -> Port:
        """Create a port, with its addresses and its binding."""
        return (await self.create_bulk(ctx, [spec]))[0]

    @retried
    async def create_bulk(self, ctx: RequestContext, specs: Sequence[PortCreate]) -> Sequence[Port]:
        """Create several ports, or none."""
        trees = await self._trees.get(spec.network_id for spec in specs)
        policy.check_new_ports(ctx, specs, trees)
        drafts = draft.drafts(specs, trees, self._base_mac)
        outcomes = await self._bind(drafts, trees)
        trees = _newest(trees, outcomes)
        async with self._unit_of_work() as tx:
            await self._trees.hold(tx, trees)
            ports = await self._add(tx, specs, [_bound(port, outcomes) for port in drafts], trees)
            await tx.ports.add_levels(*((port, _levels(port, outcomes)) for port in ports))
            changes = [_created(port, spec, trees, outcomes) for port, spec in zip(ports, specs, strict=True)]
            await self._mechanism.precommit(tx.record(*changes))
        return ports

    async def get(self, ctx: RequestContext, id: str) -> Port:
        """Return a port."""
        async with self._unit_of_work.reading() as tables:
            port = await tables.ports.find(id)
        if port is None:
            raise NotFound.of("port", id)
        return port

    async def list(self, ctx: RequestContext, query: ListQuery) -> Sequence[Port]:
        """Return one page of ports."""
        async with self._unit_of_work.reading() as tables:
            return await tables.ports.list(query)

    @retried
    async def update(self, ctx: RequestContext, id: str, spec: PortUpdate, if_match: int | None = None) -> Port:
        """Change a port; a change of host, VNIC type or profile binds it again.

        A request that changes nothing leaves the port at its revision.
        """
        before = await self.get(ctx, id)
        revision.check(before, if_match)
        trees = await self._trees.get([before.network_id])
        policy.check_changed_port(ctx, spec, trees[before.network_id])
        after = draft.edited(before, spec)
        outcomes = {} if after.binding is before.binding else await self._bind([after], trees)
        return await self._replace(before, after, trees, outcomes, spec)

    @retried
    async def rebind(self, ctx: RequestContext, id: str) -> bool:
        """Try again to bind a port whose binding failed; return whether it is bound now.

        Nothing is written while it goes on failing, but for the reasons if they are others.
        """
        before = await self.get(ctx, id)
        if before.binding.vif_type != BINDING_FAILED:
            return True
        trees = await self._trees.get([before.network_id])
        after = draft.edited(before, _NO_CHANGE)
        outcomes = await self._bind([after], trees)
        if outcomes[id].binding.vif_type == BINDING_FAILED:
            if outcomes[id].binding.failures != before.binding.failures:
                await self._note_failures(before, outcomes[id].binding)
            return False
        await self._replace(before, after, trees, outcomes, _NO_CHANGE)
        return True

    @retried
    async def delete(self, ctx: RequestContext, id: str, if_match: int | None = None) -> None:
        """Delete a port; its addresses are free again when every driver has let go of it."""
        before = await self.get(ctx, id)
        await self._trees.get([before.network_id])
        async with self._unit_of_work() as tx:
            await tx.expect_end(Kind.PORT, before.network_id)
            port = await tx.ports.find_for_update(id)
            if port is None:
                raise NotFound.of("port", id)
            revision.check(port, if_match)
            levels = (await tx.ports.levels([id])).get(id, ())
            tree = await self._trees.with_levels(tx, port.network_id, levels)
            change = Change(Kind.PORT, Action.DELETE, port, port, tree, levels=levels, original_levels=levels)
            await self._mechanism.precommit(tx.record(await tx.recall(change)))

    async def _replace(
        self, before: Port, after: Port, trees: Mapping[str, NetworkTree], outcomes: Outcomes, spec: PortUpdate
    ) -> Port:
        """Put *after* in the place of *before*, with the binding that was found for it, if one was asked for."""
        trees = _newest(trees, outcomes)
        tree = trees[after.network_id]
        async with self._unit_of_work() as tx:
            if after.mac_address != before.mac_address:
                # Whoever takes the address that is left waits here, and sees then that it is not free yet.
                await tx.networks.find_for_update(after.network_id)
            await self._trees.hold(tx, trees)
            await _expect(tx, before)
            after = _bound(after, outcomes)
            if spec.fixed_ips is not UNSET or after.mac_address != before.mac_address:
                after = await self._readdress(tx, before, after, tree, _wanted(before, tree, spec))
            attributes = await differing(tx, Kind.PORT, after.id, spec.attributes)
            if not attributes and revision.is_same(before, after):
                return before
            original_levels = (await tx.ports.levels([after.id])).get(after.id, ())
            await _write(tx, before, after)
            if after.binding is not before.binding:
                await tx.ports.update_binding(after, _levels(after, outcomes))
                await tx.inactive_bindings.remove(after.id, after.binding.host)
            levels = original_levels if after.binding is before.binding else _levels(after, outcomes)
            change = Change(
                Kind.PORT,
                Action.UPDATE,
                after,
                before,
                tree,
                levels=levels,
                original_levels=original_levels,
                new_attributes=attributes,
            )
            await self._mechanism.precommit(tx.record(await tx.recall(change)))
        return after

    async def _note_failures(self, before: Port, failed: Binding) -> None:
        """Keep why a binding fails now; neither users nor drivers have to hear of that."""
        async with self._unit_of_work() as tx:
            await _expect(tx, before)
            await tx.ports.update_binding(replace(before, binding=failed), ())

    async def _bind(self, ports: Sequence[Port], trees: Mapping[str, NetworkTree]) -> Outcomes:
        """Ask for the bindings of those ports that are on a host."""
        requests = [BindingRequest(port, trees[port.network_id]) for port in ports if port.binding.host]
        return await self._binder.bind(requests) if requests else {}

    async def _add(
        self, tx: Transaction, specs: Sequence[PortCreate], drafts: Sequence[Port], trees: Mapping[str, NetworkTree]
    ) -> Sequence[Port]:
        """Take addresses for new ports and insert the ports."""
        addresses = await self._addresses(tx, specs, drafts, trees)
        ports = [replace(draft, fixed_ips=addresses[draft.id]) for draft in drafts]
        added = set(await tx.ports.add(*ports))
        for spec, port in zip(specs, ports, strict=True):
            if port.id in added:
                continue
            if spec.mac_address is UNSET:
                raise Stale(port.mac_address)  # another one was generated for somebody else
            raise _mac_in_use(port)
        return ports

    async def _addresses(
        self, tx: Transaction, specs: Sequence[PortCreate], drafts: Sequence[Port], trees: Mapping[str, NetworkTree]
    ) -> dict[str, Any]:
        addresses: dict[str, Any] = {}
        for network_id, tree in trees.items():
            wanted = [
                PortAddresses(draft.id, draft.mac_address, draft.device_owner, _fixed_ips(spec.fixed_ips))
                for spec, draft in zip(specs, drafts, strict=True)
                if draft.network_id == network_id
            ]
            addresses |= await self._allocator.assign(tx, tree, wanted)
        return addresses

    async def _readdress(
        self, tx: Transaction, before: Port, after: Port, tree: NetworkTree, requested: Sequence[FixedIpRequest]
    ) -> Port:
        """Exchange the addresses of a port, keeping those that are still asked for, and their order if all are."""
        left = await tx.leaving.addresses(after.id)
        held = (*before.fixed_ips, *left)
        wanted = PortAddresses(after.id, after.mac_address, after.device_owner, tuple(requested), held=held)
        fixed_ips = (await self._allocator.assign(tx, tree, [wanted]))[after.id]
        if await tx.leaving.take_back(after.id, *(one for one in left if one in fixed_ips)):
            raise Stale(after.id)  # the last driver has heard of it, and it is free
        await tx.leaving.add(
            Leaving(Kind.PORT, after.id, after.network_id, after.revision_number, one.ip_address, one.subnet_id)
            for one in before.fixed_ips
            if one not in fixed_ips
        )
        return after if {*fixed_ips} == {*before.fixed_ips} else replace(after, fixed_ips=fixed_ips)


def _wanted(before: Port, tree: NetworkTree, spec: PortUpdate) -> Sequence[FixedIpRequest]:
    """Return the addresses that an update asks for; those made from an old MAC address are made anew."""
    if spec.fixed_ips is not UNSET:
        return spec.fixed_ips
    automatic = {subnet.id for subnet in tree.subnets if subnet.is_auto_address}
    follows = automatic if before.device_owner not in ROUTER_OWNERS else set()
    return [
        FixedIpRequest(one.subnet_id, None if one.subnet_id in follows else one.ip_address) for one in before.fixed_ips
    ]


def _fixed_ips(requested: Any) -> Any:
    return None if requested is UNSET else requested


def _newest(trees: Mapping[str, NetworkTree], outcomes: Outcomes) -> dict[str, NetworkTree]:
    """Return the networks as they stand now that bindings may have added segments to them."""
    newest = dict(trees)
    for outcome in outcomes.values():
        network = outcome.tree.network
        if network.revision_number > newest[network.id].network.revision_number:
            newest[network.id] = outcome.tree
    return newest


def _bound(port: Port, outcomes: Outcomes) -> Port:
    """Return *port* with the binding that was found for it."""
    outcome = outcomes.get(port.id)
    return replace(port, binding=outcome.binding) if outcome else port


def _levels(port: Port, outcomes: Outcomes) -> Any:
    outcome = outcomes.get(port.id)
    return outcome.levels if outcome else ()


def _created(port: Port, spec: PortCreate, trees: Mapping[str, NetworkTree], outcomes: Outcomes) -> Change:
    return Change(
        Kind.PORT,
        Action.CREATE,
        port,
        None,
        trees[port.network_id],
        levels=_levels(port, outcomes),
        new_attributes=spec.attributes,
    )


async def _expect(tx: Transaction, before: Port) -> None:
    """Keep the port from changing, if it still is as it was read.

    Raises:
        NotFound: The port is gone.
        Stale: The port has changed.
    """
    port = await tx.ports.find_for_update(before.id)
    if port is None:
        raise NotFound.of("port", before.id)
    # The revision counts what users change; what hosts report changes the rest.
    if port != before:
        raise Stale(port.id)


async def _write(tx: Transaction, before: Port, after: Port) -> None:
    """Update the row of a port.

    Raises:
        Conflict: Another port of the network has the new MAC address, or has not let go of it on all devices.
    """
    if after.mac_address != before.mac_address:
        await _exchange_mac(tx, before, after)
    try:
        await tx.ports.update(after)
    except sqlalchemy.exc.IntegrityError as error:
        if after.mac_address != before.mac_address:
            raise _mac_in_use(after) from error
        raise


async def _exchange_mac(tx: Transaction, before: Port, after: Port) -> None:
    """Let go of the MAC address that a port had, and see that nobody else is about to let go of the new one."""
    holder = await tx.leaving.holder(after.network_id, after.mac_address)
    if holder not in (None, after.id):
        raise _mac_in_use(after)
    if holder and await tx.leaving.take_back(after.id, after.mac_address):
        raise Stale(after.id)
    mac_address = before.mac_address
    await tx.leaving.add([Leaving(Kind.PORT, after.id, after.network_id, after.revision_number, mac_address)])


def _mac_in_use(port: Port) -> Conflict:
    return Conflict(
        f"Unable to complete operation for network {port.network_id}. The mac address {port.mac_address} is in use.",
        type="MacAddressInUse",
    )

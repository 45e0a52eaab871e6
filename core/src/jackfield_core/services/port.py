"""Ports: bound outside the transaction, created inside it.

A port is drafted, its binding is asked for where a host is known, and then one
transaction checks that the network still stands as it was read, takes the
addresses, inserts the port with its binding, and asks the drivers for their
verdict. Whatever fails leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.binding.binder import Binder, BindingOutcome, BindingRequest
from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import Stale, retried
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.query import ListQuery
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.db.vendor_attribute import Values
from jackfield_core.errors import NotFound
from jackfield_core.ipam.allocator import Allocator
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.services import draft, policy, port_addresses, port_row, revision
from jackfield_core.services.attribute import differing
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import BINDING_FAILED, Action, BindingLevel, Kind

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
            await self._hold(tx, before, after, trees)
            after = _bound(after, outcomes)
            if spec.fixed_ips is not UNSET or after.mac_address != before.mac_address:
                after = await port_addresses.exchange(self._allocator, tx, before, after, tree, spec)
            attributes = await differing(tx, Kind.PORT, after.id, spec.attributes)
            if not attributes and revision.is_same(before, after):
                return before
            former = (await tx.ports.levels([after.id])).get(after.id, ())
            levels = former if after.binding is before.binding else _levels(after, outcomes)
            await port_row.write(tx, before, after, levels)
            change = _updated(before, after, tree, former, levels, attributes)
            await self._mechanism.precommit(tx.record(await tx.recall(change)))
        return after

    async def _hold(self, tx: Transaction, before: Port, after: Port, trees: Mapping[str, NetworkTree]) -> None:
        """Keep the port and its networks from changing, if they still are as they were read."""
        if after.mac_address != before.mac_address:
            # Whoever takes the address that is left waits here, and sees then that it is not free yet.
            await tx.networks.find_for_update(after.network_id)
        await self._trees.hold(tx, trees)
        await port_row.expect(tx, before)

    async def _note_failures(self, before: Port, failed: Binding) -> None:
        """Keep why a binding fails now; neither users nor drivers have to hear of that."""
        async with self._unit_of_work() as tx:
            await port_row.expect(tx, before)
            await tx.ports.update_binding(replace(before, binding=failed), ())

    async def _bind(self, ports: Sequence[Port], trees: Mapping[str, NetworkTree]) -> Outcomes:
        """Ask for the bindings of those ports that are on a host."""
        requests = [BindingRequest(port, trees[port.network_id]) for port in ports if port.binding.host]
        return await self._binder.bind(requests) if requests else {}

    async def _add(
        self, tx: Transaction, specs: Sequence[PortCreate], drafts: Sequence[Port], trees: Mapping[str, NetworkTree]
    ) -> Sequence[Port]:
        """Take addresses for new ports and insert the ports."""
        ports = await port_addresses.take(self._allocator, tx, specs, drafts, trees)
        added = set(await tx.ports.add(*ports))
        for spec, port in zip(specs, ports, strict=True):
            if port.id in added:
                continue
            if spec.mac_address is UNSET:
                raise Stale(port.mac_address)  # another one was generated for somebody else
            raise port_addresses.mac_in_use(port)
        return ports


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


def _updated(
    before: Port,
    after: Port,
    tree: NetworkTree,
    former: Sequence[BindingLevel],
    levels: Sequence[BindingLevel],
    attributes: Values,
) -> Change:
    return Change(
        Kind.PORT,
        Action.UPDATE,
        after,
        before,
        tree,
        levels=levels,
        original_levels=former,
        new_attributes=attributes,
    )

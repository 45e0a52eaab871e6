"""Bindings of one port: for a while it may have more than one, and one of them is active.

A compute service that moves a server has the port bound on the destination
first, while frames still go to the source; then it activates that binding, and
later deletes the other one. A binding that is not active is complete, since
drivers were asked for it, but nobody else hears of it: neither hosts nor, after
the commit, drivers. Activation exchanges two bindings under the lock of the
port. It is an update of the port like any other, so drivers are told both
places, the hosts of both have to look, and peers send to the new one.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from jackfield_core.binding.binder import Binder, BindingOutcome, BindingRequest
from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import Stale, retried
from jackfield_core.db.inactive_binding import InactiveBinding
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.unit_of_work import Change, Transaction, UnitOfWork
from jackfield_core.errors import Conflict, Forbidden, Invalid, NotFound, RevisionMismatch
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.services import revision
from jackfield_core.services.port import PortService
from jackfield_core.services.spec import PortUpdate
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import BINDING_FAILED, Action, BindingLevel, Kind, Status, Wiring

COMPUTE = "compute:"
"""How the owner of a port begins whose device can move."""


class BindingSpec(Struct, frozen=True, kw_only=True):
    """What may be asked of a binding besides its host."""

    vnic_type: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType = UNSET


class PortBinding(Struct, frozen=True):
    """One of the bindings of a port."""

    binding: Binding
    is_active: bool


class PortBindingService:
    """What compute services and administrators can do with the bindings of ports."""

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        ports: PortService,
        trees: NetworkTrees,
        binder: Binder,
        mechanism: MechanismManager,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._ports = ports
        self._trees = trees
        self._binder = binder
        self._mechanism = mechanism

    async def list(self, ctx: RequestContext, port_id: str) -> Sequence[PortBinding]:
        """Return the bindings of a port, the active one first."""
        port = await self._port(ctx, port_id)
        async with self._unit_of_work.reading() as tables:
            waiting = await tables.inactive_bindings.of_port(port.id)
        active = [PortBinding(port.binding, is_active=True)] if port.binding.host else []
        return [*active, *(PortBinding(one.binding, is_active=False) for one in waiting)]

    async def get(self, ctx: RequestContext, port_id: str, host: str) -> PortBinding:
        """Return the binding of a port on one host."""
        for one in await self.list(ctx, port_id):
            if one.binding.host == host:
                return one
        raise _not_found(port_id, host)

    @retried
    async def create(self, ctx: RequestContext, port_id: str, host: str, spec: BindingSpec) -> PortBinding:
        """Bind a port on one more host, without any effect on where it is.

        Raises:
            Conflict: It has a binding on that host, or no driver binds it there.
        """
        before = await self._port(ctx, port_id)
        if any(one.binding.host == host for one in await self.list(ctx, port_id)):
            raise _exists(port_id, host)
        outcome = await self._bind(before, _asked(Binding(host=host), spec))
        async with self._unit_of_work() as tx:
            await self._hold(tx, before, outcome)
            if not await tx.inactive_bindings.add(InactiveBinding(port_id, outcome.binding, outcome.levels)):
                raise _exists(port_id, host)
        return PortBinding(outcome.binding, is_active=False)

    @retried
    async def update(self, ctx: RequestContext, port_id: str, host: str, spec: BindingSpec) -> PortBinding:
        """Bind a port anew on a host, with another VNIC type or profile.

        Raises:
            Conflict: No driver binds it like that.
        """
        before = await self._port(ctx, port_id)
        old = await self.get(ctx, port_id, host)
        if old.is_active:
            return await self._change_active(ctx, before, PortUpdate(vnic_type=spec.vnic_type, profile=spec.profile))
        outcome = await self._bind(before, _asked(old.binding, spec))
        async with self._unit_of_work() as tx:
            await self._hold(tx, before, outcome)
            if not await tx.inactive_bindings.remove(port_id, host):
                raise _not_found(port_id, host)
            await tx.inactive_bindings.add(InactiveBinding(port_id, outcome.binding, outcome.levels))
        return PortBinding(outcome.binding, is_active=False)

    @retried
    async def activate(self, ctx: RequestContext, port_id: str, host: str) -> PortBinding:
        """Move a port to a host that it has a binding on; the binding that was active waits from now on.

        Raises:
            Conflict: The binding is active already.
        """
        seen = await self._port(ctx, port_id)
        trees = await self._trees.get([seen.network_id])
        async with self._unit_of_work() as tx:
            await self._trees.hold(tx, trees)
            before = await _held(tx, seen)
            chosen = await _waiting(tx, before, host)
            original_levels = (await tx.ports.levels([port_id])).get(port_id, ())
            after = revision.changed(before, binding=chosen.binding, status=Status.DOWN)
            await tx.ports.update(after)
            await tx.ports.update_binding(after, chosen.levels)
            await tx.inactive_bindings.remove(port_id, host)
            await _put_aside(tx, before, original_levels)
            change = Change(
                Kind.PORT,
                Action.UPDATE,
                after,
                before,
                trees[before.network_id],
                levels=chosen.levels,
                original_levels=original_levels,
            )
            await self._mechanism.precommit(tx.record(await tx.recall(change)))
        return PortBinding(after.binding, is_active=True)

    @retried
    async def delete(self, ctx: RequestContext, port_id: str, host: str) -> None:
        """Remove a binding; without its active one a port is unbound."""
        before = await self._port(ctx, port_id)
        if (await self.get(ctx, port_id, host)).is_active:
            await self._change_active(ctx, before, PortUpdate(host=""))
            return
        async with self._unit_of_work() as tx:
            await _held(tx, before)
            await tx.inactive_bindings.remove(port_id, host)

    async def _port(self, ctx: RequestContext, port_id: str) -> Port:
        """Return the port, if the caller may look at its bindings and it is one that can have several.

        Raises:
            Forbidden: The caller is neither an administrator nor a service.
            NotFound: There is no such port.
            Invalid: It is not the port of a server.
        """
        if not ctx.sees_hosts:
            raise Forbidden("get_port_binding is disallowed by policy: bindings are for administrators and services.")
        port = await self._ports.get(ctx, port_id)
        if not port.device_owner.startswith(COMPUTE):
            raise Invalid(
                f"Bad port request: Invalid port {port_id}. Operation only valid on compute ports.", type="BadRequest"
            )
        return port

    async def _bind(self, port: Port, binding: Binding) -> BindingOutcome:
        """Ask drivers for a binding, and for nothing else.

        Raises:
            Conflict: No driver binds the port there; the detail has their reasons.
        """
        trees = await self._trees.get([port.network_id])
        request = BindingRequest(replace(port, binding=binding), trees[port.network_id])
        outcome = (await self._binder.bind([request]))[port.id]
        _check_bound(port.id, outcome.binding)
        return outcome

    async def _hold(self, tx: Transaction, before: Port, outcome: BindingOutcome) -> None:
        """Keep network and port from changing, if they still are as drivers were told.

        Raises:
            Stale: One of them has changed.
        """
        await self._trees.hold(tx, {before.network_id: outcome.tree})
        await _held(tx, before)

    async def _change_active(self, ctx: RequestContext, before: Port, spec: PortUpdate) -> PortBinding:
        """Change a port by its active binding, if it still is where that binding was seen."""
        try:
            after = await self._ports.update(ctx, before.id, spec, if_match=before.revision_number)
        except RevisionMismatch:
            raise Stale(before.id) from None
        _check_bound(after.id, after.binding)
        return PortBinding(after.binding, is_active=True)


async def _held(tx: Transaction, seen: Port) -> Port:
    """Return a port as it is, and keep everybody else from it until the commit.

    Raises:
        NotFound: The port is gone.
        Stale: It is not at the revision that was seen.
    """
    port = await tx.ports.find_for_update(seen.id)
    if port is None:
        raise NotFound.of("port", seen.id)
    # Who had to wait for the lock may see the binding of before; then the revision is another one.
    if port.revision_number != seen.revision_number:
        raise Stale(port.id)
    return port


async def _waiting(tx: Transaction, port: Port, host: str) -> InactiveBinding:
    """Return the binding that is to become active."""
    if port.binding.host == host:
        raise Conflict(f"Binding for port {port.id} on host {host} is already active.", type="PortBindingAlreadyActive")
    for one in await tx.inactive_bindings.of_port(port.id):
        if one.binding.host == host:
            return one
    raise _not_found(port.id, host)


async def _put_aside(tx: Transaction, port: Port, levels: Sequence[BindingLevel]) -> None:
    """Keep the binding that was active, so that it can be activated again, or deleted.

    What an agent reported ends with its view of the port. Without an agent the
    driver has said that nothing has to be wired, and that stays true.
    """
    binding = port.binding
    if not binding.host or binding.vif_type == BINDING_FAILED:
        return
    agents = await tx.agents.list_on_host(binding.host)
    if levels and any(agent.driver == levels[-1].driver for agent in agents):
        binding = replace(binding, wiring=Wiring.UNKNOWN, wiring_reason="")
    await tx.inactive_bindings.add(InactiveBinding(port.id, binding, tuple(levels)))


def _asked(binding: Binding, spec: BindingSpec) -> Binding:
    """Return an unbound binding on the same host, as *spec* wants it."""
    return Binding(
        host=binding.host,
        vnic_type=binding.vnic_type if spec.vnic_type is UNSET else spec.vnic_type,
        profile=binding.profile if spec.profile is UNSET else spec.profile,
    )


def _check_bound(port_id: str, binding: Binding) -> None:
    if binding.vif_type != BINDING_FAILED:
        return
    reasons = "; ".join(f"{one['driver']} (level {one['level']}): {one['reason']}" for one in binding.failures)
    raise Conflict(
        f"Binding for port {port_id} on host {binding.host} could not be created or updated.",
        type="PortBindingError",
        detail=reasons,
    )


def _exists(port_id: str, host: str) -> Conflict:
    return Conflict(f"Binding for port {port_id} on host {host} already exists.", type="PortBindingAlreadyExists")


def _not_found(port_id: str, host: str) -> NotFound:
    return NotFound(f"Binding for port {port_id} for host {host} could not be found.", type="PortBindingNotFound")

"""The mechanism driver for Arista EOS: what the core wants is noted, and switches are made true to it.

A hook writes down what its resource wants of which switches (`wanted`, `memory`), asks those switches'
workers (`fleet`), and answers with what became of it: done, in progress after a moment's patience, or the
reason of the switch. What is on the switches follows from everything that is written down, so it does
not matter in which order, how often, or by which process it is said.

Binding and judging ask the inventory only, never a switch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog
from jackfield_sdk import (
    Action,
    Backend,
    BindContext,
    Bound,
    ChangeContext,
    Done,
    DriverError,
    Effect,
    Host,
    Infeasible,
    InProgress,
    Kind,
    Line,
    MechanismDriver,
    NetworkContext,
    NextLevel,
    Owned,
    PortContext,
    Skip,
    SubnetContext,
    Unreachable,
)

from jackfield_arista import listing
from jackfield_arista.fleet.fleet import Dial, Fleet
from jackfield_arista.fleet.worker import Pace
from jackfield_arista.inventory.current import Inventories
from jackfield_arista.lldp.topology import Topology
from jackfield_arista.memory.memory import MEMORY, Memory
from jackfield_arista.memory.moves import moved
from jackfield_arista.memory.notes import Notes
from jackfield_arista.reports import Reports
from jackfield_arista.settings import AristaSettings
from jackfield_arista.version import VERSION
from jackfield_arista.wanted import binding
from jackfield_arista.wanted.judging import judge_network, judge_port
from jackfield_arista.wanted.wants import (
    DRIVER,
    TUNNEL_TYPES,
    Want,
    want_of_network,
    want_of_port,
)

log = structlog.get_logger(__name__)

# The part of the caller's time that is left for the answer to travel.
_MARGIN = 0.5


class AristaDriver(MechanismDriver):
    """Drives the switches of an inventory."""

    name = DRIVER
    version = VERSION
    network_types = TUNNEL_TYPES | {"vlan"}
    vnic_types = frozenset({"normal", "baremetal"})
    max_levels = 2
    # All changes of a call wait for the same edit of their switch.
    begins_together = True

    def __init__(self, settings: AristaSettings, inventories: Inventories, topology: Topology, dial: Dial) -> None:
        """Do nothing until `start`."""
        self._moves: asyncio.Task[None] | None = None
        self._settings = settings
        self._inventories = inventories
        self._topology = topology
        self._dial = dial

    async def start(self) -> None:
        """Open the memory, and begin to look at the inventory; switches are called once a core has come.

        MemoryUnusable if the memory is damaged: then nothing begins.
        """
        settings = self._settings
        settings.state_directory.mkdir(parents=True, exist_ok=True)
        self._memory = Memory(settings.state_directory / MEMORY)
        self._notes = Notes(self._memory)
        self._reports = Reports(self.events, self._memory, self._topology, self._backend)
        pace = Pace(settings.poll_interval, settings.retry_min, settings.retry_max)
        self._fleet = Fleet(self._inventories, self._memory, self._dial, self._reports, pace)
        self._fleet.follow()
        self._inventories.on_change(lambda _: self._inventory_changed())
        self._inventories.on_fault(self._fault_changed)
        self._inventories.start()
        self._moves = asyncio.create_task(self._look_for_moves())

    async def stop(self) -> None:
        """End the sessions, and leave the switches as they are."""
        if self._moves is None:
            return  # It never began.
        self._moves.cancel()
        self._inventories.stop()
        if await asyncio.to_thread(self._fleet.stop):
            self._memory.close()

    def backends(self) -> Sequence[Backend]:
        """Tell every switch of the inventory, from memory."""
        if self.deployment_id and self.deployment_id != self._memory.deployment_id:
            if aside := self._memory.belong_to(self.deployment_id):
                log.warning("memory.set_aside", reason="another deployment introduced itself", file=str(aside))
            for worker in self._fleet.workers:
                worker.wake()
        return self._fleet.backends()

    async def create_network_precommit(self, context: NetworkContext) -> None:
        """Refuse VLANs that switches may not carry."""
        judge_network(context, self._inventories.current())

    async def update_network_precommit(self, context: NetworkContext) -> None:
        """Refuse VLANs that switches may not carry."""
        judge_network(context, self._inventories.current())

    async def create_port_precommit(self, context: PortContext) -> None:
        """Refuse links that lead nowhere."""
        judge_port(context, self._inventories.current())

    async def update_port_precommit(self, context: PortContext) -> None:
        """Refuse links that lead nowhere."""
        judge_port(context, self._inventories.current())

    async def create_network_postcommit(self, context: NetworkContext) -> Done | InProgress | None:
        """Know a network; its VLAN comes with its first port."""
        return await self._make_true(want_of_network(context), context)

    async def update_network_postcommit(self, context: NetworkContext) -> Done | InProgress | None:
        """Know a network as it is now."""
        return await self._make_true(want_of_network(context), context)

    async def delete_network_postcommit(self, context: NetworkContext) -> Done | InProgress | None:
        """Take whatever bears the network's mark off the switches."""
        return await self._make_true(want_of_network(context), context)

    async def create_port_postcommit(self, context: PortContext) -> Done | InProgress | None:
        """Put a port's VLAN where its host is plugged in."""
        return await self._make_true(await self._want_of_port(context), context)

    async def update_port_postcommit(self, context: PortContext) -> Done | InProgress | None:
        """Put a port's VLAN where its host is plugged in now, and nowhere else."""
        return await self._make_true(await self._want_of_port(context), context)

    async def delete_port_postcommit(self, context: PortContext) -> Done | InProgress | None:
        """Take a port's VLAN away where nobody else wants it."""
        answer = await self._make_true(await self._want_of_port(context), context)
        if answer is None:
            self._reports.forget(context.current.id)
        return answer

    async def bind_port(self, context: BindContext) -> Bound | NextLevel | Skip:
        """Bind machines, and carry tunnel networks to VLANs of the rack."""
        await self._hear(context.host)
        return binding.bind(context, self._inventories.current(), self._topology.of_host)

    def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        """List what the switches hold, from their own configurations."""
        return listing.owned(self._fleet, self._memory, kinds)

    async def diff(self, context: ChangeContext) -> Sequence[str | Line]:
        """Tell what would be done to which switch."""
        if isinstance(context, SubnetContext):
            return []
        try:
            want = await self._want_of(context)
        except DriverError as error:
            return [f"nothing can be done: {error.reason}"]
        return await listing.compare(self._fleet, self._memory, want)

    async def _make_true(self, want: Want, context: NetworkContext | PortContext) -> Done | InProgress | None:
        if not self._memory.deployment_id:
            raise Infeasible("no core has introduced itself, so nothing can be marked", effect=Effect.NONE)
        holding = self._fleet.holding(want.id) if want.leaving and want.kind is Kind.NETWORK else ()
        kept = await self._notes.keep(want, holding)
        if kept.held is not None:
            return Done(revision=kept.held)
        left = context.remaining()
        patience = self._settings.patience if left is None else min(self._settings.patience, left - _MARGIN)
        return await self._fleet.make_true((want.kind, want.id), kept.switches, patience)

    async def _want_of(self, context: NetworkContext | PortContext) -> Want:
        return want_of_network(context) if isinstance(context, NetworkContext) else await self._want_of_port(context)

    async def _want_of_port(self, context: PortContext) -> Want:
        if context.host is not None and context.action is not Action.DELETE:
            await self._hear(context.host)
        return want_of_port(context, self._inventories.current(), self._topology.of_host)

    async def _hear(self, host: Host) -> None:
        if any(nic.neighbour is not None for nic in host.nics):
            await asyncio.to_thread(self._topology.hear, host)

    def _backend(self, switch: str) -> Backend | None:
        return self._fleet.backend(switch)

    def _inventory_changed(self) -> None:
        self._fleet.follow()
        self._tell_moved()

    def _fault_changed(self) -> None:
        for backend in self._fleet.backends():
            self.events.backend(backend)

    def _tell_moved(self) -> None:
        """Have the core tell again what is on hosts that are plugged in elsewhere now."""
        for id in moved(self._memory, self._topology.of_host, self._inventories.current().switches):
            self.events.drift(Kind.PORT, id, "its host is plugged in elsewhere now")

    async def _look_for_moves(self) -> None:
        """LLDP may hear of a cable at any time, and nobody says so."""
        while True:
            await asyncio.sleep(self._settings.poll_interval)
            try:
                await asyncio.to_thread(self._tell_moved)
            except DriverError as error:
                log.error("moves.unknown", code=error.code, reason=error.reason)

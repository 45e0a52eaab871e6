"""The composition root: the only file that builds everything.

Collaborators are made here, handed to each other through constructors, started
in the order of their dependence and stopped in the reverse. The registry of
drivers is loaded before the first request is taken, so that the ledger knows
who wants to hear of what even while every driver is down.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Collection

import sqlalchemy as sa
from starlette.applications import Starlette

from jackfield_core import config
from jackfield_core.api.server import create_api
from jackfield_core.audit.auditor import Auditor
from jackfield_core.binding.binder import Binder
from jackfield_core.binding.dynamic import DynamicSegments
from jackfield_core.binding.release import Releaser
from jackfield_core.db import revision
from jackfield_core.db.bell import Bell, Topic
from jackfield_core.db.clock import ClockWatch
from jackfield_core.db.deployment import DeploymentTable
from jackfield_core.db.engine import Database
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.redelivery import retry
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.dispatch.dispatcher import Dispatcher
from jackfield_core.events.watch import EventWatch
from jackfield_core.ipam.allocator import Allocator
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.entry import Condition
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.memory import Memory
from jackfield_core.mechanism.registry import Registry
from jackfield_core.nodes.service import NodeService
from jackfield_core.notify.notifiers import Notifiers
from jackfield_core.observability import health
from jackfield_core.observability.debts import DriverGauges
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services.agent import AgentService
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.driver import DriverService
from jackfield_core.services.hearing import heard
from jackfield_core.services.implementation_details import ImplementationDetailsService
from jackfield_core.services.network import NetworkService
from jackfield_core.services.numbers import DriverNumbers
from jackfield_core.services.port import PortService
from jackfield_core.services.port_binding import PortBindingService
from jackfield_core.services.rebind import Rebinder
from jackfield_core.services.segment import SegmentService
from jackfield_core.services.services import Services
from jackfield_core.services.status import StatusService
from jackfield_core.services.subnet import SubnetService
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import Kind


class Application:
    """One core process."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database, settings.notifier_names)
        self.bell = Bell(settings.database, self._hear)
        self.registry = Registry(settings, memory=Memory(self.database))
        self.unit_of_work = UnitOfWork(self.database, self.registry, translate.encode_original, self.wake)
        self.mechanism = MechanismManager(self.registry, settings.mechanism)
        self.segments = SegmentManager(settings.segments)
        self.services = self._services()
        self.rebinder = Rebinder(self.unit_of_work, self.services.ports, interval=settings.mechanism.rebind_interval)
        self.releaser = self._releaser()
        self.dispatcher = Dispatcher(self.registry, self.mechanism, self.database, settings)
        self.notifiers = Notifiers(self.database, settings)
        self.database.notifiers.wake = self._notices_owed
        self.events = EventWatch(self.registry, self.database, self.dispatcher.wake, self.registry.note_garbage)
        self.auditor = Auditor(self.registry, self.database, settings, self.dispatcher.wake, self.registry.note_garbage)
        self.nodes = NodeService(
            settings.nodes, self.unit_of_work, self.registry.required(), lambda _host: self._agent_changed()
        )
        numbers = DriverNumbers(self.database, self.registry, settings.notifier_names)
        looks = health.routes(
            {"database": self._database_problem},
            self._driver_states,
            DriverGauges(numbers.stored, numbers.conditions).refresh,
        )
        # Every process can be asked how it is; requests of users are for those with the role.
        is_api = "api" in settings.roles
        self.api: Starlette = (
            create_api(self.services, settings, extra_routes=looks) if is_api else Starlette(routes=looks)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, drivers: Collection[str]) -> None:
        """Let everybody look who waits for work of this process's commits; *drivers* are owed something."""
        self.dispatcher.wake(drivers)
        self.notifiers.wake(drivers)
        self.nodes.wake()
        # Agents are where they are, but debts can be paid here, if anything is paid here.
        self.bell.ring(Topic.NODES, *([Topic.DRIVERS] if drivers and not self._delivers else []))

    def wake_for_operator(self, drivers: Collection[str]) -> None:
        """Let everybody look who waits for what an operator wants of *drivers*: debts, and audits."""
        self.wake(drivers)
        self.auditor.wake(drivers)

    async def start(self) -> None:
        """Start everything but the listening socket of the API.

        Raises:
            RuntimeError: The database has not the schema of this release.
        """
        await self._check_schema()
        async with self.unit_of_work() as tx:
            await self.segments.bootstrap(tx)
            if self.settings.deployment_id:
                await DeploymentTable(tx.connection).choose(self.settings.deployment_id)
            await FaultTable(tx.connection, self.registry.required()).refresh_all()
        async with self.unit_of_work.reading() as tables:
            await self.registry.load(tables)
        self.registry.subscribe(self._driver_ready)
        self._tasks.add(asyncio.create_task(self.bell.run()))
        self._tasks.add(asyncio.create_task(ClockWatch(self.database.read_clock, self._forget_pauses).run()))
        if self._delivers:
            await self.dispatcher.start()
            self.notifiers.start()
            self.events.start()
            await self.auditor.start()
            self._tasks.add(asyncio.create_task(self.rebinder.run()))
            self._tasks.add(asyncio.create_task(self.releaser.run()))
        if "nodes" in self.settings.roles:
            await self.nodes.start()
        await self.registry.start()

    async def stop(self) -> None:
        """Stop what was started; what is owed stays in the ledger."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.services.drivers.stop()
        if "nodes" in self.settings.roles:
            await self.nodes.stop()
        if self._delivers:
            await self.auditor.stop()
            await self.events.stop()
            await self.notifiers.stop()
            await self.dispatcher.stop()
        await self.registry.stop()
        await self.database.close()

    async def drivers_ready(self, timeout: float) -> None:
        """Return when every driver is ready, or raise TimeoutError after *timeout* seconds."""
        await _until(lambda: all(entry.is_ready for entry in self.registry.entries()), timeout)

    async def settled(self, timeout: float) -> None:
        """Return when nothing is owed to anybody, or raise TimeoutError after *timeout* seconds."""
        async with asyncio.timeout(timeout):
            while True:
                async with self.unit_of_work.reading() as tables:
                    if not await tables.deliveries.lag():
                        return
                await asyncio.sleep(0.01)

    @property
    def _delivers(self) -> bool:
        return "dispatcher" in self.settings.roles

    def _hear(self, topic: Topic) -> None:
        """Let those of this process look whom another process rings for."""
        match topic:
            case Topic.DRIVERS:
                self.dispatcher.wake()
            case Topic.NOTICES:
                self.notifiers.wake()
            case Topic.NODES:
                self.nodes.wake()
            case Topic.AGENTS:
                self.rebinder.wake()

    def _notices_owed(self) -> None:
        """Let compute services be told of ports, wherever that is done."""
        self.notifiers.wake()
        if not self._delivers:
            self.bell.ring(Topic.NOTICES)

    def _agent_changed(self) -> None:
        """Bind what could not be bound on the host of an agent, wherever that is done."""
        self.rebinder.wake()
        if not self._delivers:
            self.bell.ring(Topic.AGENTS)

    def _services(self) -> Services:
        work, mechanism, segments = self.unit_of_work, self.mechanism, self.segments
        binder, trees = Binder(self.registry, mechanism, segments, work, self.settings), NetworkTrees(work)
        ports = PortService(work, trees, Allocator(), binder, mechanism, base_mac=self.settings.base_mac)
        hear = functools.partial(heard, self.registry, self.settings.notifier_names)
        return Services(
            networks=NetworkService(work, segments, mechanism),
            subnets=SubnetService(work, mechanism),
            ports=ports,
            port_bindings=PortBindingService(work, ports, trees, binder, mechanism),
            implementation_details=ImplementationDetailsService(work, down_time=self.settings.nodes.agent_down_time),
            segments=SegmentService(work, segments, mechanism),
            agents=AgentService(work, down_time=self.settings.nodes.agent_down_time),
            drivers=DriverService(self.database, self.settings, self.wake_for_operator, hear),
            attributes={kind: AttributeService(work, self.registry.attributes, kind) for kind in Kind},
            status=StatusService(work, hear),
        )

    def _releaser(self) -> Releaser:
        limits = self.settings.mechanism
        dynamic = DynamicSegments(self.segments, self.mechanism, self.unit_of_work)
        # Whoever has just been given a segment needs the rest of the budget, and a moment to write it down.
        grace = limits.bind_budget + limits.release_interval
        return Releaser(self.unit_of_work, dynamic, interval=limits.release_interval, grace=grace)

    async def _driver_ready(self, name: str, _handshake: object) -> None:
        """Bind what could not be bound, as soon as the driver that has introduced itself takes calls."""
        waiting = asyncio.create_task(self._rebind_when_ready(name))
        self._tasks.add(waiting)
        waiting.add_done_callback(self._tasks.discard)

    async def _rebind_when_ready(self, name: str) -> None:
        await self.registry.entry(name).ready.wait()
        self.rebinder.wake()

    async def _forget_pauses(self) -> None:
        """Make due what waits for a moment that a clock has named which was ahead."""
        async with self.unit_of_work() as tx:
            await retry(tx.connection)
            await tx.claims.shorten_leases(self.settings.dispatcher.lease)
            await tx.audits.end_leases()
        self.dispatcher.wake()

    def _driver_states(self) -> dict[str, str]:
        return {
            entry.name: "ready" if entry.condition is Condition.READY else f"{entry.condition}: {entry.reason}"
            for entry in self.registry.entries()
        }

    async def _database_problem(self) -> str:
        try:
            async with asyncio.timeout(2), self.database.reading() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except Exception as error:
            return f"the database does not answer: {error or type(error).__name__}"
        return ""

    async def _check_schema(self) -> None:
        pending = await revision.pending(self.settings.database)
        if pending:
            raise RuntimeError(f"migrations are pending: {', '.join(pending)}; run `jackfield db upgrade`")


async def _until(condition: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.01)

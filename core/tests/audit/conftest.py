"""A core that audits, and a driver on a socket whose devices a test holds in its hand."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.audit import subject
from jackfield_core.audit.auditor import Auditor
from jackfield_core.audit.compare import compare
from jackfield_core.audit.findings import Difference, Findings
from jackfield_core.audit.perform import perform
from jackfield_core.audit.repair import Repair, apply
from jackfield_core.audit.subject import Subject
from jackfield_core.db.delivery import Debt
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.orphan import OrphanTable
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.memory import Memory
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, Kind
from msgspec.structs import replace
from support import carrying
from support.carrying import CarryingCore
from support.owner import Owner
from support.waiting import eventually

PATIENT = HealthChecks(0.3, timeout=30.0)
"""How health is looked after where nobody is deaf: on a busy machine no driver is at fault."""


class Core(CarryingCore):
    """One core process: registry, dispatcher, auditor if it is started, and what services do to rows."""

    def __init__(self, database: Database, rows: Any, settings: config.Settings, health: HealthChecks) -> None:
        registry = Registry(settings, memory=Memory(database), health=health)
        super().__init__(database, rows, settings, registry)
        self.garbage: list[Any] = []
        self.auditor = Auditor(
            registry, database, settings, self.dispatcher.wake, self.garbage.append, poll_interval=0.02
        )

    async def stop(self) -> None:
        await self.auditor.stop()
        await super().stop()

    def subject(self, name: str = "a") -> Subject:
        """Return the process of a driver that is asked."""
        found = subject.of(self.registry.entry(name))
        assert found is not None
        return found

    async def compare(self, **options: Any) -> Findings:
        """Return what differs, as it is now."""
        return await compare(self.database, self.subject(), agent_down_time=75, **options)

    async def differences(self, **options: Any) -> set[tuple[Difference, str]]:
        """Return how what differs, by id."""
        return {(one.difference, one.resource_id) for one in (await self.compare(**options)).found}

    async def repair(self, findings: Findings, **options: Any) -> Repair:
        """Owe what was found, and pay it."""
        return await apply(self.database, self.subject(), findings, self.settings.audit, **options)

    async def agree(self) -> int:
        """Agree to the removal of all orphans that are held, and wake the lane; return how many there are."""
        async with self.unit_of_work() as tx:
            agreed = await OrphanTable(tx.connection).agree("a")
        self.dispatcher.wake()
        return agreed

    async def audit(self, **options: Any) -> DriverAudit:
        """Audit now."""
        audit = await perform(self.database, self.subject(), self.settings, **options)
        assert audit is not None
        return audit

    async def last_audit(self) -> DriverAudit:
        """Return what is stored of the last audit."""
        async with self.unit_of_work.reading() as tables:
            return await tables.audits.find("a") or DriverAudit("a")

    async def ports(self, tree: NetworkTree, count: int) -> list[str]:
        """Create ports; return their ids."""
        ports = [self.rows.port(tree.network) for _ in range(count)]
        async with self.unit_of_work() as tx:
            await tx.ports.add(*ports)
            tx.record(*(Change(Kind.PORT, Action.CREATE, port, None, tree) for port in ports))
        return [port.id for port in ports]

    async def rename(self, network: Network, name: str) -> Network:
        """Update the name of a network."""
        after = replace(network, name=name, revision_number=network.revision_number + 1)
        async with self.unit_of_work() as tx:
            tree = (await load_trees(tx.connection, [network.id]))[network.id]
            await tx.networks.update(after)
            changed = replace(tree, network=after)
            tx.record(Change(Kind.NETWORK, Action.UPDATE, after, network, changed, original_tree=tree))
        return after

    async def rename_port(self, tree: NetworkTree, id: str, name: str) -> None:
        """Update the name of a port."""
        async with self.unit_of_work() as tx:
            before = await tx.ports.find_for_update(id)
            assert before is not None
            after = replace(before, name=name, revision_number=before.revision_number + 1)
            await tx.ports.update(after)
            tx.record(Change(Kind.PORT, Action.UPDATE, after, before, tree))

    async def delete(self, network: Network) -> None:
        """Delete a network that nothing stands on."""
        async with self.unit_of_work() as tx:
            tree = (await load_trees(tx.connection, [network.id]))[network.id]
            tx.record(Change(Kind.NETWORK, Action.DELETE, network, network, tree))

    async def rows_of(self, id: str) -> Sequence[Debt]:
        """Return what the ledger says of a resource."""
        async with self.unit_of_work.reading() as tables:
            return await tables.deliveries.list(resource_id=id, owed=None)

    async def until_paid(self) -> None:
        """Wait until nothing is owed."""

        async def is_paid() -> bool:
            async with self.unit_of_work.reading() as tables:
                return not await tables.deliveries.list()

        self.dispatcher.wake()
        await eventually(is_paid)

    async def world(self, ports: int = 4) -> tuple[NetworkTree, list[str]]:
        """Create a network, a subnet and ports, and have them delivered."""
        tree = await self.subnet(await self.network())
        created = await self.ports(tree, ports)
        await self.until_paid()
        return tree, created


class Scene(carrying.Scene):
    """Cores and drivers of one test."""

    async def driver(self, name: str = "a", **attributes: Any) -> Owner:
        """Return a driver that listens."""
        driver = Owner(name, self.path())
        for attribute, value in attributes.items():
            setattr(driver, attribute, value)
        self._stack.push_async_callback(driver.down)
        await driver.up()
        return driver

    async def core(self, *drivers: Owner, health: HealthChecks = PATIENT, **audit: Any) -> Core:
        """Return a running core that knows *drivers* and audits only when it is told to."""
        settings = config.Settings(
            drivers=[config.Driver(name=driver.name, endpoint=driver.endpoint) for driver in drivers],
            mechanism=config.Mechanism(reconnect_interval=0.05, handshake_timeout=30),
            dispatcher=config.Dispatcher(poll_interval=0.1, backoff_first=0.05, order_hold=0.3),
            audit=config.Audit(**audit),
        )
        core = Core(self.database, self.rows, settings, health)
        await core.start()
        self._stack.push_async_callback(core.stop)
        for driver in drivers:
            await eventually(lambda: core.registry.entry(driver.name).is_ready)  # noqa: B023
        return core

    @staticmethod
    def once(action: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[None]]:
        """Return what does *action* at the first call, and nothing later."""
        actions = [action]

        async def act() -> None:
            if actions:
                await actions.pop()()

        return act


@pytest.fixture
async def scene(database: Database, rows: Any, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give cores and drivers over one empty database."""
    async with contextlib.AsyncExitStack() as stack:
        yield Scene(database, rows, tmp_path, stack)

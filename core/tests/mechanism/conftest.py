"""A core that calls drivers, which do whatever a test tells them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.base import now
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.segment import Segment
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change
from jackfield_core.dispatch.reception import Reception
from jackfield_core.errors import DriverUnavailable
from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.memory import Memory
from jackfield_core.mechanism.record import released
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, AllocationPool, BindingLevel, FixedIp, Kind
from support.evil_driver import EvilDriver
from support.waiting import eventually

DEADLINE = 30.0
"""Seconds until a test gives up waiting."""


@dataclass
class Core:
    """The core's side: a registry that keeps connections, and a manager that asks."""

    registry: Registry
    manager: MechanismManager

    def entry(self, driver: EvilDriver) -> DriverEntry:
        """Return what the core knows of *driver*."""
        return self.registry.entry(driver.name)

    def forgive(self, driver: EvilDriver) -> None:
        """End a quarantine of *driver*, and forget its garbage."""
        entry = self.entry(driver)
        if record := entry.known():
            entry.recalled(released(record))

    async def judged(self, change: Change) -> None:
        """Have drivers judge *change*; once more if a verdict came too late, which a short budget makes likely."""
        async with asyncio.timeout(DEADLINE):
            while True:
                with contextlib.suppress(DriverUnavailable):
                    return await self.manager.precommit([change])
                await asyncio.sleep(0.05)

    async def until_ready(self, *drivers: EvilDriver) -> None:
        """Wait until *drivers* can be asked."""
        async with asyncio.timeout(DEADLINE):
            for driver in drivers:
                await self.entry(driver).ready.wait()


_AT = now()


class Rows:
    """Rows as services would hand them over."""

    @staticmethod
    def tree(network_id: str = "net-1", *, revision: int = 1, vlan: int = 7) -> NetworkTree:
        """Return a network with one VLAN segment and one subnet."""
        network = Network(
            network_id, "project", "blue", "", True, "ACTIVE", 1500, False, False, True, revision, _AT, _AT
        )
        segment = Segment(f"seg-{network_id}", network_id, "vlan", "leaf1", vlan, "", "", False, 0, 1, _AT, _AT)
        pools = (AllocationPool("192.0.2.10", "192.0.2.20"),)
        subnet = Subnet(
            f"sub-{network_id}",
            network_id,
            "project",
            "",
            "",
            4,
            "192.0.2.0/24",
            "192.0.2.1",
            True,
            None,
            None,
            None,
            pools,
            ("192.0.2.2",),
            (),
            1,
            _AT,
            _AT,
        )
        return NetworkTree(network, (segment,), (subnet,))

    @staticmethod
    def port(id: str = "port-1", tree: NetworkTree | None = None, *, host: str = "", revision: int = 1) -> Port:
        """Return a port with an address."""
        tree = tree or Rows.tree()
        return Port(
            id,
            tree.network.id,
            "project",
            "",
            "",
            True,
            "DOWN",
            "fa:16:3e:00:00:01",
            "vm",
            "compute:nova",
            True,
            (FixedIp(tree.subnets[0].id, "192.0.2.11"),),
            (),
            (),
            revision,
            _AT,
            _AT,
            None,
            binding=Binding(host=host, profile={"key": "value"}, vif_type="ovs", vif_details={"port_filter": True}),
        )

    @staticmethod
    def create_network(tree: NetworkTree | None = None) -> Change:
        """Return the creation of a network."""
        tree = tree or Rows.tree()
        return Change(Kind.NETWORK, Action.CREATE, tree.network, None, tree)

    @staticmethod
    def create_port(port: Port | None = None, tree: NetworkTree | None = None) -> Change:
        """Return the creation of a port that is bound to its network's segment."""
        tree = tree or Rows.tree()
        port = port or Rows.port(tree=tree)
        levels = (BindingLevel(0, "ovs", tree.segments[0].id),) if port.binding.host else ()
        return Change(Kind.PORT, Action.CREATE, port, None, tree, levels=levels)


@dataclass
class World:
    """What tests find in their fixture."""

    folder: Path
    stack: contextlib.AsyncExitStack
    _count: int = field(default=0)

    eventually = staticmethod(eventually)

    async def driver(self, name: str, *, start: bool = True) -> EvilDriver:
        """Return a driver on a socket of its own."""
        self._count += 1
        driver = EvilDriver(name, self.folder / f"{self._count}.sock")
        self.stack.push_async_callback(driver.stop)
        if start:
            await driver.start()
        return driver

    async def successor(self, driver: EvilDriver) -> EvilDriver:
        """Return a second process that takes over the address of *driver*, which goes on running."""
        path = Path(driver.endpoint.removeprefix("unix://"))
        path.unlink()
        successor = EvilDriver(driver.name, path)
        self.stack.push_async_callback(successor.stop)
        await successor.start()
        return successor

    async def core(
        self,
        *drivers: EvilDriver | Sequence[EvilDriver],
        advisory: Sequence[str] = (),
        wait: bool = True,
        health_interval: float = 5.0,
        health_timeout: float = DEADLINE,
        database: Database | None = None,
        **limits: Any,
    ) -> Core:
        """Start a core with *drivers* in order, a pair being two processes of one; *limits* are mechanism settings."""
        pairs = [[one] if isinstance(one, EvilDriver) else one for one in drivers]
        settings = config.Settings(
            # What a test does not make wait shall not fail on a machine that is busy: the usual limits are short.
            mechanism=config.Mechanism(**{"precommit_budget": DEADLINE, "handshake_timeout": DEADLINE, **limits}),
            drivers=[
                config.Driver(
                    name=pair[0].name,
                    endpoints=tuple(driver.endpoint for driver in pair),
                    policy="advisory" if pair[0].name in advisory else "required",
                )
                for pair in pairs
            ],
        )
        health = HealthChecks(health_interval, health_timeout)
        registry = Registry(settings, memory=Memory(database), health=health)
        if database:
            registry.subscribe(Reception(database, registry.attributes).welcome)
            await registry.refresh()
        core = Core(registry, MechanismManager(registry, settings.mechanism))
        await registry.start()
        self.stack.push_async_callback(registry.stop)
        if wait:
            await core.until_ready(*(pair[0] for pair in pairs))
        return core


@pytest.fixture
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Drivers and cores, all of them stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:
        yield World(tmp_path_factory.mktemp("m"), stack)


@pytest.fixture
def rows() -> type[Rows]:
    """Rows as services would hand them over."""
    return Rows

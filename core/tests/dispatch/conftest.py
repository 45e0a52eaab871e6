"""A core that delivers, and drivers that are real processes' worth of SDK on sockets of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.delivery import Debt
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.redelivery import retry
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.memory import Memory
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, BindingLevel, Kind
from jackfield_sdk import Backend, ServerSettings, start_server
from jackfield_sdk.testing import RecordingDriver
from msgspec.structs import replace
from support import carrying
from support.carrying import CarryingCore
from support.raw_driver import RawDriver
from support.waiting import eventually

DEADLINE = 30.0
"""Seconds until a test gives up waiting."""


class Driver(RecordingDriver):
    """A driver of the SDK that can be started, stopped, and wiped."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__()
        self.name = name
        self.path = path
        self.epoch = "1"
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        return f"unix://{self.path}"

    def backends(self) -> Sequence[Backend]:
        return [Backend("fabric", self.epoch)]

    async def up(self, **limits: int) -> None:
        """Listen, as a new process would."""
        self._server = await start_server(self, ServerSettings(listen=self.endpoint, **limits))

    async def down(self) -> None:
        """Be gone."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def told(self, *, action: str = "", kind: str = "") -> list[Any]:
        """Return the contexts of postcommit calls so far, in order."""
        return [
            call.argument
            for call in self.script.calls
            if call.hook.endswith("_postcommit") and action in call.hook and kind in call.hook
        ]

    def story(self) -> list[str]:
        """Return what the driver was told, as ``create network``, in order."""
        return [call.hook.removesuffix("_postcommit").replace("_", " ") for call in self.script.calls]


class Core(CarryingCore):
    """One core process: registry, manager, dispatcher, and what services do to rows."""

    def __init__(
        self, database: Database, rows: Any, settings: config.Settings, timeout: float | None, *, remembers: bool
    ) -> None:
        memory = Memory(database) if remembers else None
        registry = Registry(settings, memory=memory, health=HealthChecks(0.3, timeout=DEADLINE))
        limits = {} if timeout is None else {"timeout": lambda _changes: timeout}
        super().__init__(database, rows, settings, registry, **limits)

    async def until_ready(self, *names: str) -> None:
        for name in names:
            await asyncio.wait_for(self.registry.entry(name).ready.wait(), DEADLINE)

    async def port(self, tree: NetworkTree, **columns: Any) -> Port:
        """Create a port."""
        return (await self.ports(tree, 1, **columns))[0]

    async def ports(
        self, tree: NetworkTree, count: int, *, host: str = "", wiring: str = "unknown", **columns: Any
    ) -> list[Port]:
        """Create ports, bound if *host* is given."""
        binding = Binding(host=host, vif_type="ovs" if host else "unbound", wiring=wiring)
        ports = [self.rows.port(tree.network, binding=binding, **columns) for _ in range(count)]
        levels = (BindingLevel(0, "a", tree.segments[0].id),) if host else ()
        async with self.unit_of_work() as tx:
            await tx.ports.add(*ports)
            await tx.ports.add_levels(*((port, levels) for port in ports))
            tx.record(*(Change(Kind.PORT, Action.CREATE, port, None, tree, levels=levels) for port in ports))
        return ports

    async def rename(self, resource: Network | Port, name: str) -> Any:
        """Update the name of a network or port."""
        after = replace(resource, name=name, revision_number=resource.revision_number + 1)
        is_port = isinstance(resource, Port)
        async with self.unit_of_work() as tx:
            network_id = resource.network_id if is_port else resource.id
            tree = (await load_trees(tx.connection, [network_id]))[network_id]
            await (tx.ports if is_port else tx.networks).update(after)
            changed = tree if is_port else replace(tree, network=after)
            kind = Kind.PORT if is_port else Kind.NETWORK
            tx.record(Change(kind, Action.UPDATE, after, resource, changed, original_tree=None if is_port else tree))
        return after

    async def delete(self, resource: Any) -> None:
        """Delete a network, subnet or port."""
        kind = {"Network": Kind.NETWORK, "Subnet": Kind.SUBNET, "Port": Kind.PORT}[type(resource).__name__]
        network_id = resource.id if kind is Kind.NETWORK else resource.network_id
        async with self.unit_of_work() as tx:
            # As services do: whoever changes a resource holds it before the ledger.
            await {Kind.NETWORK: tx.networks, Kind.SUBNET: tx.subnets, Kind.PORT: tx.ports}[kind].find_for_update(
                resource.id
            )
            tree = (await load_trees(tx.connection, [network_id]))[network_id]
            tx.record(Change(kind, Action.DELETE, resource, resource, tree))

    async def debts(self, driver: str | None = None, *, owed: bool | None = True) -> list[Debt]:
        """Return what is owed."""
        async with self.unit_of_work.reading() as tables:
            return list(await tables.deliveries.list(driver=driver, owed=owed))

    async def until_paid(self, driver: str | None = None) -> None:
        """Wait until nothing is owed."""

        async def is_paid() -> bool:
            return not await self.debts(driver)

        await eventually(is_paid)

    async def status(self, port: Port) -> str:
        """Return the status of a port."""
        async with self.unit_of_work.reading() as tables:
            return (await tables.ports.list_with_deleted([port.id]))[port.id].status

    async def find(self, resource: Network | Port) -> Any:
        """Return a network or port as it is now."""
        async with self.unit_of_work.reading() as tables:
            table = tables.ports if isinstance(resource, Port) else tables.networks
            return (await table.list_with_deleted([resource.id]))[resource.id]

    async def tree(self, network: Network) -> NetworkTree:
        """Return a network with its parts as it is now."""
        async with self.unit_of_work.reading() as tables:
            return (await load_trees(tables.connection, [network.id]))[network.id]

    async def failed(self, driver: str, **columns: Any) -> list[Debt]:
        """Return what has failed, with these columns."""
        return [
            debt
            for debt in await self.debts(driver)
            if debt.attempts and all(getattr(debt, name) == value for name, value in columns.items())
        ]

    async def retry(self) -> None:
        """Ask for another attempt of everything, as an operator does."""
        async with self.unit_of_work() as tx:
            await retry(tx.connection)
        self.dispatcher.wake()

    async def count(self, table: Any) -> int:
        """Count the rows of a table."""
        async with self.database.reading() as connection:
            return len((await connection.execute(table.select())).all())


class Scene(carrying.Scene):
    """Cores and drivers of one test."""

    async def driver(self, name: str = "a", *, up: bool = True, **limits: int) -> Driver:
        """Return a driver of the SDK."""
        driver = Driver(name, self.path())
        self._stack.push_async_callback(driver.down)
        if up:
            await driver.up(**limits)
        return driver

    async def raw_driver(self, name: str = "a", **attributes: Any) -> RawDriver:
        """Return a driver that speaks the wire itself."""
        driver = RawDriver(name, self.path())
        for attribute, value in attributes.items():
            setattr(driver, attribute, value)
        self._stack.push_async_callback(driver.down)
        await driver.up()
        return driver

    async def core(
        self,
        *drivers: Any,
        ready: bool = True,
        timeout: float | None = None,
        advisory: Sequence[str] = (),
        database: Database | None = None,
        remembers: bool = False,
        **dispatcher: Any,
    ) -> Core:
        """Return a running core with *drivers* in order; one that *remembers* keeps reading what is known of them."""
        values = {"poll_interval": 0.1, "backoff_first": 0.05, "order_hold": 0.3, **dispatcher}
        settings = config.Settings(
            drivers=[
                config.Driver(
                    name=driver.name, endpoint=driver.endpoint,
                    policy="advisory" if driver.name in advisory else "required",
                )
                for driver in drivers
            ],
            mechanism=config.Mechanism(reconnect_interval=0.05, handshake_timeout=DEADLINE, breaker_retry=0.2),
            dispatcher=config.Dispatcher(**values),
        )  # fmt: skip
        core = Core(database or self.database, self.rows, settings, timeout, remembers=remembers)
        await core.start()
        self._stack.push_async_callback(core.stop)
        if ready:
            await core.until_ready(*(driver.name for driver in drivers))
        return core


@pytest.fixture
async def other_database(database: Database, database_url: str) -> AsyncIterator[Database]:
    """Open the same PostgreSQL as another process would."""
    if not database.is_postgresql:
        pytest.skip("SQLite belongs to one process")
    other = Database(config.Database(url=database_url))
    yield other
    await other.close()


@pytest.fixture
async def scene(database: Database, rows: Any, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give cores and drivers over one empty database."""
    async with contextlib.AsyncExitStack() as stack:
        yield Scene(database, rows, tmp_path, stack)

"""Real drivers in processes' stead, each on a socket of its own, and a binder that asks them."""

import asyncio
import contextlib
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.binding.binder import Binder, BindingOutcome, BindingRequest
from jackfield_core.binding.dynamic import DynamicSegments
from jackfield_core.binding.release import Releaser
from jackfield_core.db.engine import Database
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.segment import Segment, allocation
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_sdk import (
    BindContext,
    Bound,
    MechanismDriver,
    NetworkContext,
    NextLevel,
    Rejected,
    RunningServer,
    ServerSettings,
    Skip,
    start_server,
)
from msgspec.structs import replace
from prometheus_client import REGISTRY
from support.silent_cloud import CTX, Cloud

Script = Callable[[BindContext], Any]
NO_MTUS: Mapping[str, int] = {}
PATIENT = {"handshake_timeout": 30, "precommit_budget": 30, "bind_timeout": 30, "bind_budget": 60}
"""Limits of calls where nobody is slow: on a busy machine no driver is at fault."""


class ScriptedDriver(MechanismDriver):
    """Binds as it is told: *script* gets what the driver is asked and returns, or awaits, the answer."""

    def __init__(
        self,
        name: str,
        script: Script,
        *,
        network_types: Sequence[str] = (),
        vnic_types: Sequence[str] = (),
        **more: Any,
    ) -> None:
        self.name = f"{name}-{secrets.token_hex(3)}"
        self.network_types = frozenset(network_types)
        self.vnic_types = frozenset(vnic_types)
        self.asked: list[BindContext] = []
        self._script = script

    async def bind_port(self, context: BindContext) -> Any:
        self.asked.append(context)
        answer = self._script(context)
        return await answer if inspect.isawaitable(answer) else answer

    @property
    def calls(self) -> float:
        """Number of calls that the core made to bind ports."""
        labels = {"driver": self.name, "rpc": "BindPorts", "code": "OK"}
        return REGISTRY.get_sample_value("jackfield_driver_calls_total", labels) or 0.0


class StrictDriver(ScriptedDriver):
    """A driver that refuses so many VLANs on its switch; *shown* are the numbers that it was asked about."""

    def __init__(self, *arguments: Any, refusals: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.shown: list[int | None] = []
        self._refusals = refusals

    async def update_network_precommit(self, context: NetworkContext) -> None:
        self.shown.append(context.current.segments[-1].segmentation_id)
        if len(self.shown) <= self._refusals:
            raise Rejected(f"VLAN {self.shown[-1]} is reserved on switch leaf1")


def binds(vif_type: str = "ovs", **more: Any) -> Script:
    """Return a script that binds the first segment on offer."""
    return lambda context: Bound(context.segments[0].id, vif_type, **more)


@dataclass
class Yard:
    """Networks in the database, drivers that run, and the binder between them."""

    unit_of_work: UnitOfWork
    rows: Any
    folder: Path
    stack: contextlib.AsyncExitStack
    _servers: dict[str, RunningServer] = field(default_factory=dict)

    driver = staticmethod(ScriptedDriver)
    strict_driver = staticmethod(StrictDriver)
    binds = staticmethod(binds)

    async def binder(
        self,
        *drivers: MechanismDriver,
        down: Sequence[MechanismDriver] = (),
        physical_network_mtus: Mapping[str, int] = NO_MTUS,
        **limits: Any,
    ) -> Binder:
        """Return a binder that asks *drivers* in this order; those in *down* are configured and do not run."""
        running = [driver for driver in drivers if driver not in down]
        for driver in running:
            listen = self._endpoint(drivers.index(driver))
            self._servers[driver.name] = await start_server(driver, ServerSettings(listen=listen))
            self.stack.push_async_callback(self._servers[driver.name].stop)
        settings = config.Settings(
            mechanism=config.Mechanism(**{**PATIENT, **limits}),
            segments=config.Segments(
                vlan=config.TypeDriverSettings(ranges=["leaf1:100:101", "leaf2:100:109"]),
                physical_network_mtus=dict(physical_network_mtus),
            ),
            drivers=[
                config.Driver(name=driver.name, endpoint=self._endpoint(position))
                for position, driver in enumerate(drivers)
            ],
        )
        self.registry = registry = Registry(settings)
        await registry.start()
        self.stack.push_async_callback(registry.stop)
        async with asyncio.timeout(30):
            for driver in running:
                await registry.entry(driver.name).ready.wait()
        segments = SegmentManager(settings.segments)
        async with self.unit_of_work() as tx:
            await segments.bootstrap(tx)
        manager = MechanismManager(registry, settings.mechanism)
        self.settings, self.dynamic = settings, DynamicSegments(segments, manager, self.unit_of_work)
        return Binder(registry, manager, segments, self.unit_of_work, settings)

    async def stop(self, driver: MechanismDriver) -> None:
        """End a driver's process, and wait until the core has noticed."""
        await self._servers[driver.name].stop(0)
        async with asyncio.timeout(30):
            while self.registry.entry(driver.name).is_ready:
                await asyncio.sleep(0.01)

    async def network(self, *network_types: str) -> NetworkTree:
        """Insert a network with one segment of each type and return it."""
        network = self.rows.network()
        async with self.unit_of_work() as tx:
            await tx.networks.add(network)
            for position, network_type in enumerate(network_types or ["vxlan"]):
                segment = self.rows.segment(network, network_type=network_type, position=position)
                await tx.segments.add(segment)
        return await self.reload(network.id)

    async def reload(self, network_id: str) -> NetworkTree:
        """Read a network as it is now."""
        async with self.unit_of_work.reading() as tables:
            return (await load_trees(tables.connection, [network_id]))[network_id]

    def request(self, tree: NetworkTree, host: str = "host-1", **binding: Any) -> BindingRequest:
        """Return a new port's request for a binding."""
        return BindingRequest(self.rows.port(tree.network, binding=Binding(host=host, **binding)), tree)

    def reasons(self, outcome: BindingOutcome) -> dict[str, str]:
        """Return why each driver did not bind."""
        return {failure["driver"]: failure["reason"] for failure in outcome.binding.failures}

    def _endpoint(self, position: int) -> str:
        return f"unix://{self.folder}/{position}.sock"


@pytest.fixture
async def yard(unit_of_work: UnitOfWork, rows: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    """Drivers and binders, all of them stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:
        yield Yard(unit_of_work, rows, tmp_path_factory.mktemp("b"), stack)


@pytest.fixture
def segment(rows: Any) -> Callable[..., Segment]:
    """Make segments without a database."""
    network = rows.network()

    def make(id: str, network_type: str = "vxlan") -> Segment:
        return replace(rows.segment(network), id=id, network_type=network_type)

    return make


RACKS = {"host-1": "leaf1", "host-2": "leaf1", "host-3": "leaf2"}


class Racks:
    """A cloud of racks: a fabric takes VXLAN to the leaf of a host, and from there it is a VLAN of that leaf.

    Drivers "a" and "b" are owed everything, and a test says when they have heard.
    """

    def __init__(self, yard: Yard, database: Database) -> None:
        self.yard = yard
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """Done once, while the host's driver is asked; nothing is locked then."""
        self.reason = ""
        """Why the host's driver binds nothing."""
        self.fabric = ScriptedDriver("fabric", self._leaf, network_types=["vxlan"])
        self.ovs = ScriptedDriver("ovs", self._plug)
        self._database = database

    async def start(self) -> None:
        """Run the drivers, and build services that ask them."""
        binder = await self.yard.binder(self.fabric, self.ovs)
        self.cloud = Cloud(self._database, self.yard.unit_of_work, self.yard.settings, binder)
        self.network_id = await self.cloud.network()
        await self.cloud.subnet(self.network_id, "192.0.2.0/24")
        await self.pay()

    async def port(self, host: str, **attributes: Any) -> Port:
        """Create a port on a host."""
        spec = PortCreate(network_id=self.network_id, project_id="project", host=host, **attributes)
        return await self.cloud.ports.create(CTX, spec)

    async def move(self, port: Port, host: str) -> Port:
        """Let a port be on another host."""
        return await self.cloud.ports.update(CTX, port.id, PortUpdate(host=host))

    async def delete(self, *ports: Port) -> None:
        """Delete ports."""
        for port in ports:
            await self.cloud.ports.delete(CTX, port.id)

    async def pay(self, *drivers: str) -> None:
        """Have drivers hear of all that they are owed; by default both."""
        for driver in drivers or "ab":
            await self.cloud.pay(driver)

    async def look(self, grace: float = 0.0) -> None:
        """Look for idle segments, as the core does every few seconds."""
        await Releaser(self.yard.unit_of_work, self.yard.dynamic, interval=1, grace=grace).look()

    async def tree(self) -> NetworkTree:
        """Return the network as it is."""
        return await self.yard.reload(self.network_id)

    async def leaves(self) -> list[str | None]:
        """Return the leaves that the network has a segment of."""
        return [segment.physical_network for segment in (await self.tree()).segments if segment.is_dynamic]

    async def vlans(self) -> int:
        """Return how many VLANs nobody else can have."""
        statement = sa.select(sa.func.count()).where(allocation.c.network_type == "vlan")
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one()

    async def _leaf(self, context: BindContext) -> NextLevel | Skip:
        leaf = RACKS.get(context.host.name)
        return NextLevel(context.segments[0].id, "vlan", leaf) if leaf else Skip(f"{context.host.name} is in no rack")

    async def _plug(self, context: BindContext) -> Bound | Skip:
        if self.meanwhile:
            action, self.meanwhile = self.meanwhile, None
            await action()
        return Skip(self.reason) if self.reason else Bound(context.segments[0].id, "ovs")


@pytest.fixture
def bind(yard: Yard) -> Callable[..., Awaitable[BindingOutcome]]:
    """Return a function that binds one new port of a network and returns the outcome."""

    async def bind(binder: Binder, tree: NetworkTree, **binding: Any) -> BindingOutcome:
        request = yard.request(tree, **binding)
        return (await binder.bind([request]))[request.port.id]

    return bind


@pytest.fixture
async def racks(yard: Yard, database: Database, creditors: Any) -> Racks:
    """Give a cloud of two racks with one network."""
    creditors.drivers = ["a", "b"]
    racks = Racks(yard, database)
    await racks.start()
    return racks

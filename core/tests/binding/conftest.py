"""Real drivers in processes' stead, each on a socket of its own, and a binder that asks them."""

import asyncio
import contextlib
import inspect
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.binding.binder import Binder, BindingRequest
from jackfield_core.db.port import Binding
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.segments.manager import SegmentManager
from jackfield_sdk import (
    BindContext,
    Bound,
    MechanismDriver,
    NetworkContext,
    Rejected,
    RunningServer,
    ServerSettings,
    start_server,
)
from msgspec.structs import replace
from prometheus_client import REGISTRY

Script = Callable[[BindContext], Any]
NO_MTUS: Mapping[str, int] = {}


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
    """A driver that wants no VLAN on its switch."""

    async def update_network_precommit(self, context: NetworkContext) -> None:
        if any(segment.network_type == "vlan" for segment in context.current.segments):
            raise Rejected("the VLAN is reserved on switch leaf1")


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
            settings = ServerSettings(listen=self._endpoint(drivers.index(driver)))
            self._servers[driver.name] = await start_server(driver, settings)
            self.stack.push_async_callback(self._servers[driver.name].stop)
        settings = config.Settings(
            mechanism=config.Mechanism(**{"bind_timeout": 10, "bind_budget": 20, "precommit_budget": 10, **limits}),
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

"""Services over a real driver process boundary: gRPC on a Unix socket, one event loop."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.binding.binder import Binder
from jackfield_core.context import RequestContext
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.ipam.allocator import Allocator
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services.agent import AgentService
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.driver import DriverService
from jackfield_core.services.hearing import heard
from jackfield_core.services.implementation_details import ImplementationDetailsService
from jackfield_core.services.network import NetworkService
from jackfield_core.services.port import PortService
from jackfield_core.services.port_binding import PortBindingService
from jackfield_core.services.segment import SegmentService
from jackfield_core.services.services import Services
from jackfield_core.services.status import StatusService
from jackfield_core.services.subnet import SubnetService
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import Kind
from jackfield_sdk import ServerSettings
from jackfield_sdk.examples.loopback import Fabric, LoopbackDriver
from jackfield_sdk.serve import start_server
from support.reaper import owned
from support.silent_cloud import Cloud


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Give a folder whose path leaves room for the name of a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix=owned("svc"), dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(database_url: str, sockets: Path) -> config.Settings:
    """Configure one required driver and small ranges."""
    return config.Settings(
        database=config.Database(url=database_url),
        drivers=[config.Driver(name="loopback", endpoint=f"unix://{sockets}/loopback.sock")],
        mechanism=config.Mechanism(handshake_timeout=30, precommit_budget=30, bind_timeout=30, bind_budget=60),
        segments=config.Segments(
            vlan=config.TypeDriverSettings(ranges=["physnet1:100:102"]),
            vxlan=config.TypeDriverSettings(ranges=["1000:1999"]),
        ),
    )


@pytest.fixture
async def fabric(sockets: Path) -> AsyncIterator[Fabric]:
    """Serve the loopback driver; the fabric can be told to refuse."""
    fabric = Fabric()
    server = await start_server(LoopbackDriver(fabric), ServerSettings(listen=f"unix://{sockets}/loopback.sock"))
    yield fabric
    await server.stop()


@pytest.fixture
async def registry(settings: config.Settings, fabric: Fabric) -> AsyncIterator[Registry]:
    """Connect to the driver."""
    registry = Registry(settings)
    await registry.start()
    async with asyncio.timeout(30):
        while not all(entry.is_ready for entry in registry.entries()):
            await asyncio.sleep(0.01)
    yield registry
    await registry.stop()


@pytest.fixture
async def services(settings: config.Settings, database: Database, registry: Registry) -> Services:
    """Build all services the way the application does."""
    work = UnitOfWork(database, registry, translate.encode_original, lambda _: None)
    mechanism = MechanismManager(registry, settings.mechanism)
    segments = SegmentManager(settings.segments)
    async with work() as tx:
        await segments.bootstrap(tx)
    binder, trees = Binder(registry, mechanism, segments, work, settings), NetworkTrees(work)
    ports = PortService(work, trees, Allocator(), binder, mechanism, base_mac=settings.base_mac)
    return Services(
        networks=NetworkService(work, segments, mechanism),
        subnets=SubnetService(work, mechanism),
        ports=ports,
        port_bindings=PortBindingService(work, ports, trees, binder, mechanism),
        implementation_details=ImplementationDetailsService(work, down_time=75),
        segments=SegmentService(work, segments, mechanism),
        agents=AgentService(work, down_time=75),
        drivers=DriverService(database, settings),
        attributes={kind: AttributeService(work, registry.attributes, kind) for kind in Kind},
        status=StatusService(work, lambda: heard(registry)),
    )


@pytest.fixture
def ctx() -> RequestContext:
    """Ask as an admin."""
    return RequestContext(project_id="project")


@pytest.fixture
async def cloud(database: Database, database_url: str, unit_of_work: UnitOfWork, creditors: Any) -> Cloud:
    """Give services whose drivers are "a" and "b"."""
    creditors.drivers = ["a", "b"]
    settings = config.Settings(
        database=config.Database(url=database_url),
        segments=config.Segments(
            vlan=config.TypeDriverSettings(ranges=["leaf1:100:103"]),
            vxlan=config.TypeDriverSettings(ranges=["1000:1999"]),
        ),
    )
    cloud = Cloud(database, unit_of_work, settings)
    async with unit_of_work() as tx:
        await SegmentManager(settings.segments).bootstrap(tx)
    return cloud


@pytest.fixture
async def network_id(cloud: Cloud) -> str:
    """Create a network with a subnet, known to all drivers."""
    id = await cloud.network()
    await cloud.subnet(id)
    for driver in "ab":
        await cloud.pay(driver)
    return id

"""A core that delivers and listens, and a driver that tells whatever a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, event_pb2, mechanism_pb2
from jackfield_core import config
from jackfield_core.db.delivery import Debt
from jackfield_core.db.engine import Database
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change
from jackfield_core.events.watch import EventWatch
from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, BindingLevel, Kind
from support import carrying
from support.carrying import CarryingCore
from support.waiting import eventually

_METHODS = {
    "Handshake": driver_pb2.HandshakeRequest,
    "Postcommit": mechanism_pb2.PostcommitRequest,
    "Check": health_pb2.HealthCheckRequest,
    "Drain": driver_pb2.DrainRequest,
    "Watch": event_pb2.WatchRequest,
}
_KINDS = [change_pb2.RESOURCE_KIND_NETWORK, change_pb2.RESOURCE_KIND_PORT]


class Teller(grpc.GenericRpcHandler):
    """A driver whose events a test makes up; it acknowledges everything, unless it *holds_back*."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.endpoint = f"unix://{path}"
        self.features = ["watch"]
        self.actions = [change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE, change_pb2.ACTION_DELETE]
        self.epoch = "1"
        self.holds_back = False
        self.snapshot: list[Any] = []
        self.told: list[Any] = []
        """Changes so far, in order."""
        self.introductions: list[Any] = []
        self.watches = 0
        self._streams: set[asyncio.Queue[Any]] = set()
        self._server: grpc.aio.Server | None = None

    @property
    def listeners(self) -> int:
        """Number of open streams."""
        return len(self._streams)

    async def up(self) -> None:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def down(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def tell(self, *events: Any) -> None:
        """Tell all listeners; bytes go as they are, a status code ends the streams with it."""
        for stream in self._streams:
            for event in events:
                stream.put_nowait(event)

    def service(self, details: Any) -> Any:
        rpc = details.method.rpartition("/")[2]
        if rpc == "Watch":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        if rpc not in _METHODS:
            return None

        async def handle(raw: bytes, _context: Any) -> bytes:
            answer = await getattr(self, f"_{rpc.lower()}")(_METHODS[rpc].FromString(raw))
            return answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _watch(self, _raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.watches += 1
        stream: asyncio.Queue[Any] = asyncio.Queue()
        for event in (*self.snapshot, event_pb2.WatchResponse(in_sync=event_pb2.InSync())):
            stream.put_nowait(event)
        self._streams.add(stream)
        try:
            while True:
                event = await stream.get()
                if isinstance(event, grpc.StatusCode):
                    await context.abort(event, "as told")
                yield event if isinstance(event, bytes) else event.SerializeToString()
        finally:
            self._streams.discard(stream)

    async def _check(self, _request: Any) -> Message:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def _drain(self, _request: Any) -> Message:
        return driver_pb2.DrainResponse()

    async def _handshake(self, request: Any) -> Message:
        self.introductions.append(request)
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version="1",
            instance_id=str(id(self._server)),
            contract_major=1,
            features=self.features,
            interests=[
                capability_pb2.Interest(kind=kind, actions=self.actions, phases=[change_pb2.PHASE_POSTCOMMIT])
                for kind in _KINDS
            ],
            backends=[capability_pb2.Backend(id="fabric", epoch=self.epoch)],
        )

    async def _postcommit(self, request: Any) -> Message:
        self.told.extend(request.changes)
        if self.holds_back:
            await asyncio.Event().wait()
        done = [
            mechanism_pb2.PostcommitResult(
                change_id=change.change_id, done=mechanism_pb2.Done(revision=change.revision)
            )
            for change in request.changes
        ]
        return mechanism_pb2.PostcommitResponse(results=done)


def port_status(port: Port, *, up: bool = True, revision: int | None = None, reason: str = "") -> Any:
    """Return the state of a port, observed at its own revision unless another is given."""
    observed = port.revision_number if revision is None else revision
    status = event_pb2.PortStatus(port_id=port.id, observed_revision=observed, up=up, reason=reason)
    return event_pb2.WatchResponse(port_status=status)


def backend(epoch: str, *, id: str = "fabric", health: int = capability_pb2.BACKEND_HEALTH_UP) -> Any:
    """Return the state of a backend."""
    return event_pb2.WatchResponse(backend=capability_pb2.Backend(id=id, epoch=epoch, health=health))


def drift(kind: str, id: str) -> Any:
    """Return a drift."""
    number = getattr(change_pb2, f"RESOURCE_KIND_{kind.upper()}")
    return event_pb2.WatchResponse(drift=event_pb2.Drift(kind=number, id=id, message="it is gone"))


class Core(CarryingCore):
    """One core process: registry, dispatcher, event watch, and what services do to rows."""

    def __init__(self, database: Database, rows: Any, settings: config.Settings, repair_interval: float) -> None:
        registry = Registry(settings, health=HealthChecks(0.3, timeout=30.0))
        super().__init__(database, rows, settings, registry)
        self.garbage: list[Any] = []
        self.events = EventWatch(
            registry, database, self.dispatcher.wake, self.garbage.append, repair_interval=repair_interval
        )

    async def start(self) -> None:
        await super().start()
        self.events.start()

    async def stop(self) -> None:
        await self.events.stop()
        await super().stop()

    async def port(self, tree: NetworkTree, *drivers: str, revision: int = 1) -> Port:
        """Create a port that *drivers* bound, level by level."""
        binding = Binding(host="host-1", vif_type="other")
        port = self.rows.port(tree.network, binding=binding, revision_number=revision)
        levels = tuple(BindingLevel(level, name, tree.segments[0].id) for level, name in enumerate(drivers or ("a",)))
        async with self.unit_of_work() as tx:
            await tx.ports.add(port)
            await tx.ports.add_levels((port, levels))
            tx.record(Change(Kind.PORT, Action.CREATE, port, None, tree, levels=levels))
        return port

    async def until_paid(self) -> None:
        """Wait until nothing is owed."""

        async def is_paid() -> bool:
            return not await self.debts()

        await eventually(is_paid)

    async def debts(self) -> list[Debt]:
        """Return what is owed."""
        async with self.unit_of_work.reading() as tables:
            return list(await tables.deliveries.list())

    async def stored(self, port: Port) -> Port:
        """Return a port as it is now."""
        async with self.unit_of_work.reading() as tables:
            return (await tables.ports.list_with_deleted([port.id]))[port.id]

    async def until_status(self, port: Port, status: str) -> Port:
        """Wait until a port has *status*; return it."""

        async def look() -> Port | None:
            found = await self.stored(port)
            return found if found.status == status else None

        found: Port = await eventually(look)
        return found


class Scene(carrying.Scene):
    """Cores and drivers of one test."""

    async def driver(self, name: str = "a", *, up: bool = True, **attributes: Any) -> Teller:
        """Return a driver, which listens unless it is not *up*."""
        driver = Teller(name, self.path())
        for attribute, value in attributes.items():
            setattr(driver, attribute, value)
        self._stack.push_async_callback(driver.down)
        if up:
            await driver.up()
        return driver

    async def core(self, *drivers: Teller, repair_interval: float = 0.05, successor: Teller | None = None) -> Core:
        """Return a running core that knows *drivers*; a *successor* of each may listen at a second endpoint."""
        second = [successor.endpoint] if successor else []
        settings = config.Settings(
            drivers=[config.Driver(name=driver.name, endpoints=[driver.endpoint, *second]) for driver in drivers],
            mechanism=config.Mechanism(reconnect_interval=0.05),
            dispatcher=config.Dispatcher(poll_interval=0.1, backoff_first=0.05, order_hold=0.3),
        )
        core = Core(self.database, self.rows, settings, repair_interval)
        await core.start()
        self._stack.push_async_callback(core.stop)
        for driver in drivers:
            await eventually(lambda: core.registry.entry(driver.name).is_ready)  # noqa: B023
            if "watch" in driver.features:
                await eventually(lambda: driver.listeners)  # noqa: B023
        return core


@pytest.fixture
async def scene(database: Database, rows: Any, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give cores and drivers over one empty database."""
    async with contextlib.AsyncExitStack() as stack:
        yield Scene(database, rows, tmp_path, stack)


@pytest.fixture
def says() -> Any:
    """Give the events that drivers tell."""

    class Says:
        port_status = staticmethod(port_status)
        backend = staticmethod(backend)
        drift = staticmethod(drift)

    return Says

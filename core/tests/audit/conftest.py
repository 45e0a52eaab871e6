"""A core that audits, and a driver on a socket whose devices a test holds in its hand."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, mechanism_pb2, reconcile_pb2
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
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change, UnitOfWork
from jackfield_core.dispatch.dispatcher import Dispatcher
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, Kind
from msgspec.structs import replace

DEADLINE = 15.0
"""Seconds until a test gives up waiting."""


async def eventually(condition: Callable[[], Any]) -> Any:
    """Return the first true result of *condition*, which may be async; look again until there is one."""
    async with asyncio.timeout(DEADLINE):
        while True:
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return result
            await asyncio.sleep(0.01)


async def _nothing() -> None:
    """Do nothing."""


class Held(NamedTuple):
    """What a device holds of one resource."""

    revision: int
    digest: bytes
    backend: str = "switch-1"


_METHODS = {
    "Handshake": driver_pb2.HandshakeRequest,
    "GetSchemas": driver_pb2.GetSchemasRequest,
    "Postcommit": mechanism_pb2.PostcommitRequest,
    "Check": health_pb2.HealthCheckRequest,
}
_STREAMS = {"ListOwned": reconcile_pb2.ListOwnedRequest, "Diff": reconcile_pb2.DiffRequest}
_ACTIONS = [change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE, change_pb2.ACTION_DELETE]


class Owner(grpc.GenericRpcHandler):
    """A driver that keeps what it is told in *held*, by kind and id, where a test may put in its hand."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.endpoint = f"unix://{path}"
        self.features = ["list_owned", "diff"]
        self.actions = list(_ACTIONS)
        self.epoch = "1"
        self.declares: dict[str, Any] = {}
        self.schemas: list[driver_pb2.AttributeSchema] = []
        self.sets: dict[str, bytes] = {}
        """Attributes that it sets on every resource."""
        self.held: dict[tuple[Kind, str], list[Held]] = {}
        self.unlisted: set[Kind] = set()
        """Kinds that leave nothing on its devices."""
        self.unreachable: list[reconcile_pb2.Unreachable] = []
        self.has_dry_runs = True
        """Whether a dry run comes to its end."""
        self.dry_runs = 0
        self.breaks_with: grpc.StatusCode | None = None
        """How a listing ends after its first half."""
        self.before_listing = self.in_listing = _nothing
        """Awaited before a listing looks at the devices, and after it has looked, before it tells."""
        self.refuses = False
        """True if it fails at everything that it is told."""
        self.told: list[Any] = []
        """Changes so far, in order."""
        self.listings = 0
        self._server: grpc.aio.Server | None = None

    async def up(self) -> None:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def down(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def lose(self, *ids: str) -> None:
        """Lose resources, as if somebody had removed them by hand."""
        for key in [key for key in self.held if key[1] in ids]:
            del self.held[key]

    def spoil(self, id: str, digest: bytes = b"", *, revision: int | None = None) -> None:
        """Change a resource, as if somebody had done it by hand."""
        for key, (held, *_) in self.held.items():
            if key[1] == id:
                self.held[key] = [Held(held.revision if revision is None else revision, digest)]

    def keep(self, kind: Kind, id: str, revision: int = 7) -> str:
        """Have something that nobody knows; return its id."""
        self.held[kind, id] = [Held(revision, b"d" * 32)]
        return id

    def service(self, details: Any) -> Any:
        rpc = details.method.rpartition("/")[2]
        if rpc in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(getattr(self, f"_{rpc.lower()}"))
        if rpc not in _METHODS:
            return None

        async def handle(raw: bytes, _context: Any) -> bytes:
            answer: Message = await getattr(self, f"_{rpc.lower()}")(_METHODS[rpc].FromString(raw))
            return answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _listowned(self, raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.listings += 1
        await self.before_listing()
        kinds = {translate.KIND_OF[kind] for kind in reconcile_pb2.ListOwnedRequest.FromString(raw).kinds} or {*Kind}
        owned = [
            reconcile_pb2.OwnedResource(kind=translate.KINDS[kind], id=id, **held._asdict())
            for (kind, id), everywhere in self.held.items()
            for held in everywhere
            if kind in kinds - self.unlisted
        ]
        await self.in_listing()
        half = len(owned) // 2
        yield reconcile_pb2.ListOwnedResponse(owned=owned[:half]).SerializeToString()
        if self.breaks_with is not None:
            await context.abort(self.breaks_with, "as told")
        page = reconcile_pb2.ListOwnedResponse(owned=owned[half:], unreachable=self.unreachable)
        yield page.SerializeToString()

    async def _diff(self, raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.dry_runs += 1
        if not self.has_dry_runs:
            await context.abort(grpc.StatusCode.INTERNAL, "as told")
        for change in reconcile_pb2.DiffRequest.FromString(raw).changes:
            kind = translate.KIND_OF[change.kind]
            lines = self._lines(kind, change)
            answer = reconcile_pb2.DiffResponse(kind=change.kind, id=change.id, lines=lines, backend="switch-1")
            yield answer.SerializeToString()

    def _lines(self, kind: Kind, change: Any) -> list[str]:
        held = self.held.get((kind, change.id))
        if change.action == change_pb2.ACTION_DELETE:
            return [f"remove {kind}"] if held else []
        if held is None:
            return [f"add {kind}"]
        wanted = Held(change.revision, change.digest)
        return [] if held == [wanted] else [f"change {kind}"]

    async def _check(self, _request: Any) -> Message:
        answer: Message = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        return answer

    async def _getschemas(self, _request: Any) -> Message:
        return driver_pb2.GetSchemasResponse(digest=b"digest", schemas=self.schemas)

    async def _handshake(self, _request: Any) -> Message:
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version="1",
            instance_id=str(id(self._server)),
            contract_major=1,
            features=self.features,
            interests=[
                capability_pb2.Interest(kind=kind, actions=self.actions, phases=[change_pb2.PHASE_POSTCOMMIT])
                for kind in translate.KINDS.values()
            ],
            backends=[capability_pb2.Backend(id="switch-1", epoch=self.epoch)],
            **self.declares,
        )

    async def _postcommit(self, request: Any) -> Message:
        self.told.extend(request.changes)
        return mechanism_pb2.PostcommitResponse(results=[self._result(change) for change in request.changes])

    def _result(self, change: Any) -> mechanism_pb2.PostcommitResult:
        if self.refuses:
            error = change_pb2.Error(disposition=change_pb2.DISPOSITION_INFEASIBLE, reason="AS_TOLD")
            return mechanism_pb2.PostcommitResult(change_id=change.change_id, failed=error)
        key = translate.KIND_OF[change.kind], change.id
        if change.action == change_pb2.ACTION_DELETE:
            self.held.pop(key, None)
        else:
            self.held[key] = [Held(change.revision, change.digest)]
        done = mechanism_pb2.Done(revision=change.revision, attributes=self.sets)
        return mechanism_pb2.PostcommitResult(change_id=change.change_id, done=done)


class Core:
    """One core process: registry, dispatcher, auditor if it is started, and what services do to rows."""

    def __init__(self, database: Database, rows: Any, settings: config.Settings) -> None:
        self.database = database
        self.rows = rows
        self.settings = settings
        self.registry = Registry(settings, health_interval=0.3)
        self.manager = MechanismManager(self.registry, settings.mechanism)
        self.dispatcher = Dispatcher(self.registry, self.manager, database, settings)
        self.garbage: list[Any] = []
        self.auditor = Auditor(
            self.registry, database, settings, self.dispatcher.wake, self.garbage.append, poll_interval=0.02
        )
        self.unit_of_work = UnitOfWork(
            database, self.registry, translate.encode_original, lambda drivers: self.dispatcher.wake(drivers)
        )

    async def start(self) -> None:
        async with self.unit_of_work.reading() as tables:
            await self.registry.load(tables)
        await self.registry.start()
        await self.dispatcher.start()

    async def stop(self) -> None:
        await self.auditor.stop()
        await self.dispatcher.stop(grace=1)
        await self.registry.stop()

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

    async def audit(self, **options: Any) -> DriverAudit:
        """Audit now."""
        audit = await perform(self.database, self.subject(), self.settings, **options)
        assert audit is not None
        return audit

    async def last_audit(self) -> DriverAudit:
        """Return what is stored of the last audit."""
        async with self.unit_of_work.reading() as tables:
            return await tables.audits.find("a") or DriverAudit("a")

    async def network(self, **columns: Any) -> NetworkTree:
        """Create a network with a segment."""
        network = self.rows.network(**columns)
        tree = NetworkTree(network, (self.rows.segment(network),))
        async with self.unit_of_work() as tx:
            await tx.networks.add(network)
            await tx.segments.add(tree.segments[0])
            tx.record(Change(Kind.NETWORK, Action.CREATE, network, None, tree))
        return tree

    async def subnet(self, tree: NetworkTree, cidr: str = "192.0.2.0/24") -> NetworkTree:
        """Create a subnet; return the network with it."""
        subnet = self.rows.subnet(tree.network, cidr)
        tree = replace(tree, subnets=(*tree.subnets, subnet))
        async with self.unit_of_work() as tx:
            await tx.subnets.add(subnet)
            tx.record(Change(Kind.SUBNET, Action.CREATE, subnet, None, tree))
        return tree

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


class Scene:
    """Cores and drivers of one test."""

    eventually = staticmethod(eventually)

    def __init__(self, database: Database, rows: Any, folder: Path, stack: contextlib.AsyncExitStack) -> None:
        self.database = database
        self.rows = rows
        self._folder = folder
        self._stack = stack
        self._numbers = itertools.count(1)

    async def driver(self, name: str = "a", **attributes: Any) -> Owner:
        """Return a driver that listens."""
        driver = Owner(name, self._folder / f"{next(self._numbers)}.sock")
        for attribute, value in attributes.items():
            setattr(driver, attribute, value)
        self._stack.push_async_callback(driver.down)
        await driver.up()
        return driver

    async def core(self, *drivers: Owner, **audit: Any) -> Core:
        """Return a running core that knows *drivers* and audits only when it is told to."""
        settings = config.Settings(
            drivers=[config.Driver(name=driver.name, endpoint=driver.endpoint) for driver in drivers],
            mechanism=config.Mechanism(reconnect_interval=0.05),
            dispatcher=config.Dispatcher(poll_interval=0.1, backoff_first=0.05, order_hold=0.3),
            audit=config.Audit(**audit),
        )
        core = Core(self.database, self.rows, settings)
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

"""A compute service that answers as it is told to, or does not; ports of its servers; and notifiers that tell it."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.delivery import Debt
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.port import Binding, Port, WiringReport
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, UnitOfWork
from jackfield_core.notify.notifiers import Notifiers
from jackfield_core.types import Action, FixedIp, Kind, Wiring
from msgspec.structs import replace
from support.waiting import eventually

PATH = "/v2.1/os-server-external-events"
Answer = tuple[int, Any]


class Compute:
    """A small HTTP server at one address, which may be up or down.

    *behave* is asked for the answer to every request, and may take its time: a
    status and a body, bytes (or several one after the other) to be sent as they
    are before the connection is cut, or None to hang.
    *codes* are those of events by server; without one an event is accepted.
    """

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.tokens: list[str | None] = []
        self.requests: list[list[dict[str, Any]]] = []
        self.accepted: list[tuple[str, str]] = []
        self.behave: Callable[[Sequence[dict[str, Any]]], Any] = self.answer
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connections: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """Return the root of the API."""
        return f"http://127.0.0.1:{self._port}/v2.1"

    async def up(self) -> None:
        """Listen, at the same port every time."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def answer(self, events: Sequence[dict[str, Any]]) -> Answer:
        """Answer as Nova does, and remember what was accepted."""
        answers = [{**event, "code": self.codes.get(event["server_uuid"], 200)} for event in events]
        self.accepted += [(one["name"], one["tag"]) for one in answers if one["code"] == 200]
        return (200 if all(one["code"] == 200 for one in answers) else 207), {"events": answers}

    def told(self, port: Port) -> list[str]:
        """Return the names of the events that were accepted of a port, in order."""
        return [name for name, tag in self.accepted if tag == port.id]

    def sent(self, port: Port) -> int:
        """Return how many requests told of a port."""
        return sum(any(event["tag"] == port.id for event in events) for events in self.requests)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._request(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _answer(self, events: Sequence[dict[str, Any]]) -> Any:
        answer = self.behave(events)
        return await answer if isinstance(answer, Awaitable) else answer

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays."""
        start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        events = json.loads(await reader.readexactly(int(headers["content-length"])))["events"]
        self.tokens.append(headers.get("x-auth-token"))
        self.requests.append(events)
        answer = await self._answer(events) if start.startswith(f"POST {PATH} ") else (404, {"itemNotFound": {}})
        if answer is None:
            await reader.read()  # until whoever asked goes away
            return False
        if isinstance(answer, AsyncIterator):
            async for chunk in answer:
                writer.write(chunk)
                await writer.drain()
            return False
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return False
        status, content = answer
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.write(b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
        return True


class Site:
    """Ports of servers, changed the way services, hosts and drivers do it, and notifiers over their database."""

    eventually = staticmethod(eventually)

    def __init__(self, database: Database, unit_of_work: UnitOfWork, rows: Any) -> None:
        self.database = database
        self._unit_of_work = unit_of_work
        self._rows = rows
        self._stack = contextlib.AsyncExitStack()

    async def network(self) -> Network:
        """Add a network."""
        network = self._rows.network()
        async with self._unit_of_work() as tx:
            await tx.networks.add(network)
        return network

    async def port(self, network: Network, **columns: Any) -> Port:
        """Add a bound port of a server."""
        return (await self.ports(network, 1, **columns))[0]

    async def ports(self, network: Network, count: int, **columns: Any) -> list[Port]:
        """Add bound ports, each of a server of its own unless *device_id* says another."""
        binding = Binding(host="host", vif_type="ovs")
        ports = [
            self._rows.port(
                network,
                **{"device_owner": "compute:nova", "device_id": str(uuid.uuid4()), "binding": binding, **columns},
            )
            for _ in range(count)
        ]
        async with self._unit_of_work() as tx:
            await tx.ports.add(*ports)
            tx.record(*(Change(Kind.PORT, Action.CREATE, port, None, NetworkTree(network)) for port in ports))
        return ports

    async def report(self, wiring: Wiring, *ports: Port) -> None:
        """Let the host of *ports* say what it sees."""
        ids = [port.id for port in ports]
        async with self._unit_of_work() as tx:
            await tx.ports.hold(ids)
            await tx.ports.set_wiring([WiringReport(id, "host", wiring) for id in ids])
            await tx.ports.refresh_status(ids, ())

    async def raise_(self, *ports: Port) -> None:
        """Let ports become ACTIVE."""
        await self.report(Wiring.UP, *ports)

    async def lower(self, *ports: Port) -> None:
        """Let ports become DOWN."""
        await self.report(Wiring.DOWN, *ports)

    async def update(self, port: Port, **columns: Any) -> Port:
        """Change columns of a port, as a user does."""
        async with self._unit_of_work() as tx:
            before = await tx.ports.find_for_update(port.id)
            assert before is not None
            after = replace(before, revision_number=before.revision_number + 1, **columns)
            await tx.ports.update(after)
            tree = NetworkTree((await tx.networks.list_with_deleted([port.network_id]))[port.network_id])
            tx.record(Change(Kind.PORT, Action.UPDATE, after, before, tree))
        return after

    async def readdress(self, port: Port, address: str) -> Port:
        """Exchange the addresses of a port for one."""
        return await self.update(port, fixed_ips=(FixedIp("subnet", address),))

    async def delete(self, port: Port) -> None:
        """Delete a port."""
        async with self._unit_of_work() as tx:
            current = await tx.ports.find_for_update(port.id)
            assert current is not None
            tree = NetworkTree((await tx.networks.list_with_deleted([port.network_id]))[port.network_id])
            tx.record(Change(Kind.PORT, Action.DELETE, current, current, tree))

    async def find(self, port: Port) -> Port | None:
        """Return what is stored of a port, deleted or not."""
        async with self._unit_of_work.reading() as tables:
            return (await tables.ports.list_with_deleted([port.id])).get(port.id)

    async def notices(self, *, owed: bool | None = True) -> list[Debt]:
        """Return what the notifier owes."""
        async with self._unit_of_work.reading() as tables:
            return list(await tables.deliveries.list(driver="nova", owed=owed))

    async def notice(self, port: Port) -> Debt:
        """Return the row of a port."""
        async with self._unit_of_work.reading() as tables:
            (row,) = await tables.deliveries.list(driver="nova", resource_id=port.id, owed=None)
        return row

    async def until_told(self) -> None:
        """Wait until nothing is owed."""

        async def nothing() -> bool:
            return not await self.notices()

        await eventually(nothing)

    async def until(self, port: Port, **columns: Any) -> Debt:
        """Wait until the row of a port has *columns*."""

        async def matching() -> Debt | None:
            row = await self.notice(port)
            return row if all(getattr(row, name) == value for name, value in columns.items()) else None

        row: Debt = await eventually(matching)
        return row

    async def tell(self, compute: Compute, **options: Any) -> Notifiers:
        """Start a notifier."""
        dispatcher = {"poll_interval": 0.1, "backoff_first": 0.05, **options.pop("dispatcher", {})}
        notifier = config.Notifier(**{"name": "nova", "url": compute.url, "timeout": 60.0, **options})
        settings = config.Settings(notifiers=[notifier], dispatcher=config.Dispatcher(**dispatcher))
        notifiers = Notifiers(self.database, settings)
        self.database.notifiers.wake = notifiers.wake
        notifiers.start()
        self._stack.push_async_callback(notifiers.stop, grace=1.0)
        return notifiers

    async def close(self) -> None:
        """Stop what was started."""
        await self._stack.aclose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a migrated database that owes notices to one notifier."""
    database = Database(config.Database(url=database_url), ["nova"])
    yield database
    await database.close()


@pytest.fixture
async def site(database: Database, unit_of_work: UnitOfWork, rows: Any) -> AsyncIterator[Site]:
    """Give ports and notifiers."""
    site = Site(database, unit_of_work, rows)
    yield site
    await site.close()


@pytest.fixture
async def compute() -> AsyncIterator[Compute]:
    """Run a compute service that accepts every event."""
    compute = Compute()
    await compute.up()
    yield compute
    await compute.down()

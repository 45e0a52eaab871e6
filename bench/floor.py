"""The floor: what a port create costs without the core around it.

The core runs once in this process, and every SQL statement and every call to
the driver that one port create causes, up to and including its delivery, is
written down. Then exactly these are played back, with new identifiers and
addresses, by asyncpg and a gRPC stub alone: no REST, no services, no SQLAlchemy.
The CPU time of that, per create, is the floor.
"""

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg
import grpc
import sqlalchemy as sa
from jackfield.driver.v1 import mechanism_pb2_grpc
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.context import RequestContext
from jackfield_core.db.port import Port
from jackfield_core.mechanism.client import DriverClient
from jackfield_core.services.spec import NetworkCreate, PortCreate, SubnetCreate

from bench.stack import Stack, fabrics

CALLS = ("BindPorts", "Precommit", "Postcommit")


class Step(NamedTuple):
    """One thing that the core did: a statement on a connection, or a call to the driver."""

    connection: int | None
    what: str
    """The text of the statement, or the name of the call."""
    value: Any
    many: bool = False


async def measure(database: str, count: int, core_cpu_ms: float) -> dict[str, Any]:
    """Return the floor's figures as a row of the bench."""
    if database != "postgresql":
        return {"phase": "floor: skipped on SQLite", "errors": 0}
    async with Stack(fabrics(1), database) as stack:
        steps, port = await _record(stack)
        cpu, seconds = await _play(stack, steps, port, count)
    floor_ms = cpu / count * 1000
    return {
        "phase": f"floor of create port ({_count(steps)})",
        "workers": 1,
        "objects": count,
        "p50_ms": round(seconds / count * 1000, 2),
        "p95_ms": "",
        "per_s": round(count / seconds, 1),
        "core_cpu_ms": round(floor_ms, 3),
        "errors": 0,
        "ratio": round(core_cpu_ms / floor_ms, 2),
    }


def _count(steps: list[Step]) -> str:
    calls = sum(step.connection is None for step in steps)
    return f"{len(steps) - calls} SQL statements, {calls} calls"


async def _record(stack: Stack) -> tuple[list[Step], Port]:
    """Create one port in this process and return all that it made the core do."""
    settings = config.load(stack.config, nodes={"listen": f"unix://{stack.folder}/floor.sock"})
    steps: list[Step] = []
    recording = False

    def note(step: Step) -> None:
        if recording:
            steps.append(step)

    with _tap(note):
        app = Application(settings)
        await app.start()
        try:
            await app.drivers_ready(timeout=10)
            ctx = RequestContext()
            tree = await app.services.networks.create(ctx, NetworkCreate(project_id="floor"))
            network_id = tree.network.id
            subnet = SubnetCreate(network_id=network_id, project_id="floor", ip_version=4, cidr="10.0.0.0/16")
            await app.services.subnets.create(ctx, subnet)
            spec = PortCreate(network_id=network_id, project_id="floor", host="bench-host", device_owner="compute:nova")
            for _ in range(20):
                await app.services.ports.create(ctx, spec)
            await app.settled(timeout=10)
            recording = True
            port = await app.services.ports.create(ctx, spec)
            await app.settled(timeout=10)
            recording = False
        finally:
            await app.stop()
    return steps, port


@contextlib.contextmanager
def _tap(note: Callable[[Step], None]) -> Iterator[None]:
    """Listen to every statement and every driver call of this process."""

    def statement(method: Any, many: bool) -> Any:
        async def run(self: Any, text: str, *args: Any, **kwargs: Any) -> Any:
            note(Step(id(self), text, args[0] if many else args, many))
            return await method(self, text, *args, **kwargs)

        return run

    def composed(_: Any, cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        note(Step(id(cursor._connection), text, parameters, many))

    def call(method: Any) -> Any:
        async def run(self: DriverClient, rpc: Any, request: Any, timeout: float) -> Any:
            if rpc.name in CALLS:
                note(Step(None, rpc.name, request))
            return await method(self, rpc, request, timeout)

        return run

    # What the core runs on the database's own driver, what it runs through SQLAlchemy, what it calls.
    connection = asyncpg.connection.Connection
    originals = connection.fetch, connection.execute, connection.executemany, DriverClient.call
    connection.fetch, connection.execute = statement(originals[0], False), statement(originals[1], False)
    connection.executemany, DriverClient.call = statement(originals[2], True), call(originals[3])  # type: ignore[method-assign]
    sa.event.listen(sa.Engine, "before_cursor_execute", composed)
    try:
        yield
    finally:
        connection.fetch, connection.execute, connection.executemany, DriverClient.call = originals  # type: ignore[method-assign]
        sa.event.remove(sa.Engine, "before_cursor_execute", composed)


async def _play(stack: Stack, steps: Sequence[Step], port: Port, count: int) -> tuple[float, float]:
    """Play *steps* back *count* times; return CPU and wall seconds."""
    recorded = dict.fromkeys(step.connection for step in steps if step.connection is not None)
    connections = {id: await asyncpg.connect(stack.database_url) for id in recorded}
    options = [("grpc.default_authority", "localhost")]
    async with grpc.aio.insecure_channel(stack.endpoint("fabric-0"), options=options) as channel:
        stub = mechanism_pb2_grpc.MechanismServiceStub(channel)
        numbers = itertools.count(1)
        for _ in range(20):
            await _once(connections, stub, steps, _renaming(port, next(numbers)))
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            await _once(connections, stub, steps, _renaming(port, next(numbers)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    for connection in connections.values():
        await connection.close()
    return cpu, wall


async def _once(connections: Any, stub: Any, steps: Sequence[Step], renamed: Callable[[Any], Any]) -> None:
    """Play back one create, as a port of its own."""
    for connection, what, value, many in steps:
        if connection is None:
            await getattr(stub, what)(value, timeout=5)
        elif many:
            await connections[connection].executemany(what, [renamed(row) for row in value])
        elif value:
            await connections[connection].fetch(what, *renamed(value))
        else:
            await connections[connection].execute(what)


def _renaming(port: Port, number: int) -> Callable[[Any], Any]:
    """Return a function that turns the recorded port's values into those of another one."""
    address = port.fixed_ips[0].ip_address
    new_address = f"10.0.{100 + number // 250}.{number % 250 + 1}"
    new_id = str(uuid.uuid4())
    new_mac = "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big"))
    texts = {port.id: new_id, port.mac_address: new_mac, address: new_address}

    def rename(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [rename(one) for one in value]
        if not isinstance(value, str):
            return value
        if value in texts:
            return texts[value]
        # Columns of JSON text name the address and the port too.
        return value.replace(f'"{address}"', f'"{new_address}"').replace(port.id, new_id)

    return rename

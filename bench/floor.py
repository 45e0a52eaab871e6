"""The floor: what a port create costs without the core around it.

The core runs once in this process, and every SQL statement and every call to
the driver that one port create causes, up to and including its delivery, is
written down. Then exactly these are played back, with new identifiers and
addresses, by asyncpg and a gRPC stub alone: no REST, no services, no SQLAlchemy.
The CPU time of that, per create, is the floor.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

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

from bench.stack import Stack

Step = tuple[str, Any, Any]
"""``("sql", statement, parameters)``, ``("rpc", name, request)``, ``("begin" | "commit", None, None)``."""


async def measure(database: str, count: int, core_cpu_ms: float) -> dict[str, Any]:
    """Return the floor's figures as a row of the bench."""
    if database != "postgresql":
        return {"phase": "floor: skipped on SQLite", "errors": 0}
    async with Stack(1, database) as stack:
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
    sql = sum(kind in ("sql", "begin", "commit") for kind, _, _ in steps)
    return f"{sql} SQL statements, {sum(kind == 'rpc' for kind, _, _ in steps)} calls"


async def _record(stack: Stack) -> tuple[list[Step], Port]:
    """Create one port in this process and return all that it made the core do."""
    settings = config.load(stack.config, nodes={"listen": f"unix://{stack.folder}/floor.sock"})
    steps: list[Step] = []
    recording = False

    def note(kind: str, what: Any, value: Any) -> None:
        if recording:
            steps.append((kind, what, value))

    with _Tap(note):
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


class _Tap:
    """Listens to every statement and every driver call of this process."""

    def __init__(self, note: Callable[[str, Any, Any], None]) -> None:
        self._note = note

    def __enter__(self) -> None:
        self._listeners = [
            ("before_cursor_execute", self._statement),
            ("begin", lambda connection: self._transaction("begin", connection)),
            ("commit", lambda connection: self._transaction("commit", connection)),
        ]
        for name, listener in self._listeners:
            sa.event.listen(sa.Engine, name, listener)
        self._call = DriverClient._call
        tapped, original = self._note, self._call

        async def call(client: DriverClient, rpc: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            tapped("rpc", type(request).__name__.removesuffix("Request"), request)
            return await original(client, rpc, request, *args, **kwargs)

        DriverClient._call = call  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        for name, listener in self._listeners:
            sa.event.remove(sa.Engine, name, listener)
        DriverClient._call = self._call  # type: ignore[method-assign]

    def _statement(self, _c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        self._note("many" if many else "sql", statement, parameters)

    def _transaction(self, kind: str, connection: Any) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            self._note(kind, None, None)


async def _play(stack: Stack, steps: list[Step], port: Port, count: int) -> tuple[float, float]:
    """Play *steps* back *count* times; return CPU and wall seconds."""
    pool = await asyncpg.create_pool(stack.database_url, min_size=2, max_size=2)
    options = [("grpc.default_authority", "localhost")]
    async with grpc.aio.insecure_channel(stack.endpoint("fabric-0"), options=options) as channel:
        stub = mechanism_pb2_grpc.MechanismServiceStub(channel)
        numbers = itertools.count(1)
        for _ in range(20):
            await _once(pool, stub, steps, port, next(numbers))
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            await _once(pool, stub, steps, port, next(numbers))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await pool.close()
    return cpu, wall


async def _once(pool: asyncpg.Pool, stub: Any, steps: list[Step], port: Port, number: int) -> None:
    """Play back one create, as a port of its own."""
    renamed = _renaming(port, number)
    async with pool.acquire() as writer, pool.acquire() as reader:
        transaction = None
        for kind, what, value in steps:
            connection = writer if transaction else reader
            if kind == "begin":
                transaction = writer.transaction()
                await transaction.start()
            elif kind == "commit" and transaction:
                await transaction.commit()
                transaction = None
            elif kind == "rpc":
                await getattr(stub, what)(value, timeout=5)
            elif kind == "many":
                await connection.executemany(what, [tuple(map(renamed, row)) for row in value])
            elif kind == "sql":
                await connection.fetch(what, *map(renamed, value))


def _renaming(port: Port, number: int) -> Callable[[Any], Any]:
    """Return a function that turns the recorded port's values into those of another one."""
    address = port.fixed_ips[0].ip_address
    new_address = f"10.0.{100 + number // 250}.{number % 250 + 1}"
    new_id = str(uuid.uuid4())
    new_mac = "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big"))
    texts = {port.id: new_id, port.mac_address: new_mac, address: new_address}

    def rename(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value in texts:
            return texts[value]
        # Columns of JSON text name the address and the port too.
        return value.replace(f'"{address}"', f'"{new_address}"').replace(port.id, new_id)

    return rename



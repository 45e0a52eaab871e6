"""One core on a world that is there already, and what it costs to ask it for something.

What counts is the CPU of the core process and of its connections to PostgreSQL, until
the drivers have been told. The bench has connections of its own, which do not count.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk.testing import RecordingAgent

from bench import usage
from bench.client import Client, Phase, Request
from bench.stack import Fabric, Stack
from bench.world import World

HOST = "bench-host"
WIRED_HOST = "bench-wired-host"
"""A host with an agent; apart from the others, so that their creates push no views."""
BINDER = Fabric(name="fabric", bind=True)
BACKEND = Fabric(name="backend", precommit=False)
_IS_AUDITED = "SELECT count(*) = 2 FROM driver_audit WHERE finished_at IS NOT NULL AND leased_until IS NULL"
_PATIENCE = 900.0
"""Seconds after which a ledger that is not empty is an error."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request cost: CPU seconds of the core and of PostgreSQL, and seconds until the answer."""

    core: float
    postgres: float
    latency: float

    @property
    def cpu(self) -> float:
        """Return the CPU of both."""
        return self.core + self.postgres


class _Agent(RecordingAgent):
    driver = BINDER.name


_NO_AUDITS = "[audit]\ninterval = 86400.0\n"
"""But for those that the bench asks for, and the first one of every driver."""


class Site:
    """A stack with two drivers on a world of *ports*; all of it is delivered and audited when the block begins."""

    def __init__(self, ports: int) -> None:
        self.world = World(ports=ports, binder=BINDER.name)
        self.kept: dict[str, list[Any]] = {}
        self._turn = 0
        self._agent = _Agent()
        self._stack = Stack([BINDER, BACKEND], "postgresql", batch=500, fill=self.world.fill, settings=_NO_AUDITS)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Site":
        stack = await self._open.enter_async_context(self._stack)
        try:
            self.database = await asyncpg.connect(stack.database_url)
            self._open.push_async_callback(self.database.close)
            self.client = await self._client(HOST)
            self.wired_client = await self._client(WIRED_HOST)
            settings = AgentSettings(core=stack.nodes, host=WIRED_HOST)
            self._open.push_async_callback((await start_agent(self._agent, settings)).stop)
            began = time.monotonic()
            await self.until_paid()
            self.delivered_in = time.monotonic() - began
            await self._until(_IS_AUDITED)
            # What autovacuum does in the minute after a table has grown.
            await self.database.execute("VACUUM ANALYZE")
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def url(self) -> str:
        """Root of the core's API."""
        return self._stack.url

    @property
    def core_pid(self) -> int:
        """Process id of the core."""
        return self._stack.core_pid

    async def restart(self) -> None:
        """Let another process of the core go on: one without the memory that delivering a world has left."""
        core = self._stack.core
        core.stop()
        core.start()
        await self.until_paid()

    def a_network(self) -> str:
        """Return a network of the world, the next one every time."""
        self._turn += 1
        return self.world.home(self._turn).network_id

    async def take(self, requests: Sequence[Request]) -> tuple[Cost, list[Any]]:
        """Make *requests* one after the other, and deliver what they change; return what one costs, and the answers."""
        before = await self._used()
        taken: list[float] = []
        answers = []
        for request in requests:
            began = time.perf_counter()
            answers.append(await request())
            taken.append(time.perf_counter() - began)
        await self.until_paid()
        core, postgres = await self._used(before)
        return Cost(core / len(requests), postgres / len(requests), statistics.median(taken)), answers

    def report(self, port_ids: Sequence[str], state: str) -> Request:
        """Return what has the agent report ports, until the core has stored that."""
        reported = """
            SELECT NOT EXISTS (SELECT FROM port_binding WHERE port_id = ANY($1) AND wiring <> $2)
        """

        async def request() -> None:
            for id in port_ids:
                self._agent.reporter.port(id, state)  # type: ignore[arg-type]
            await self._until(reported, port_ids, state)

        return request

    async def until_paid(self) -> None:
        """Return when every driver has been told everything."""
        await self._until("SELECT NOT EXISTS (SELECT FROM delivery WHERE owed)")

    async def _until(self, question: str, *values: object) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not await self.database.fetchval(question, *values):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _used(self, since: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
        """Return the CPU seconds of the core and of its database connections, less those of *since*."""
        found = await self.database.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'jackfield'")
        postgres = sum(usage.of(row["pid"]).cpu for row in found)
        return usage.of(self._stack.core_pid).cpu - since[0], postgres - since[1]

    async def _client(self, host: str) -> Client:
        return await self._open.enter_async_context(Client(self._stack.url, self._stack.core_pid, host, _no_phase))


def _no_phase(_: Phase) -> None:
    """Costs are kept by turns, and not by phases of the client."""

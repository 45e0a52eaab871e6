"""A driver that was away for an hour comes back to thousands of debts, while users go on.

Ports are created, and their driver is stopped. What it is owed then is made an
hour old, with the order in which that hour brought it, and the driver starts
again. From its first acknowledgement to the last one ports are created beside;
before and afterwards some are created while nothing is owed. What both take is
compared round by round, because nothing else about a busy machine stays the same.
"""

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from bench.client import Client, Phase
from bench.overhead import Figure
from bench.stack import Fabric, Stack

HOST = "bench-host"
NETWORKS = 20
_BULK = 50
_PATIENCE = 180.0
"""Seconds after which a ledger that is not empty is an error."""

_BINDER = Fabric(name="fabric", bind=True)
_AWAY = Fabric(name="backend", precommit=False)

_OWE_FOR_AN_HOUR = """
    WITH line AS (SELECT kind, resource_id, row_number() OVER (ORDER BY rank, resource_id) AS place FROM delivery
                  WHERE driver = $1)
    UPDATE delivery AS debt SET owed = true, acknowledged_revision = NULL, acknowledged_at = NULL,
        owed_since = since, due_at = since, attempts = 0
    FROM (SELECT kind, resource_id, now() AT TIME ZONE 'UTC' - interval '1 hour' + place * interval '50 ms' AS since
          FROM line) AS shifted
    WHERE debt.driver = $1 AND debt.kind = shifted.kind AND debt.resource_id = shifted.resource_id
"""
_LINE = "SELECT resource_id FROM delivery WHERE driver = $1 AND kind = 'port' AND owed ORDER BY due_at"
_PAID = "SELECT resource_id, acknowledged_at FROM delivery WHERE driver = $1 AND acknowledged_at IS NOT NULL"
_LEFT = "SELECT count(*) FROM delivery WHERE driver = $1 AND owed"
# Asked while creates are measured, so it reads one entry of an index.
_IS_OLD = """
    SELECT EXISTS (SELECT FROM delivery WHERE driver = $1 AND owed
                   AND due_at < now() AT TIME ZONE 'UTC' - interval '30 minutes')
"""
_ALONE = 150
"""Creates before and after each hour."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one hour of debts took: seconds, changes, whether in order, and seconds of each create beside and alone."""

    seconds: float
    changes: int
    is_in_order: bool
    beside: Sequence[float]
    alone: Sequence[float]


async def measure(*, rounds: int, debts: int) -> list[Figure]:
    """Return the figures of *rounds* in which a driver is owed about *debts* ports."""
    async with _site(debts) as site:
        await site.round()
        taken = [await site.round() for _ in range(rounds)]
    if not all(one.is_in_order for one in taken):
        raise RuntimeError("debts were not paid in the order in which they were made")
    return [
        Figure(f"one of {debts} debts, paid in order", "ms", 1.0, [1000 * one.seconds / one.changes for one in taken]),
        Figure("a create beside takes", "times", 1.1, [_ratio(one, statistics.median) for one in taken]),
        Figure("on average", "times", 1.1, [_ratio(one, statistics.fmean) for one in taken]),
    ]


def _ratio(one: Round, summary: Any) -> float:
    return float(summary(one.beside) / summary(one.alone))


@contextlib.asynccontextmanager
async def _site(debts: int) -> AsyncIterator["_Site"]:
    """Run a core with a driver that binds and one that will be away, and create the ports."""

    def note(phase: Phase) -> None:
        if phase.errors:
            raise RuntimeError(f"{phase.name}: {phase.errors[0]}")

    async with Stack([_BINDER, _AWAY], "postgresql") as stack:
        database = await asyncpg.connect(stack.database_url)
        try:
            async with Client(stack.url, stack.core_pid, HOST, note) as client:
                site = _Site(stack, client, database)
                await site.fill(debts)
                yield site
        finally:
            await database.close()


class _Site:
    """A core, two drivers, and their debts."""

    def __init__(self, stack: Stack, client: Client, database: Any) -> None:
        self._stack = stack
        self._client = client
        self._database = database
        self._network = ""

    async def fill(self, ports: int) -> None:
        """Create *ports* on some networks, and a network for the creates that are measured."""
        networks = [(await self._client.create_network()())["id"] for _ in range(NETWORKS + 1)]
        for network in networks:
            await self._client.create_subnet(network)()
        *full, self._network = networks
        turns = itertools.islice(itertools.cycle(full), ports // _BULK)
        bulks = [self._client.create_ports(network, _BULK, bound=True) for network in turns]
        await self._client.phase("create ports", bulks, weight=_BULK)
        await self._until(0)
        # PostgreSQL learns within a minute that a table has grown; nobody is measured until then.
        await self._database.execute("ANALYZE")

    async def round(self) -> Round:
        """Let an hour pass without the driver, and measure its return."""
        alone = [await self._create() for _ in range(_ALONE)]
        await self._until(0)
        driver = self._stack.driver(_AWAY.name)
        driver.stop()
        await self._database.execute(_OWE_FOR_AN_HOUR, _AWAY.name)
        line = [row["resource_id"] for row in await self._database.fetch(_LINE, _AWAY.name)]
        driver.start()
        left = await self._until(await self._left() - 1)
        began, beside = time.perf_counter(), []
        paying = asyncio.create_task(self._until_young())
        while not paying.done():
            beside.append(await self._create())
        seconds = time.perf_counter() - began
        await self._until(0)
        alone += [await self._create() for _ in range(_ALONE)]
        await self._until(0)
        return Round(seconds, left, await self._is_in_order(line), beside, alone)

    async def _create(self) -> float:
        began = time.perf_counter()
        await self._client.create_port(self._network)()
        return time.perf_counter() - began

    async def _is_in_order(self, line: Sequence[str]) -> bool:
        """Return whether what was owed first was acknowledged first, batch by batch."""
        rows = await self._database.fetch(_PAID, _AWAY.name)
        paid: dict[str, datetime] = {row["resource_id"]: row["acknowledged_at"] for row in rows}
        moments = [paid[id] for id in line]
        return moments == sorted(moments)

    async def _left(self) -> int:
        count: int = await self._database.fetchval(_LEFT, _AWAY.name)
        return count

    async def _until(self, left: int) -> int:
        """Return how many debts there are once they are no more than *left*."""
        async with asyncio.timeout(_PATIENCE):
            while (count := await self._left()) > left:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return count

    async def _until_young(self) -> None:
        """Return when what is owed is no older than the driver's return."""
        async with asyncio.timeout(_PATIENCE):
            while await self._database.fetchval(_IS_OLD, _AWAY.name):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

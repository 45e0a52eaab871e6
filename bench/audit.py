"""What an audit of a big device costs: memory, seconds, and the patience of users meanwhile.

A core that has just started is asked for an audit of a driver whose device holds
every port of the world, several times. Memory is the peak above what the process
had before. Meanwhile ``/healthz``, which does nothing, is asked for again and again:
how late its answer is says for how long the core did nothing but audit.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import asyncpg

from bench import memory, usage
from bench.overhead import Figure
from bench.site import BINDER, Site

MEGABYTE = 1_000_000
LIMIT = 200.0
_PATIENCE = 300.0
_ASK = """
    INSERT INTO driver_audit (driver, requested_at) VALUES ($1, now() AT TIME ZONE 'UTC')
    ON CONFLICT (driver) DO UPDATE SET requested_at = excluded.requested_at
"""
_LAST = """
    SELECT finished_at, outcome, reason, listed, missing + changed + orphans AS wrong FROM driver_audit
    WHERE driver = $1
"""


@dataclass(slots=True)
class Audit:
    """One audit: *peak* in bytes above what was there before, *waits* for answers in seconds."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    waits: list[float] = field(default_factory=list)


async def measure(*, rounds: int, many: int) -> list[Figure]:
    """Return what audits of *many* ports cost."""
    async with Site(many) as site:
        await site.restart()
        quiet = await _quiet(site)
        audits = [await _audit(site, many) for _ in range(rounds)]
    what = f"audit of {many} ports"
    return [
        Figure(f"{what}: memory above that before", "MB", LIMIT, [one.peak / MEGABYTE for one in audits]),
        Figure(f"{what}: from the request to the result", "s", None, [one.seconds for one in audits]),
        Figure(f"{what}: CPU of the core", "s", None, [one.cpu for one in audits]),
        Figure("longest wait for an answer meanwhile", "ms", None, [max(one.waits) * 1000 for one in audits]),
        Figure("median wait for an answer meanwhile", "ms", None, [_median(one.waits) for one in audits]),
        Figure("longest wait for an answer before", "ms", None, [max(waits) * 1000 for waits in quiet]),
        Figure("median wait for an answer before", "ms", None, [_median(waits) for waits in quiet]),
    ]


async def _quiet(site: Site, seconds: float = 3.0) -> list[list[float]]:
    """Return how long answers take while nobody audits."""
    rounds = []
    for _ in range(3):
        async with _asking(site.url) as waits:
            await asyncio.sleep(seconds)
        rounds.append(waits)
    return rounds


async def _audit(site: Site, expected: int) -> Audit:
    """Ask for an audit and wait for its end."""
    audit, pid = Audit(), site.core_pid
    before, cpu, began = memory.resident(pid), usage.of(pid).cpu, time.monotonic()
    memory.forget_peak(pid)
    async with _asking(site.url) as audit.waits:
        await _until_done(site.database, expected)
    audit.peak, audit.cpu = memory.peak(pid) - before, usage.of(pid).cpu - cpu
    audit.seconds = time.monotonic() - began
    return audit


async def _until_done(database: asyncpg.Connection, expected: int) -> None:
    """Ask for an audit, and return when it has found what is there."""
    before = await database.fetchrow(_LAST, BINDER.name)
    row = before
    await database.execute(_ASK, BINDER.name)
    async with asyncio.timeout(_PATIENCE):
        while row["finished_at"] == before["finished_at"]:
            await asyncio.sleep(0.05)
            row = await database.fetchrow(_LAST, BINDER.name)
    if row["outcome"] != "complete" or row["listed"] < expected or row["wrong"]:
        raise RuntimeError(f"the audit did not find what is there: {dict(row)}")


@contextlib.asynccontextmanager
async def _asking(url: str) -> AsyncIterator[list[float]]:
    """Ask for something that costs nothing until the block ends; yield the list of how long each answer took."""
    waits: list[float] = []

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.perf_counter()
                async with session.get(f"{url}/healthz") as answer:
                    await answer.read()
                waits.append(time.perf_counter() - began)
                await asyncio.sleep(0.005)

    task = asyncio.create_task(ask())
    try:
        yield waits
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _median(waits: Sequence[float]) -> float:
    return statistics.median(waits) * 1000

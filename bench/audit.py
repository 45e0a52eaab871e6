"""What an audit of a big device costs: memory, seconds, and the patience of users meanwhile.

A core that has just started is asked for an audit of a driver whose device holds
every port of the world, several times. Memory is the peak above what the process
had before. Meanwhile ``/healthz``, which does nothing, is asked for again and again:
the CPU that the core uses between question and answer is what it did not let go for,
and unlike the time it does not depend on who else uses the machine.
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
_PATIENCE = 900.0
_ASK = """
    INSERT INTO driver_audit (driver, requested_at) VALUES ($1, now() AT TIME ZONE 'UTC')
    ON CONFLICT (driver) DO UPDATE SET requested_at = excluded.requested_at
"""
_LAST = """
    SELECT finished_at, outcome, reason, listed, missing + changed + orphans AS wrong FROM driver_audit
    WHERE driver = $1
"""


@dataclass(slots=True)
class Answers:
    """How long each answer took, and how much CPU the core used until then; in seconds."""

    waits: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Audit:
    """One audit: *peak* in bytes above what was there before, *cpu* of the core, and answers meanwhile."""

    seconds: float
    cpu: float
    peak: int
    answers: Answers


async def measure(*, rounds: int, many: int) -> list[Figure]:
    """Return what audits of *many* ports cost."""
    async with Site(many) as site:
        await site.restart()
        quiet = [await _quiet(site) for _ in range(rounds)]
        audits = [await _audit(site, many) for _ in range(rounds)]
    what, answers = f"audit of {many} ports", [one.answers for one in audits]
    return [
        Figure(f"{what}: memory above that before", "MB", LIMIT, [one.peak / MEGABYTE for one in audits]),
        Figure(f"{what}: from the request to the result", "s", None, [one.seconds for one in audits]),
        Figure(f"{what}: CPU of the core", "s", None, [one.cpu for one in audits]),
        *_of_answers("meanwhile", answers),
        *_of_answers("before", quiet),
    ]


def _of_answers(when: str, rounds: Sequence[Answers]) -> list[Figure]:
    return [
        Figure(f"most CPU of the core until it answers, {when}", "ms", None, [max(one.held) * 1000 for one in rounds]),
        Figure(f"median wait for an answer, {when}", "ms", None, [_median(one.waits) for one in rounds]),
        Figure(f"longest wait for an answer, {when}", "ms", None, [max(one.waits) * 1000 for one in rounds]),
    ]


async def _quiet(site: Site, seconds: float = 3.0) -> Answers:
    """Return how long answers take while nobody audits."""
    async with _asking(site) as answers:
        await asyncio.sleep(seconds)
    return answers


async def _audit(site: Site, expected: int) -> Audit:
    """Ask for an audit and wait for its end."""
    pid = site.core_pid
    before, cpu, began = memory.resident(pid), usage.of(pid).cpu, time.monotonic()
    memory.forget_peak(pid)
    async with _asking(site) as answers:
        await _until_done(site.database, expected)
    return Audit(time.monotonic() - began, usage.of(pid).cpu - cpu, memory.peak(pid) - before, answers)


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
async def _asking(site: Site) -> AsyncIterator[Answers]:
    """Ask for something that costs nothing until the block ends; yield what came of it so far."""
    answers = Answers()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began, cpu = time.perf_counter(), usage.of(site.core_pid).cpu
                async with session.get(f"{site.url}/healthz") as answer:
                    await answer.read()
                answers.waits.append(time.perf_counter() - began)
                answers.held.append(usage.of(site.core_pid).cpu - cpu)
                await asyncio.sleep(0.005)

    task = asyncio.create_task(ask())
    try:
        yield answers
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _median(waits: Sequence[float]) -> float:
    return statistics.median(waits) * 1000

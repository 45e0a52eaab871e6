"""What a thousand hosts cost: agents with real streams on a world that is there already.

The agents live in one process (:mod:`bench.crowd`), the core in another, PostgreSQL in
its own; this one asks the API and keeps the time. All moments come from the monotonic
clock of the machine. What counts for the core is the CPU of its process. Every figure
of time stands beside the load of the machine, because the agents take part in that.
"""

import asyncio
import math
import os
import statistics

from bench import memory
from bench.agents import Hosts
from bench.overhead import Figure

SYNC_WITHIN = 20.0
"""Seconds."""
MOST_MEMORY = 1024.0
"""MiB."""
MOST_BYTES = 1024.0
"""KiB that a create costs on a wide network, all its hosts together."""
_REST = 30.0
_WIDE = 300
"""Hosts of the network that is on all of them."""


class Single(Figure):
    """A figure that was taken once."""

    @property
    def error(self) -> float:
        """Return 0: nothing is known of it."""
        return 0.0

    def __str__(self) -> str:
        limit = f"limit {self.limit:g} {self.unit}{', EXCEEDED' if self.is_over else ''}" if self.limit else "no limit"
        return f"{self.what}: {self.median:.3f} {self.unit} ({limit}; taken once)"


async def measure(*, hosts: int, creates: int) -> list[Figure]:
    """Return the figures for *hosts* hosts with 20 ports each, on networks with 100 hosts each."""
    async with Hosts(hosts) as site:
        figures = await _arrivals(site)
        figures += await _creates(site, creates)
        await site.check()
        figures += await _rest(site)
        figures += await _reconnect(site)
        figures += await _restart(site)
        await site.check()
    figures += await _wide(whole=False) + await _wide(whole=True)
    print("hosts: the load of the machine was", *(f"{load:.1f}" for load in os.getloadavg()))
    return figures


async def _arrivals(site: Hosts) -> list[Figure]:
    """Let hosts come that the core has never seen: each is news for all others on its networks."""
    before, cpu = memory.resident(site.core_pid), site.cpu()
    seconds = await site.connect()
    await site.agents.until_quiet()
    with_all = memory.resident(site.core_pid)
    return [
        _once("all hosts, never seen before, in sync after", "s", None, seconds),
        _once("CPU of the core for that, and until all is quiet", "s", None, site.cpu() - cpu),
        _once("memory of the core for each host", "KiB", None, (with_all - before) / 2**10 / site.count),
        _once("memory of the core with all hosts", "MiB", MOST_MEMORY, with_all / 2**20),
    ]


async def _creates(site: Hosts, creates: int) -> list[Figure]:
    """Create ports on hosts with agents, one after the other, and some where nobody hears of it."""
    places = [number * 7919 % len(site.world.port_ids) for number in range(creates)]
    taken = [await site.create(number) for number in places]
    heard = statistics.median(len(one.touched) for one in taken)
    alone = [await site.create_unheard() for _ in taken]
    answers = [1000 * one.from_answer for one in taken]
    for one, number in zip(taken, places, strict=True):
        if one.touched != site.hosts_of(site.world.home(number).network_id):
            raise RuntimeError(f"a create touched {len(one.touched)} streams, among them such that it does not concern")
    for_each = [1e6 * (one.cpu - cpu) / heard for one, cpu in zip(taken, alone, strict=True)]
    return [
        Figure("from the answer of a create to its host's push", "ms", 50.0, answers),
        _once("the 99th percentile of that", "ms", None, sorted(answers)[math.ceil(len(answers) * 0.99) - 1]),
        Figure("from its request to its host's push", "ms", None, [1000 * one.from_request for one in taken]),
        Figure("from its answer to the push of the last host", "ms", None, [1000 * one.until_last for one in taken]),
        Figure(
            "streams that a create touches, all of its network", "streams", None, [len(one.touched) for one in taken]
        ),
        Figure("CPU of the core for each of them", "µs", None, for_each),
        Figure("CPU of the core for a create that no host hears of", "ms", None, [1000 * cpu for cpu in alone]),
    ]


async def _rest(site: Hosts) -> list[Figure]:
    """Let the agents do nothing but give signs of life."""
    await site.agents.until_quiet()
    before = site.cpu()
    await asyncio.sleep(_REST)
    return [
        _once("CPU of the core at rest, for each host", "µs/s", None, 1e6 * (site.cpu() - before) / _REST / site.count)
    ]


async def _reconnect(site: Hosts) -> list[Figure]:
    """End all streams, and let all agents dial at once."""
    await site.agents.ask("leave")
    await asyncio.sleep(2.0)
    memory.forget_peak(site.core_pid)
    cpu = site.cpu()
    seconds = await site.connect()
    until_synced = site.cpu() - cpu
    await site.agents.until_quiet()
    return [
        _once("all hosts at once again, in sync after", "s", SYNC_WITHIN, seconds),
        _once("CPU of the core for that", "s", None, until_synced),
        _once("most memory of the core meanwhile", "MiB", MOST_MEMORY, memory.peak(site.core_pid) / 2**20),
    ]


async def _restart(site: Hosts) -> list[Figure]:
    """Kill the core, and let the agents find the next one."""
    seconds = await site.restart()
    await site.agents.until_quiet()
    return [
        _once("after a restart of the core, in sync after its readiness", "s", SYNC_WITHIN, seconds),
        _once("CPU of the new process, its start included", "s", None, site.cpu()),
        _once("most memory of the new process", "MiB", MOST_MEMORY, memory.peak(site.core_pid) / 2**20),
    ]


async def _wide(*, whole: bool) -> list[Figure]:
    """Create ports on one network of 6,000 ports on 300 hosts: each host has to hear of each."""
    async with Hosts(_WIDE, networks=1, whole=whole) as site:
        await site.connect()
        await site.agents.until_quiet()
        taken = [await site.create(number) for number in range(0, 100, 33)]
        await site.check()
    who = "agents of the first release" if whole else "agents that take deltas"
    limit, sizes = None if whole else MOST_BYTES, [create.size / 1024 for create in taken]
    return [
        Figure(f"what a create tells {_WIDE} hosts of its network, {who}", "KiB", limit, sizes),
        Figure(f"CPU of the core for that, {who}", "ms", None, [1000 * create.cpu for create in taken]),
    ]


def _once(what: str, unit: str, limit: float | None, value: float) -> Figure:
    return Single(what, unit, limit, [value])

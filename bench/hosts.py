"""What a thousand hosts cost: agents with real streams on a world that is there already.

The agents live in one process (:mod:`bench.crowd`), the core in another, PostgreSQL in
its own; this one asks the API and keeps the time. All moments come from the monotonic
clock of the machine. What counts for the core is the CPU of its process. Every figure
of time stands beside the load of the machine, because the agents take part in that.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench import memory, usage
from bench.client import Client, Phase
from bench.crowd import endpoint_of, host_name
from bench.overhead import Figure
from bench.stack import Fabric, Stack
from bench.world import World

PORTS_ON_HOST = 20
HOSTS_OF_NETWORK = 100
ELSEWHERE = "bench-host"
"""A host without an agent: creates there are heard by nobody but those that carry the network."""
BINDER = Fabric(name="fabric", bind=True)
_ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 300.0
_CHUNK = 50
_SETTINGS = "[audit]\ninterval = 86400.0\n"
_PLACED = """
    SELECT port.id, port.network_id, port.mac_address, port.fixed_ips, port_binding.host
    FROM port JOIN port_binding ON port_binding.port_id = port.id WHERE port.deleted_at IS NULL
"""
_PAID = "SELECT NOT EXISTS (SELECT FROM delivery WHERE owed)"
_AUDITED = "SELECT count(*) = 1 FROM driver_audit WHERE finished_at IS NOT NULL AND leased_until IS NULL"


@dataclass(frozen=True, slots=True)
class Create:
    """One port create: seconds from request and answer to its host's push, and the hosts that were pushed."""

    from_request: float
    from_answer: float
    until_last: float
    touched: frozenset[str]
    cpu: float


@dataclass(slots=True)
class Agents:
    """The process of the agents, and the words for it."""

    process: asyncio.subprocess.Process
    pushes: list[tuple[float, str, list[str]]] = field(default_factory=list)

    async def ask(self, do: str, **values: Any) -> Any:
        """Have the agents do something; return what they say."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **values}).encode() + b"\n")
        return json.loads(await self.process.stdout.readline())

    async def until_synced(self, hosts: int) -> float:
        """Return the moment at which all agents hold everything."""
        async with asyncio.timeout(_PATIENCE):
            while (await self.ask("count"))["synced"] < hosts:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return time.monotonic()

    async def until_quiet(self, seconds: float = 2.0) -> None:
        """Return when nobody has been pushed anything for some *seconds*."""
        async with asyncio.timeout(_PATIENCE):
            while await self.ask("take"):  # noqa: ASYNC110
                await asyncio.sleep(seconds)


class Hosts:
    """A core with its agents; everything is delivered and everybody in sync when the block begins."""

    def __init__(self, hosts: int) -> None:
        self.count = hosts
        networks = max(1, hosts * PORTS_ON_HOST // HOSTS_OF_NETWORK)
        self.world = World(
            ports=hosts * PORTS_ON_HOST,
            networks=networks,
            binder=BINDER.name,
            paid=[BINDER.name],
            ports_on_host=PORTS_ON_HOST,
        )
        self._stack = Stack([BINDER], "postgresql", fill=self._fill, settings=_SETTINGS)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Hosts":
        stack = await self._open.enter_async_context(self._stack)
        try:
            self.database = await asyncpg.connect(stack.database_url)
            self._open.push_async_callback(self.database.close)
            self.agents = Agents(await self._crowd(stack.nodes))
            self.client = await self._client(host_name(0))
            await self._until(_AUDITED)
            await self.until_paid()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def core_pid(self) -> int:
        """Process id of the core."""
        return self._stack.core_pid

    def cpu(self) -> float:
        """Return the CPU seconds that the core has used."""
        return usage.of(self.core_pid).cpu

    async def connect(self) -> float:
        """Let all agents dial at once; return the seconds until each holds everything."""
        began = time.monotonic()
        await self.agents.ask("connect")
        return await self.agents.until_synced(self.count) - began

    async def restart(self) -> float:
        """Let another process of the core go on; return the seconds from its readiness until each agent is in sync."""
        await self.agents.ask("unsync")
        self._stack.core.kill()
        self._stack.core.start()
        ready = time.monotonic()
        return max(0.0, await self.agents.until_synced(self.count) - ready)

    async def create(self, number: int) -> Create:
        """Create a port where the port *number* of the world is; return what became of it when all have heard."""
        host, network = self.world.host(number), self.world.home(number).network_id
        concerned = self.hosts_of(network) | {host}
        await self.agents.ask("take")
        before, requested = self.cpu(), time.monotonic()
        port = await self.client.create_port_on(network, host)()
        answered = time.monotonic()
        pushes = await self._heard(concerned)
        await self.until_paid()
        arrived = next(at for at, where, ports in pushes if port["id"] in ports and where == host)
        touched = frozenset(where for _, where, _ in pushes)
        last = max(at for at, _, _ in pushes)
        return Create(arrived - requested, arrived - answered, last - answered, touched, self.cpu() - before)

    def hosts_of(self, network_id: str) -> frozenset[str]:
        """Return the hosts that have a network."""
        homes = self.world.homes
        number = next(home.number for home in homes if home.network_id == network_id)
        return frozenset(self.world.host(port) for port in range(number, len(self.world.port_ids), len(homes)))

    async def until_paid(self) -> None:
        """Return when every driver has been told everything."""
        await self._until(_PAID)

    async def check(self) -> None:
        """Compare what every agent holds with the database.

        Raises:
            RuntimeError: An agent lacks something, or holds what is not its own.
        """
        expected = _expected(await self.database.fetch(_PLACED), self.count)
        for first in range(0, self.count, _CHUNK):
            for host, holdings in (await self.agents.ask("holdings", first=first, count=_CHUNK)).items():
                if holdings != expected[host]:
                    raise RuntimeError(
                        f"{host} holds something else than it has to: {_first_difference(holdings, expected[host])}"
                    )

    async def _until(self, question: str) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not await self.database.fetchval(question):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _heard(self, concerned: frozenset[str]) -> list[tuple[float, str, list[str]]]:
        """Return the pushes that follow a create, once all hosts concerned got theirs and a moment has passed."""
        pushes: list[tuple[float, str, list[str]]] = []
        async with asyncio.timeout(_PATIENCE):
            while not concerned <= {host for _, host, _ in pushes}:
                await asyncio.sleep(0.02)
                pushes += await self.agents.ask("take")
        # Whoever is touched without need would be by now.
        await asyncio.sleep(0.1)
        return [*pushes, *await self.agents.ask("take")]

    async def _fill(self, url: str) -> None:
        """Write the world, and let PostgreSQL count it, as it would have within a minute."""
        await self.world.fill(url)
        database = await asyncpg.connect(url)
        await database.execute("VACUUM ANALYZE")
        await database.close()

    async def _crowd(self, core: str) -> asyncio.subprocess.Process:
        command = ["-m", "bench.crowd", "--core", core, "--driver", BINDER.name, "--hosts", str(self.count)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 30,
            cwd=_ROOT,
        )
        self._open.push_async_callback(_ended, process)
        return process

    async def _client(self, host: str) -> Client:
        return await self._open.enter_async_context(Client(self._stack.url, self._stack.core_pid, host, _no_phase))


async def measure(*, hosts: int, creates: int) -> list[Figure]:
    """Return the figures for *hosts* hosts with 20 ports each, on networks with 100 hosts each."""
    async with Hosts(hosts) as site:
        figures = [*await _arrivals(site)]
        print(figures)
        figures += await _creates(site, creates)
        figures += await _rest(site)
        await site.check()
        figures += await _reconnects(site)
        await site.check()
    return figures


async def _arrivals(site: Hosts) -> list[Figure]:
    empty = memory.resident(site.core_pid)
    before = site.cpu()
    seconds = await site.connect()
    await site.agents.until_quiet()
    cpu = site.cpu() - before
    held = memory.resident(site.core_pid)
    return [
        _once("all hosts, seen for the first time, in sync after", "s", None, seconds),
        _once("CPU of the core for that", "s", None, cpu),
        _once("memory of the core before", "MiB", None, empty / 2**20),
        _once("memory of the core with all hosts", "MiB", None, held / 2**20),
    ]


async def _creates(site: Hosts, creates: int) -> list[Figure]:
    taken = [await site.create(number * 7 % len(site.world.port_ids)) for number in range(creates)]
    answers = [1000 * one.from_answer for one in taken]
    return [
        Figure("from the answer of a create to its host's push", "ms", 50.0, answers),
        _once("the same, 99th percentile", "ms", None, sorted(answers)[int(len(answers) * 0.99) - 1]),
        Figure(
            "from the request of a create to its host's push", "ms", None, [1000 * one.from_request for one in taken]
        ),
        Figure("from the answer to the last host's push", "ms", None, [1000 * one.until_last for one in taken]),
        Figure("streams touched", "streams", None, [float(len(one.touched)) for one in taken]),
        Figure("CPU of the core for all of a create", "ms", None, [1000 * one.cpu for one in taken]),
    ]


async def _rest(site: Hosts, seconds: float = 30.0) -> list[Figure]:
    await site.agents.until_quiet()
    before = site.cpu()
    await asyncio.sleep(seconds)
    cpu = (site.cpu() - before) / seconds
    return [_once("CPU of the core at rest, for each host", "µs/s", None, 1e6 * cpu / site.count)]


async def _reconnects(site: Hosts) -> list[Figure]:
    await site.agents.ask("leave")
    await asyncio.sleep(2)
    memory.forget_peak(site.core_pid)
    before = site.cpu()
    seconds = await site.connect()
    cpu = site.cpu() - before
    await site.agents.until_quiet()
    most = memory.peak(site.core_pid)
    settled = site.cpu() - before
    again = await site.restart()
    restarted = site.cpu()
    await site.agents.until_quiet()
    return [
        _once("all hosts at once again in sync after", "s", 20.0, seconds),
        _once("CPU of the core until then", "s", None, cpu),
        _once("CPU of the core until all is quiet", "s", None, settled),
        _once("most memory of the core meanwhile", "MiB", 1024.0, most / 2**20),
        _once("with another core process, in sync after its start", "s", 20.0, again),
        _once("CPU of that process until then", "s", None, restarted),
        _once("most memory of that process", "MiB", 1024.0, memory.peak(site.core_pid) / 2**20),
    ]


def _once(what: str, unit: str, limit: float | None, value: float) -> Figure:
    """Return a figure that was taken once."""
    return Figure(what, unit, limit, [value, value])


def _expected(rows: Sequence[Any], hosts: int) -> dict[str, Any]:
    """Return what agents have to hold, by host; rows are all ports that are bound."""
    everybody = {host_name(number): endpoint_of(number) for number in range(hosts)}
    expected: dict[str, Any] = {host: {"ports": {}, "networks": {}} for host in everybody}
    behind: dict[str, list[list[str]]] = {}
    for row in sorted(rows, key=lambda row: (everybody[row["host"]], row["mac_address"])):
        addresses = [fixed_ip["ip_address"] for fixed_ip in json.loads(row["fixed_ips"])]
        expected[row["host"]]["ports"][row["id"]] = [row["network_id"], row["mac_address"], *addresses]
        expected[row["host"]]["networks"][row["network_id"]] = []
        behind.setdefault(row["network_id"], []).append([row["mac_address"], *addresses, everybody[row["host"]]])
    for host, endpoint in everybody.items():
        networks = expected[host]["networks"]
        networks.update({id: [entry for entry in behind[id] if entry[-1] != endpoint] for id in networks})
    return expected


def _first_difference(held: dict[str, Any], expected: dict[str, Any]) -> str:
    for kind in expected:
        for id in held[kind].keys() | expected[kind].keys():
            if held[kind].get(id) != expected[kind].get(id):
                return f"{kind} {id}: {str(held[kind].get(id))[:300]} instead of {str(expected[kind].get(id))[:300]}"
    return "nothing"


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


def _no_phase(_: Phase) -> None:
    """Costs are kept by creates, and not by phases of the client."""


if __name__ == "__main__":
    for figure in asyncio.run(measure(hosts=int(sys.argv[1]), creates=int(sys.argv[2]))):
        print(figure)
    print(os.getloadavg(), statistics.__name__)

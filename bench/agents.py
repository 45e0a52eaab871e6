"""A core whose hosts have agents, and what each of them has to hold.

The agents are those of :mod:`bench.crowd`. What they hold is compared with the tables,
read here by a statement of its own, so that a fault of the core's own reading shows.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench import usage
from bench.client import Client, Phase
from bench.crowd import Push, endpoint_of, host_name
from bench.stack import Fabric, Stack
from bench.world import World

PORTS_ON_HOST = 20
HOSTS_OF_NETWORK = 100
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
    """One port create: seconds from request and answer to its host's push, the hosts that were pushed, and bytes."""

    from_request: float
    from_answer: float
    until_last: float
    touched: frozenset[str]
    cpu: float
    size: int


@dataclass(slots=True)
class Agents:
    """The process of the agents, and the words for it."""

    process: asyncio.subprocess.Process

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
    """A core with its agents; everything is delivered and everybody in sync when the block begins.

    Of *networks* there are so many that each has 100 hosts, if nobody says otherwise; agents that want views *whole*
    are those of the first release.
    """

    def __init__(self, hosts: int, *, networks: int = 0, whole: bool = False) -> None:
        self.count = hosts
        self._whole = whole
        networks = networks or max(1, hosts * PORTS_ON_HOST // HOSTS_OF_NETWORK)
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
            # A driver that has never listed anything misses nothing; one that lists a network misses all the world.
            await self._until(_AUDITED)
            self._unheard = await self._network_of_its_own()
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
        arrived = next(at for at, where, ports, _ in pushes if port["id"] in ports and where == host)
        touched = frozenset(where for _, where, _, _ in pushes)
        last = max(at for at, *_ in pushes)
        size = sum(size for *_, size in pushes)
        return Create(arrived - requested, arrived - answered, last - answered, touched, self.cpu() - before, size)

    def hosts_of(self, network_id: str) -> frozenset[str]:
        """Return the hosts that have a network."""
        homes = self.world.homes
        number = next(home.number for home in homes if home.network_id == network_id)
        return frozenset(self.world.host(port) for port in range(number, len(self.world.port_ids), len(homes)))

    async def create_unheard(self) -> float:
        """Create a port on a network and a host without agents; return the CPU seconds of the core."""
        before = self.cpu()
        await self.client.create_port_on(self._unheard, "bench-host")()
        await self.until_paid()
        return self.cpu() - before

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

    async def _heard(self, concerned: frozenset[str]) -> list[Push]:
        """Return the pushes that follow a create, once all hosts concerned got theirs and a moment has passed."""
        pushes: list[Push] = []
        async with asyncio.timeout(_PATIENCE):
            while not concerned <= {host for _, host, _, _ in pushes}:
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

    async def _network_of_its_own(self) -> str:
        network: str = (await self.client.create_network()())["id"]
        await self.client.create_subnet(network)()
        return network

    async def _crowd(self, core: str) -> asyncio.subprocess.Process:
        command = ["-m", "bench.crowd", "--core", core, "--driver", BINDER.name, "--hosts", str(self.count)]
        command += ["--whole"] if self._whole else []
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


def _expected(rows: Sequence[Any], hosts: int) -> dict[str, Any]:
    """Return what agents have to hold, by host; rows are all ports that are bound."""
    everybody = {host_name(number): endpoint_of(number) for number in range(hosts)}
    expected: dict[str, Any] = {host: {"ports": {}, "networks": {}} for host in everybody}
    behind: dict[str, list[list[str]]] = {}
    wired = [row for row in rows if row["host"] in everybody]
    for row in sorted(wired, key=lambda row: (everybody[row["host"]], row["mac_address"])):
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

"""Everything that runs: the database, three drivers, core processes, two hosts, a compute service.

Each core process reaches each driver by a :class:`~chaos.link.Link` of its own, so that one of them
can lose a driver that the others still have; hosts reach the core the same way. Every process of
ours has a clock of its own that can be set wrong. With PostgreSQL the core is four processes, two
for the API and two that deliver; with SQLite it is one that does it all.

One driver has two addresses, and mostly a process at one of them: the other one is for the process
that takes over. Both drive the same fabric.

A process that ends although nobody struck it is started again, as a supervisor would, and the
timeline has it.
"""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.ports import free_port
from support.processes import Process, accepts, answers
from support.reaper import owned

from chaos import clock
from chaos.database import ChaosDatabase, Postgres, Sqlite
from chaos.link import Link
from chaos.timeline import Timeline

TESTS = Path(__file__).resolve().parents[1]
READY = 90.0
"""Seconds until a part has to be ready at the beginning, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """A driver: what happens without its verdict, and what it takes part in."""

    name: str
    policy: str
    options: tuple[str, ...]
    has_successors: bool = False
    """True if its driver has two addresses."""

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of its processes, by address."""
        return (self.name, f"{self.name}-b") if self.has_successors else (self.name,)


FABRICS = (
    # Binds on VLANs, and its ports are wired by agents.
    Fabric("leaf", "required", ("--network-types", "vlan", "--no-wired", "--attributes", "--state-version", "2")),
    # Binds what the first one does not, and nobody waits for it; one process succeeds the other.
    Fabric("spine", "advisory", ("--wired",), has_successors=True),
    # Is told afterwards, and ports wait for it to be ACTIVE.
    Fabric("ledger", "required", ("--no-bind", "--no-precommit")),
)
HOSTS = ("host-0", "host-1")
COMPUTE = "nova"


@dataclass(frozen=True, slots=True)
class CoreProcess:
    """One process of the core and its duties."""

    name: str
    roles: tuple[str, ...]


REPLICATED = (
    CoreProcess("api-0", ("api",)),
    CoreProcess("api-1", ("api",)),
    CoreProcess("dispatcher-0", ("dispatcher", "nodes")),
    CoreProcess("dispatcher-1", ("dispatcher", "nodes")),
)
ALONE = (CoreProcess("core", ("api", "dispatcher", "nodes")),)


class Site:
    """All parts, by name; use as ``async with``."""

    def __init__(self, backend: str, timeline: Timeline, *, settings: str = "") -> None:
        """Describe a site.

        Args:
            backend: ``postgresql`` or ``sqlite``.
            timeline: Where the end of a process that nobody struck is noted.
            settings: Further TOML for the core.

        """
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=owned("chaos"), dir="/tmp"))
        self.database: ChaosDatabase = Postgres() if backend == "postgresql" else Sqlite(self.folder)
        self.core_processes = REPLICATED if backend == "postgresql" else ALONE
        self.urls: dict[str, str] = {}
        self.cores: dict[str, Process] = {}
        self.drivers: dict[str, Process] = {}
        self.agents: dict[str, Process] = {}
        self.services: dict[str, Process] = {}
        self.links: dict[str, Link] = {}
        self.struck: set[str] = set()
        """Processes that somebody has ended or stopped, and will start again."""
        self.idle = {process for fabric in FABRICS for process in fabric.processes[1:]}
        """Processes of drivers that do not run, because the one at the other address does."""
        self.ended: list[str] = []
        """What ended by itself."""
        self._timeline = timeline
        self._settings = settings

    @property
    def processes(self) -> dict[str, Process]:
        """Every process of ours by name."""
        return {**self.services, **self.drivers, **self.cores, **self.agents}

    @property
    def api_urls(self) -> list[str]:
        """Roots of the API."""
        return [self.urls[one.name] for one in self.core_processes if "api" in one.roles]

    def file(self, name: str) -> Path:
        """Return the SQLite file of a fabric or of a host."""
        return self.folder / f"{name}.db"

    def script(self, driver: str) -> Path:
        """Return the file with the orders of a process of a driver, or of a compute service."""
        return self.folder / f"{fabric_of(driver)}.json"

    def clock(self, name: str) -> Path:
        """Return the file that says how wrong the clock of a process is."""
        return self.folder / f"{name}.clock"

    def together(self, target: str) -> frozenset[str]:
        """Return the parts that are struck with *target*: what happens to one process of a driver concerns both."""
        return frozenset(
            one for fabric in FABRICS if target in fabric.processes for one in fabric.processes
        ) or frozenset([target])

    def forget_fabric(self, driver: str) -> None:
        """Take everything from a fabric whose driver does not run, as if the device were a new one."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file(fabric_of(driver))}{suffix}").unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self.folder / f"{name}.log"

    async def __aenter__(self) -> Self:
        try:
            await self.database.start()
            self._describe()
            for link in self.links.values():
                await link.start()
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        self._watcher = asyncio.create_task(self._restart_what_ends())
        return self

    async def __aexit__(self, *_: object) -> None:
        if hasattr(self, "_watcher"):
            self._watcher.cancel()
        processes = [*reversed(self.processes.values())]
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in processes))
        await asyncio.gather(*(link.stop() for link in self.links.values()))
        await self.database.stop()

    def remove(self) -> None:
        """Remove the folder with logs and files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self) -> None:
        """Let the folder stay, when everything has stopped; with its old name it would go with this process."""
        self.folder = self.folder.rename(f"/tmp/jfchaos-kept-{secrets.token_hex(4)}")

    async def heal(self) -> None:
        """Let every part be well again: nothing is stopped, cut, told to fail, or wrong about the time."""
        await self.database.heal()
        for link in self.links.values():
            link.heal()
        for obedient in (*self.drivers, *self.services):
            self.script(obedient).unlink(missing_ok=True)
        for name, process in self.processes.items():
            clock.write_offset(self.clock(name), 0.0)
            if process.alive:
                process.resume()
            elif name not in self.idle:
                process.launch()
        self.struck.clear()

    # How the parts are made.

    def _describe(self) -> None:
        self._compute_url = f"http://127.0.0.1:{(port := free_port())}/v2.1"
        self.services[COMPUTE] = self._compute(port)
        for fabric in FABRICS:
            for process in fabric.processes:
                self.drivers[process] = self._driver(fabric, process)
        for core in self.core_processes:
            self.cores[core.name] = self._core(core)
        carriers = [core.name for core in self.core_processes if "nodes" in core.roles]
        for number, host in enumerate(HOSTS):
            self.agents[host] = self._agent(host, carriers[number % len(carriers)])

    async def _start(self) -> None:
        busy = [process for name, process in self.processes.items() if name not in self.idle]
        for process in busy:
            process.launch()
        for process in busy:
            await asyncio.to_thread(process.wait_ready)

    def _compute(self, port: int) -> Process:
        arguments = ["--port", str(port), "--file", str(self.file(COMPUTE)), "--script", str(self.script(COMPUTE))]
        ready = answers(f"http://127.0.0.1:{port}/")
        return self._process(COMPUTE, "chaos.compute:main", arguments, ready=ready)

    def _driver(self, fabric: Fabric, process: str) -> Process:
        listen = self.folder / f"{process}.sock"
        arguments = [
            "--name", fabric.name, "--listen", f"unix://{listen}", "--state-file", str(self.file(fabric.name)),
            "--script", str(self.script(fabric.name)), *fabric.options,
        ]  # fmt: skip
        return self._process(process, "jackfield_sdk.examples.loopback:main", arguments, ready=accepts(listen))

    def _core(self, core: CoreProcess) -> Process:
        port = free_port()
        self.urls[core.name] = url = f"http://127.0.0.1:{port}"
        config = self.folder / f"{core.name}.toml"
        config.write_text(
            f"roles = {list(core.roles)}\n".replace("'", '"')
            + f'[api]\nlisten = "127.0.0.1:{port}"\n[database]\nurl = "{self.database.url}"\n'
            f'[nodes]\nlisten = "unix://{self._node_socket(core.name)}"\n'
            # Often, so that devices are compared while everything is in motion.
            f"[audit]\ninterval = 5\n"
            f'[segments]\nproject_network_types = ["vlan", "vxlan"]\nvlan.ranges = ["leaf:100:399"]\n'
            + self._settings
            + "".join(self._listed(core.name, fabric) for fabric in FABRICS)
            + f'[[notifiers]]\nname = "{COMPUTE}"\nurl = "{self._compute_url}"\ntimeout = 3.0\n'
        )
        arguments = ["serve", "--migrate", "--config", str(config)]
        ready = answers(f"{url}/readyz?drivers=all")
        return self._process(core.name, "jackfield_core.cli:main", arguments, ready=ready)

    def _listed(self, core: str, fabric: Fabric) -> str:
        links = [self._link(core, process, self.folder / f"{process}.sock") for process in fabric.processes]
        endpoints = ", ".join(f'"unix://{link}"' for link in links)
        return f'[[drivers]]\nname = "{fabric.name}"\nendpoints = [{endpoints}]\npolicy = "{fabric.policy}"\n'

    def _agent(self, host: str, core: str) -> Process:
        link = self._link(host, core, self._node_socket(core))
        arguments = [
            "--name", host, "--driver", FABRICS[0].name, "--core", f"unix://{link}", "--file", str(self.file(host)),
        ]  # fmt: skip
        return self._process(host, "chaos.host:main", arguments)

    def _process(self, name: str, entry: str, arguments: list[str], **options: object) -> Process:
        clock.write_offset(self.clock(name), 0.0)
        command = [sys.executable, "-m", "chaos.clock", str(self.clock(name)), entry, *arguments]
        python_path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": python_path}
        return Process(
            name,
            command,
            log=self.log(name),
            timeout=READY,
            environment=environment,
            **options,  # type: ignore[arg-type]
        )

    def _link(self, caller: str, callee: str, target: Path) -> Path:
        listen = self.folder / f"{caller}-{callee}.sock"
        self.links[f"{caller}-{callee}"] = Link(listen, target)
        return listen

    def _node_socket(self, core: str) -> Path:
        return self.folder / f"{core}-nodes.sock"

    async def _restart_what_ends(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for name, process in self.processes.items():
                if name not in self.struck | self.idle and not process.alive:
                    last = [*process.output().splitlines(), ""][-2:][0]
                    self._timeline.note(name, f"ended by itself, and is started again: {last}")
                    self.ended.append(name)
                    process.launch()


def fabric_of(process: str) -> str:
    """Return the name of the fabric that a process drives; any other process is on its own."""
    return next((fabric.name for fabric in FABRICS if process in fabric.processes), process)

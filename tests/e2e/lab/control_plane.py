"""The control plane of a cloud: one core and its drivers, each a process of its own.

This is the embedded way to run: SQLite, Unix sockets, everything in one folder. Nothing here
needs root. All start at once, since the core serves with every driver down; it is waited for
until it has found them.
"""

import json
import shutil
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from support.ports import free_port
from support.processes import Process, accepts, answers, start_together

Debt = dict[str, Any]
PROGRAMS = Path(sys.executable).parent
VLAN_RANGES = ("physnet1:100:199",)
CONFIGURATION = """\
[api]
listen = "127.0.0.1:{port}"
[database]
url = "{database_url}"
[nodes]
listen = "{nodes}"
agent_down_time = {agent_down_time}
[mechanism]
# A machine that runs all tests at once is slow, and no driver is at fault.
precommit_budget = 10
bind_timeout = 10
bind_budget = 20
[segments]
project_network_types = ["vxlan"]
[segments.vlan]
ranges = {vlan_ranges}
[segments.vxlan]
ranges = ["1:10000"]
"""
DRIVER_CONFIGURATION = """\
[[drivers]]
name = "{name}"
endpoint = "unix://{socket}"
policy = "{policy}"
"""


@dataclass(frozen=True, slots=True)
class Driver:
    """A mechanism driver as the core is told of it, and how to start it."""

    name: str
    command: tuple[str, ...]
    """Program of this installation, and its arguments; ``{directory}`` becomes the run directory."""
    policy: str = "required"
    configuration: str = ""
    """Text of ``{directory}/<name>.toml``, with the same replacement."""


# Every driver listens at {directory}/<name>.sock.
OVS = Driver(
    "ovs",
    ("jackfield-ovs", "driver", "--config", "{directory}/ovs.toml"),
    configuration='[driver]\nlisten = "unix://{directory}/ovs.sock"\n',
)
LINUX_BRIDGE = Driver(
    "linuxbridge",
    ("jackfield-linuxbridge", "driver", "--config", "{directory}/linuxbridge.toml"),
    configuration='[driver]\nlisten = "unix://{directory}/linuxbridge.sock"\n',
)
# Its switches are in the inventory of the lab's racks (`e2e.lab.racks`). It looks at them often, to notice soon
# that one has lost what it held. Advisory, like the fabric below: nobody has to wait for its verdict while it is down.
ARISTA = Driver(
    "arista",
    ("jackfield-arista", "driver", "--config", "{directory}/arista.toml"),
    policy="advisory",
    configuration="""\
[driver]
listen = "unix://{directory}/arista.sock"
[arista]
inventory = "{directory}/inventory.yaml"
state_directory = "{directory}/arista"
poll_interval = 2
""",
)
_LOOPBACK = ("jackfield-loopback", "--name", "fabric", "--listen", "unix://{directory}/fabric.sock")
# The fabric outlives the driver's process, as a device would.
_DEVICE = ("--state-file", "{directory}/fabric.db", "--refuse-network-name", "forbidden*")
# Advisory: a verdict of the fabric counts, but nobody has to wait for one while it is down.
FABRIC = Driver("fabric", (*_LOOPBACK, *_DEVICE, "--no-bind"), policy="advisory")
BINDING_FABRIC = Driver("fabric", (*_LOOPBACK, *_DEVICE), policy="advisory")


class ControlPlane:
    """A core with drivers in *directory*; a context manager."""

    def __init__(
        self,
        directory: Path,
        drivers: Sequence[Driver],
        *,
        database_url: str | None = None,
        nodes: str | None = None,
        vlan_ranges: Sequence[str] = VLAN_RANGES,
        agent_down_time: float = 10,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration; nothing runs yet.

        Args:
            directory: Existing folder with a path short enough for Unix sockets.
            drivers: In the order of binding and delivery.
            database_url: Instead of a SQLite file in the folder.
            nodes: Where the core listens for agents, ``address:port``, instead of a socket in the folder.
            vlan_ranges: ``physical_network:first:last`` for each physical network.
            agent_down_time: Seconds until an agent that says nothing counts as gone.
            environment: Variables for every process.
        """
        self.directory = directory
        self.environment = dict(environment or {})
        self.url = f"http://127.0.0.1:{free_port()}"
        self.nodes_socket = directory / "nodes.sock"
        self.nodes = nodes or f"unix://{self.nodes_socket}"
        self.database_file = directory / "jackfield.sqlite"
        self.agent_down_time = agent_down_time
        self.vlan_ranges = vlan_ranges
        self.configuration = directory / "jackfield.toml"
        self.configuration.write_text(self._configuration(drivers, database_url or f"sqlite:///{self.database_file}"))
        self.drivers = {driver.name: self._driver_process(driver) for driver in drivers}
        self.core = self._core_process()
        self._cleanup = ExitStack()

    def start(self) -> Self:
        """Start the drivers and the core, which prepares its database first.

        Raises:
            ProcessFailed: One of them did not start; the message has its log.
        """
        processes = [*self.drivers.values(), self.core]
        for process in processes:
            self._cleanup.callback(process.stop)
        start_together(processes)
        return self

    def stop(self) -> None:
        """Stop the core, then the drivers."""
        self._cleanup.close()

    @property
    def delivery_listing(self) -> list[str]:
        """The command that shows what drivers are still owed."""
        return [program("jackfield"), "delivery", "list", "--config", str(self.configuration)]

    def debts(self) -> list[Debt]:
        """Return what drivers are still owed: the rows that ``jackfield delivery list`` shows; SQLite only."""
        with self._database() as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM delivery WHERE owed")]

    def count_rows(self) -> dict[str, int]:
        """Return the number of rows of every table that resources leave something in; SQLite only."""
        with self._database() as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            # Drivers and agents report by themselves, at any time.
            watched = [name for name in names if not name.startswith(("agent", "driver"))]
            return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in watched}

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(self, drivers: Sequence[Driver], database_url: str) -> str:
        port = self.url.rpartition(":")[2]
        core = CONFIGURATION.format(
            port=port,
            database_url=database_url,
            nodes=self.nodes,
            agent_down_time=self.agent_down_time,
            vlan_ranges=json.dumps(list(self.vlan_ranges)),
        )
        sections = [
            DRIVER_CONFIGURATION.format(name=driver.name, socket=self._driver_socket(driver.name), policy=driver.policy)
            for driver in drivers
        ]
        return core + "".join(sections)

    def _core_process(self) -> Process:
        command = [program("jackfield"), "serve", "--migrate", "--config", str(self.configuration)]
        log, ready = self.directory / "core.log", answers(f"{self.url}/readyz?drivers=all")
        return Process("core", command, log=log, ready=ready, environment=self.environment)

    def _driver_process(self, driver: Driver) -> Process:
        if driver.configuration:
            (self.directory / f"{driver.name}.toml").write_text(self._placed(driver.configuration))
        command = [program(driver.command[0]), *map(self._placed, driver.command[1:])]
        log, ready = self.directory / f"driver-{driver.name}.log", accepts(self._driver_socket(driver.name))
        return Process(f"driver {driver.name}", command, log=log, ready=ready, environment=self.environment)

    def _database(self) -> closing[sqlite3.Connection]:
        # Looking must not get in the way of the core: read only, and patient while it writes.
        return closing(sqlite3.connect(f"file:{self.database_file}?mode=ro", uri=True, timeout=10))

    def _placed(self, value: str) -> str:
        return value.replace("{directory}", str(self.directory))

    def _driver_socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"


def program(name: str) -> str:
    """Find a program of the installation that runs this, on its path or not.

    Raises:
        FileNotFoundError: It is not installed.
    """
    found = shutil.which(name, path=str(PROGRAMS))
    if found is None:
        raise FileNotFoundError(f"{name} is not in {PROGRAMS}; install the workspace")
    return found


def typed(command: Sequence[str]) -> list[str]:
    """Return *command* as a person types it: programs of this installation by name, not by path."""
    return [part.removeprefix(f"{PROGRAMS}/") for part in command]

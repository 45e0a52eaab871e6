"""What the labs of all agents are made of: hosts and guests as network namespaces, and agents in them.

An `AgentProcess` runs an agent in a host's namespace, without a core (`support.agent_alone`): the test tells it
views and waits for its reports. A `Lab` makes such things and ends them in reverse.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

from jackfield_sdk import NetworkView, PortView

from support.pinging import Pings
from support.reaper import owned
from support.waiting import PATIENCE

# The folder that `support` is in.
_TESTS = str(Path(__file__).resolve().parents[1])

_MadeT = TypeVar("_MadeT")


def what_is_missing(programs: Iterable[str]) -> str:
    """Say why no host can be made on this machine; empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in programs if shutil.which(program) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def run(*command: str, check: bool = True, text: str | None = None) -> str:
    """Run a program and return its output."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def eventually(condition: Callable[[], Any], what: str | Callable[[], str], *, seconds: float = 60.0) -> Any:
    """Return the condition's first true value; `what` may be a function, which is asked at the end."""
    end = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.01)
    return value


class Namespace:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str, check: bool = True) -> str:
        """Run `ip` in it."""
        return run("ip", "-n", self.name, *arguments, check=check)

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what `ip -json` shows; nothing if there is no such thing."""
        shown: list[dict[str, Any]] = json.loads(self.ip("-json", *arguments, check=False) or "[]")
        return shown

    def exec(self, *command: str, check: bool = True) -> str:
        """Run a program in it."""
        return run("ip", "netns", "exec", self.name, *command, check=check)

    def close(self) -> None:
        """Delete it with all that is in it."""
        run("ip", "netns", "del", self.name, check=False)


class GuestNamespace(Namespace):
    """A virtual machine in the shape of a namespace; `eth0` is its network card."""

    def __init__(self, name: str, host: Namespace, port: PortView, tap: str) -> None:
        super().__init__(name)
        self.port = port
        self.tap = tap
        self._host = host

    def make_tap(self) -> None:
        """Make the tap on the host, and the card at its other end."""
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", self.tap, "netns", self._host.name)
        self.ip("link", "set", "eth0", "address", self.port.mac_address)
        self.ip("link", "set", "eth0", "mtu", "1400", "up")
        for address in self.port.ip_addresses:
            length = "64" if ":" in address else "24"
            self.ip("addr", "add", f"{address}/{length}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        self._host.ip("link", "set", self.tap, "up")

    def pings(self, address: str, *options: str, seconds: int = 1) -> bool:
        """Return True if the address answers one ping."""
        command = ["ping", "-n", "-c", "1", "-W", str(seconds * PATIENCE), *options, address]
        return " 0% packet loss" in self.exec(*command, check=False)

    def pinging(self, address: str) -> Pings:
        """Ping an address every 10 ms."""
        return Pings(self.name, address)


class AgentProcess:
    """An agent in a namespace, driven by views; what it reports is in `reports`.

    `agent` and `settings_class` are MODULE:NAME; the log is in `directory`.
    """

    def __init__(
        self, agent: str, settings_class: str, namespace: str, directory: Path, settings: dict[str, Any]
    ) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        program = [sys.executable, "-m", "support.agent_alone", agent, settings_class]
        self._log = (directory / "agent.log").open("a")
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([_TESTS, os.environ.get("PYTHONPATH", "")])},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._say(settings=settings)

    def started(self) -> Self:
        """Wait until the agent did its first pass."""
        eventually(lambda: "" in self.reports, "the agent starts")
        return self

    def network(self, view: NetworkView) -> None:
        """Tell a network."""
        self._say(network=asdict(view))

    def port(self, view: PortView) -> None:
        """Tell a port."""
        self._say(port=asdict(view))

    def remove_port(self, port_id: str) -> None:
        """Take a port back."""
        self._say(remove_port=port_id)

    def remove_network(self, network_id: str) -> None:
        """Take a network back."""
        self._say(remove_network=network_id)

    def in_sync(self) -> None:
        """Say that this was all."""
        self._say(in_sync=True)

    def wait_for(
        self, port_id: str, state: str, *, version: str | None = None, seconds: float = 60.0
    ) -> dict[str, Any]:
        """Wait for a report and return it."""

        def reported() -> dict[str, Any] | None:
            report = self.reports.get(port_id, {})
            wanted = report.get("state") == state and version in (None, report.get("version"))
            return report if wanted else None

        report: dict[str, Any] = eventually(
            reported, lambda: f"{port_id} is {state}: {self.reports.get(port_id)}", seconds=seconds
        )
        return report

    def kill(self) -> None:
        """End the agent as a crash does."""
        self._end(self._process.kill)

    def stop(self) -> None:
        """End the agent as systemd does."""
        self._end(self._process.terminate)

    def close(self) -> None:
        """End the agent if it still runs."""
        if self.running:
            self.stop()

    def log(self) -> str:
        """Return what the agent has logged, every change of the switch included."""
        return Path(self._log.name).read_text()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def _say(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            self.reports[report["port_id"]] = report

    def _end(self, end: Callable[[], None]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end()
        self._process.wait(120)
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()


class Lab:
    """Makes the parts of a lab and ends them in reverse; a driver's lab says which parts there are."""

    letter: str
    """What the names of its namespaces have after ``jf``."""
    underlay_class: Any
    host_class: Any
    guest_class: Any
    agent_class: Any

    def __init__(self) -> None:
        self._tag = owned(self.letter) + secrets.token_hex(2)
        self._numbers = itertools.count(1)
        self._made: list[Any] = []

    def underlay(self) -> Any:
        """Make a wire between hosts."""
        return self._keep(self.underlay_class(f"{self._tag}u"))

    def host(self, underlay: Any = None) -> Any:
        """Make a host, plugged into an underlay if there is one."""
        number = next(self._numbers)
        host = self._keep(self.host_class(f"{self._tag}h{number}", number))
        if underlay is not None:
            underlay.join(host)
        return host

    def hosts(self, count: int) -> list[Any]:
        """Make hosts on one underlay."""
        underlay = self.underlay()
        return [self.host(underlay) for _ in range(count)]

    def guest(self, host: Any, port: PortView) -> Any:
        """Make a guest with a port."""
        return self._keep(self.guest_class(f"{self._tag}g{next(self._numbers)}", host, port))

    def agent(self, host: Any, **settings: Any) -> Any:
        """Start the agent of a host."""
        return self._keep(self.agent_class(host, **settings))

    def pinging(self, namespace: Namespace, address: str) -> Pings:
        """Ping an address every 10 ms."""
        return self._keep(Pings(namespace.name, address))

    def close(self) -> None:
        """End everything."""
        for made in reversed(self._made):
            made.close()

    def _keep(self, made: _MadeT) -> _MadeT:
        self._made.append(made)
        return made

"""Hosts with the kernel's own bridges, in network namespaces of their own.

A `Host` is a namespace whose uplink `u0` has an address; an `Underlay` is a bridge that joins the
uplinks. A `Guest` is one more namespace, behind a device on the host that has a tap's name. An
`AgentProcess` runs the agent in a host's namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from jackfield_linuxbridge.layout import tap_name
from jackfield_sdk import NetworkView, PortView
from support.waiting import PATIENCE

PROGRAMS = ("ip", "bridge", "ping", "tcpdump")
COMMAND = str(Path(sys.executable).with_name("jackfield-linuxbridge"))
AGENT = Path(__file__).with_name("linuxbridge_agent_process.py")


def what_is_missing() -> str:
    """Say why no host can be made on this machine; empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def run(*command: str, check: bool = True) -> str:
    """Run a program and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
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
        return run("ip", "-n", self.name, *arguments, check=check)

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what `ip -json` shows; nothing if there is no such thing."""
        return json.loads(self.ip("-json", *arguments, check=False) or "[]")

    def exec(self, *command: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.name, *command, check=check)

    def close(self) -> None:
        run("ip", "netns", "del", self.name, check=False)


class Underlay(Namespace):
    """The wire between hosts."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ip("link", "add", "sw0", "type", "bridge", "forward_delay", "0")
        self.ip("link", "set", "sw0", "up")

    def join(self, host: Host) -> None:
        """Plug a host's uplink."""
        port = f"p{host.number}"
        self.ip("link", "add", port, "type", "veth", "peer", "name", "u0", "netns", host.name)
        self.ip("link", "set", port, "master", "sw0", "up")
        host.ip("addr", "add", f"{host.tunnel_ip}/24", "dev", "u0")
        host.ip("link", "set", "u0", "up")


class Host(Namespace):
    """A host with the address 10.99.0.NUMBER."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.number = number
        self.tunnel_ip = f"10.99.0.{number}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))

    def link(self, name: str) -> dict[str, Any]:
        """Return what `ip -details` shows of a device; empty if there is none."""
        return next(iter(self.json("-details", "link", "show", name)), {})

    def links(self) -> dict[str, dict[str, Any]]:
        """Return all devices by name."""
        return {link["ifname"]: link for link in self.json("-details", "link", "show")}

    def entries(self, device: str) -> set[tuple[str, str]]:
        """Return the forwarding entries of a tunnel device: MAC address and endpoint."""
        shown = json.loads(run("bridge", "-n", self.name, "-json", "fdb", "show", "dev", device))
        return {(entry["mac"], entry["dst"]) for entry in shown if "dst" in entry}

    def log(self) -> str:
        return (self.directory / "agent.log").read_text()

    def close(self) -> None:
        shutil.rmtree(self.directory)
        super().close()


class Guest(Namespace):
    """A virtual machine in the shape of a namespace; `eth0` is its network card."""

    def __init__(self, name: str, host: Host, port: PortView) -> None:
        super().__init__(name)
        self.host = host
        self.port = port
        self.tap = tap_name(port.id)

    def plug(self) -> None:
        """Make the tap as the compute service does; nothing puts it into a bridge."""
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", self.tap, "netns", self.host.name)
        self.ip("link", "set", "eth0", "address", self.port.mac_address)
        self.ip("link", "set", "eth0", "mtu", "1400", "up")
        for address in self.port.ip_addresses:
            length = "64" if ":" in address else "24"
            self.ip("addr", "add", f"{address}/{length}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.host.ip("link", "set", self.tap, "up")

    def unplug(self) -> None:
        self.host.ip("link", "del", self.tap)

    def pings(self, address: str, *options: str, seconds: int = 1) -> bool:
        """Return True if the address answers one ping."""
        command = ["ping", "-n", "-c", "1", "-W", str(seconds * PATIENCE), *options, address]
        return " 0% packet loss" in self.exec(*command, check=False)


class AgentProcess:
    """The agent in a host's namespace, driven by views; what it reports is in `reports`."""

    def __init__(self, host: Host, **settings: Any) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        argv = ["ip", "netns", "exec", host.name, sys.executable, str(AGENT)]
        self._log = (host.directory / "agent.log").open("a")
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._say(settings=default_settings(host) | settings)

    def started(self) -> Self:
        """Wait until the agent did its first pass."""
        eventually(lambda: "" in self.reports, "the agent starts")
        return self

    def network(self, view: NetworkView) -> None:
        self._say(network=asdict(view))

    def port(self, view: PortView) -> None:
        self._say(port=asdict(view))

    def remove_port(self, port_id: str) -> None:
        self._say(remove_port=port_id)

    def remove_network(self, network_id: str) -> None:
        self._say(remove_network=network_id)

    def in_sync(self) -> None:
        self._say(in_sync=True)

    def wait_for(self, port_id: str, state: str, *, version: str | None = None) -> dict[str, Any]:
        """Wait for a report and return it."""

        def reported() -> dict[str, Any] | None:
            report = self.reports.get(port_id, {})
            wanted = report.get("state") == state and version in (None, report.get("version"))
            return report if wanted else None

        report: dict[str, Any] = eventually(reported, lambda: f"{port_id} is {state}: {self.reports.get(port_id)}")
        return report

    def _say(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            self.reports[report["port_id"]] = report

    def kill(self) -> None:
        """End the agent as a crash does."""
        self._end(self._process.kill)

    def stop(self) -> None:
        """End the agent as systemd does."""
        self._end(self._process.terminate)

    def _end(self, end: Callable[[], None]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end()
        self._process.wait(20)
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    @property
    def running(self) -> bool:
        return self._process.poll() is None


def default_settings(host: Host) -> dict[str, Any]:
    """Return the settings of an agent on a host."""
    return {"tunnel_ip": host.tunnel_ip, "tunnel_types": ["vxlan"], "physical_networks": {"leaf": "u0"}}

"""Hosts with the kernel's own bridges, in network namespaces of their own.

A `Host` is a namespace whose uplink `u0` has an address; an `Underlay` is a bridge that joins the
uplinks. A `Guest` is one more namespace, behind a device on the host that has a tap's name. An
`AgentProcess` runs the agent in a host's namespace.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jackfield_linuxbridge.layout import tap_name
from jackfield_sdk import PortView
from support import hosts
from support.hosts import GuestNamespace, Namespace, run

PROGRAMS = ("ip", "bridge", "ping", "tcpdump")
COMMAND = str(Path(sys.executable).with_name("jackfield-linuxbridge"))
AGENT, SETTINGS = "jackfield_linuxbridge.agent:LinuxBridgeAgent", "jackfield_linuxbridge.settings:LinuxBridgeSettings"


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


class Guest(GuestNamespace):
    """A virtual machine of a port on a host."""

    def __init__(self, name: str, host: Host, port: PortView) -> None:
        super().__init__(name, host, port, tap_name(port.id))
        self.host = host

    def plug(self) -> None:
        """Make the tap as the compute service does; nothing puts it into a bridge."""
        self.make_tap()

    def unplug(self) -> None:
        self.host.ip("link", "del", self.tap)


class AgentProcess(hosts.AgentProcess):
    """The agent in a host's namespace."""

    def __init__(self, host: Host, **settings: Any) -> None:
        super().__init__(AGENT, SETTINGS, host.name, host.directory, default_settings(host) | settings)


class Lab(hosts.Lab):
    """Makes hosts, guests and agents."""

    letter = "l"
    underlay_class, host_class, guest_class, agent_class = Underlay, Host, Guest, AgentProcess


def default_settings(host: Host) -> dict[str, Any]:
    """Return the settings of an agent on a host."""
    return {"tunnel_ip": host.tunnel_ip, "tunnel_types": ["vxlan"], "physical_networks": {"leaf": "u0"}}

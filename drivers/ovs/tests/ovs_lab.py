"""Hosts with a real Open vSwitch, in network namespaces of their own.

A `Host` is a namespace with its own ovsdb-server and ovs-vswitchd (userspace datapath, no kernel
module needed). Its bridge `br-phy` holds the uplink and the host's address, because the userspace
datapath ends tunnels only on a bridge's own address. An `Underlay` is a plain kernel bridge that
joins the uplinks. A `Guest` is one more namespace, plugged into the integration bridge as the
compute service does it. An `AgentProcess` runs the agent in a host's namespace.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jackfield_sdk import PortView
from support import hosts
from support.hosts import GuestNamespace, Namespace, eventually, run

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROGRAMS = ("ovsdb-server", "ovs-vswitchd", "ovs-ofctl", "ip", "ping", "ethtool", "tcpdump")
COMMAND = str(Path(sys.executable).with_name("jackfield-ovs"))
AGENT, SETTINGS = "jackfield_ovs.agent:OvsAgent", "jackfield_ovs.settings:OvsSettings"


def _accepts(path: Path) -> bool:
    """Return whether somebody listens on a Unix socket; its file is there a little earlier."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


class Underlay(Namespace):
    """The wire between hosts: passes every VLAN."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ip("link", "add", "sw0", "type", "bridge")
        self.ip("link", "set", "sw0", "up")

    def join(self, host: Host) -> None:
        """Plug a host's uplink."""
        port = f"p{host.number}"
        self.ip("link", "add", port, "type", "veth", "peer", "name", "u0", "netns", host.name)
        self.ip("link", "set", port, "master", "sw0", "up")
        host.ip("link", "set", "u0", "up")
        host.vsctl("add-port", "br-phy", "u0")


class Host(Namespace):
    """A host with its own Open vSwitch and the address 10.99.0.NUMBER."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.number = number
        # Unix socket paths end at 107 bytes, so not under pytest's long directories.
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.ovsdb = f"unix:{self.directory}/db.sock"
        self.tunnel_ip = f"10.99.0.{number}"
        self._server: subprocess.Popen[bytes] | None = None
        self._switchd: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        run("ovsdb-tool", "create", f"{self.directory}/conf.db", SCHEMA)
        self._start_server()
        self.vsctl("--no-wait", "init")
        self.start_switchd()
        self._add_physical_bridge()

    def _start_server(self) -> None:
        directory = self.directory
        self._server = self._spawn(
            "ovsdb-server",
            f"{directory}/conf.db",
            f"--remote=punix:{directory}/db.sock",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--certificate=db:Open_vSwitch,SSL,certificate",
            "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
            f"--unixctl={directory}/ovsdb-server.ctl",
            f"--log-file={directory}/ovsdb-server.log",
        )
        eventually(lambda: _accepts(directory / "db.sock"), "ovsdb-server listens")

    def restart_server(self) -> None:
        """Kill ovsdb-server and start it on the same database."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        (self.directory / "db.sock").unlink()
        self._start_server()

    def start_switchd(self) -> None:
        control = self.directory / "ovs-vswitchd.ctl"
        control.unlink(missing_ok=True)
        log = f"--log-file={self.directory}/ovs-vswitchd.log"
        self._switchd = self._spawn("ovs-vswitchd", self.ovsdb, f"--unixctl={control}", log)
        eventually(lambda: _accepts(control), "ovs-vswitchd runs")

    def restart_switchd(self) -> None:
        """Kill ovs-vswitchd and start it; the bridges' own interfaces keep their addresses."""
        self.stop_switchd()
        self.start_switchd()

    def stop_switchd(self) -> None:
        assert self._switchd is not None
        self._switchd.kill()
        self._switchd.wait()

    def _add_physical_bridge(self) -> None:
        hwaddr = f"02:00:00:00:99:{self.number:02x}"
        bridge = ["add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev"]
        self.vsctl(*bridge, f"other-config:hwaddr={hwaddr}")
        self.ip("addr", "add", f"{self.tunnel_ip}/24", "dev", "br-phy")
        self.ip("link", "set", "br-phy", "up")

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        directory = str(self.directory)
        env = dict(os.environ, OVS_RUNDIR=directory, OVS_LOGDIR=directory, OVS_DBDIR=directory)
        argv = ["ip", "netns", "exec", self.name, *command, "-vconsole:off"]
        return subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def vsctl(self, *arguments: str) -> str:
        return run("ovs-vsctl", f"--db={self.ovsdb}", "--timeout=50", *arguments).strip()

    def ofctl(self, verb: str, bridge: str, *arguments: str, check: bool = True) -> str:
        address = f"unix:{self.directory}/{bridge}.mgmt"
        return run("ovs-ofctl", "-O", "OpenFlow13", "--no-names", verb, address, *arguments, check=check)

    def flows(self, bridge: str) -> list[str]:
        """Return the rules without their counters, in order; none if the bridge does not answer."""
        dump = self.ofctl("dump-flows", bridge, "--no-stats", check=False).splitlines()
        return sorted(line.strip() for line in dump if "actions=" in line)

    def switchd_log(self) -> str:
        return (self.directory / "ovs-vswitchd.log").read_text()

    def close(self) -> None:
        for process in (self._switchd, self._server):
            if process is not None:
                process.terminate()
                process.wait()
        shutil.rmtree(self.directory)
        super().close()


class Guest(GuestNamespace):
    """A virtual machine of a port on a host."""

    def __init__(self, name: str, host: Host, port: PortView) -> None:
        super().__init__(name, host, port, f"tap{port.id}"[:14])
        self.host = host
        self.make_tap()
        # The userspace datapath sees the unfinished checksums that veth hands over.
        self.exec("ethtool", "-K", "eth0", "tx", "off")

    def plug(self) -> None:
        """Plug as os-vif does."""
        ids = [f"external_ids:iface-id={self.port.id}", f"external_ids:attached-mac={self.port.mac_address}"]
        set_interface = ["--", "set", "interface", self.tap, *ids]
        self.host.vsctl("--no-wait", "add-port", "br-int", self.tap, *set_interface)

    def unplug(self) -> None:
        self.host.vsctl("del-port", "br-int", self.tap)


class AgentProcess(hosts.AgentProcess):
    """The agent in a host's namespace."""

    def __init__(self, host: Host, **settings: Any) -> None:
        super().__init__(AGENT, SETTINGS, host.name, host.directory, default_settings(host) | settings)


class Lab(hosts.Lab):
    """Makes hosts, guests and agents."""

    letter = "o"
    underlay_class, host_class, guest_class, agent_class = Underlay, Host, Guest, AgentProcess


def default_settings(host: Host) -> dict[str, Any]:
    """Return the settings of an agent beside the host's switch."""
    return {
        "ovsdb": host.ovsdb,
        "openflow": f"unix:{host.directory}",
        "datapath_type": "netdev",
        "tunnel_ip": host.tunnel_ip,
        "tunnel_types": ["vxlan", "gre", "geneve"],
        "physical_networks": {"leaf": "br-phy"},
    }

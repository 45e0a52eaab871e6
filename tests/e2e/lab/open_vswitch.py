"""An Open vSwitch of a host's own: database, switch, sockets and logs in one folder.

The system's Open vSwitch is never touched. The switch forwards in user space
(``datapath_type=netdev``): namespaces are not told apart by the kernel's datapath module, and
many kernels that run tests do not have it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from e2e.lab.commands import run
from e2e.lab.namespace import Namespace
from support.processes import Process, accepts

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
# A guest with a kernel of our choice takes the kernel's: "system".
DATAPATH_TYPE = os.environ.get("JACKFIELD_LAB_DATAPATH", "netdev")
TUNNEL_TYPES = ("vxlan", "gre", "geneve")


class OpenVSwitch:
    """``ovsdb-server`` and ``ovs-vswitchd`` inside a namespace."""

    def __init__(self, namespace: Namespace, directory: Path, environment: Mapping[str, str]) -> None:
        """Describe the switch; *directory* exists, *environment* goes to both daemons."""
        self.directory = directory
        self.socket = directory / "db.sock"
        # The daemons and the tools derive the paths of bridge sockets from these.
        folders = {name: str(directory) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")}
        self.environment = folders | dict(environment)
        self.database_server = self._daemon(namespace, self._database_command(), ready=self.socket)
        self.switch = self._daemon(namespace, self._switch_command(), ready=self.control_socket)

    @property
    def connection(self) -> str:
        """OVSDB connection string, ``unix:/path``; the file system is shared by all namespaces."""
        return f"unix:{self.socket}"

    @property
    def control_socket(self) -> Path:
        """Socket for ``ovs-appctl -t``."""
        return self.directory / "ovs-vswitchd.ctl"

    def start(self, system_id: str) -> None:
        """Create the database and start both daemons."""
        run(["ovsdb-tool", "create", str(self.directory / "conf.db"), str(SCHEMA)])
        self.database_server.start()
        identity = [f"external_ids:system-id={system_id}", f"external_ids:hostname={system_id}"]
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", *identity)
        self.switch.start()

    def stop(self) -> None:
        """Stop both daemons."""
        self.switch.stop()
        self.database_server.stop()

    def vsctl(self, *arguments: str) -> str:
        """Run ``ovs-vsctl`` on this switch; returns its output without the final newline."""
        return run(["ovs-vsctl", f"--db={self.connection}", *arguments]).strip()

    def appctl(self, *arguments: str) -> str:
        """Run ``ovs-appctl`` on this switch, for example ``ofproto/trace br-int in_port=…``."""
        return run(["ovs-appctl", "-t", str(self.control_socket), *arguments])

    def flows(self, bridge: str) -> str:
        """Return the OpenFlow rules of *bridge*, one a line, without counters."""
        return run(
            ["ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", f"unix:{self.directory}/{bridge}.mgmt"]
        )

    def contents(self) -> set[str]:
        """Return all that the switch consists of in words: every port and rule of every bridge.

        Tunnels are left out: unused ones linger on purpose. A rule that uses one is not.
        """
        found = set()
        tunnels = self._tunnels()
        for bridge in self.vsctl("list-br").split():
            ports = set(self.vsctl("list-ports", bridge).split())
            found |= {f"{bridge}: port {port}" for port in ports - tunnels}
            found |= {f"{bridge}: {rule.strip()}" for rule in self.flows(bridge).splitlines() if "=" in rule}
        return found

    def _tunnels(self) -> set[str]:
        find = ["--bare", "--columns=name", "find", "Interface"]
        return {name for kind in TUNNEL_TYPES for name in self.vsctl(*find, f"type={kind}").split()}

    def add_bridge(self, name: str, **settings: str) -> None:
        """Ensure a user-space bridge; *settings* are columns of its row."""
        columns = [f"{column}={value}" for column, value in settings.items()]
        add = ["--may-exist", "add-br", name]
        self.vsctl(*add, "--", "set", "Bridge", name, f"datapath_type={DATAPATH_TYPE}", *columns)

    def _database_command(self) -> list[str]:
        # The Manager and SSL rows let a test open tcp: and ssl: listeners later, with ovs-vsctl.
        return [
            "ovsdb-server",
            str(self.directory / "conf.db"),
            f"--remote=punix:{self.socket}",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--certificate=db:Open_vSwitch,SSL,certificate",
            "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
            f"--unixctl={self.directory / 'ovsdb-server.ctl'}",
            "-vsyslog:off",
        ]

    def _switch_command(self) -> list[str]:
        quiet = ["-vsyslog:off", "-vofproto_dpif:warn", "-vdpif_netdev:warn"]
        return ["ovs-vswitchd", self.connection, f"--unixctl={self.control_socket}", *quiet]

    def _daemon(self, namespace: Namespace, command: list[str], *, ready: Path) -> Process:
        name = command[0]
        log = self.directory / f"{name}.log"
        return Process(name, namespace.inside(command), log=log, ready=accepts(ready), environment=self.environment)

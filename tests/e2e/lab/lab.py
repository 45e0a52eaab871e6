"""The lab: hosts, machines and the switch between them, started and removed together.

    with Lab(hosts=2) as lab:
        one = lab.machine("one", lab.hosts[0], Vif.of_port(port, subnets, mtu=1450))

Everything carries the lab's own name (`e2e.lab.names`), so labs run side by side. The end of the
block removes in reverse order what was made, and then whatever an interruption in the middle of
a step left behind. A killed process can clean up nothing; `support.reaper` does it.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from e2e.lab.bridge_host import BridgeHost
from e2e.lab.capture import Capture
from e2e.lab.host import Host, Hypervisor
from e2e.lab.machine import Machine, Vif
from e2e.lab.names import Names
from e2e.lab.sweep import MARKER, remove_lab
from e2e.lab.underlay import Cabling, Underlay

if TYPE_CHECKING:
    # What speaks NETCONF takes an emulated processor seconds to import, and labs in guests have no racks.
    from e2e.lab.racks import Racks

PROGRAMS = ("ip", "ethtool", "ping", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")

AnyHost = TypeVar("AnyHost", Host, BridgeHost)


def missing_requirements() -> list[str]:
    """Return what this machine lacks for a lab, in words; an empty list means that one can start."""
    lacks = [] if os.geteuid() == 0 else ["root, to make network namespaces"]
    programs = [name for name in PROGRAMS if shutil.which(name) is None]
    if programs:
        packages = "openvswitch-switch iproute2 iputils-ping ethtool"
        lacks.append(f"the programs {', '.join(programs)} (Debian packages {packages})")
    return lacks


class Lab:
    """A number of hosts on one underlay; a context manager."""

    def __init__(self, *, hosts: int = 2, bridge_hosts: int = 0, racks: "Callable[..., Racks] | None" = None) -> None:
        """Describe a lab of *hosts* with Open vSwitch and *bridge_hosts* without; nothing is made yet.

        With *racks* hosts are plugged into top-of-rack switches, and the underlay is the spine between those.
        """
        self.names = Names()
        self.hosts: list[Host] = []
        self.bridge_hosts: list[BridgeHost] = []
        self._numbers_of_hosts = hosts, bridge_hosts
        self._make_racks = racks
        self._cleanup = ExitStack()

    @property
    def run_directory(self) -> Path:
        """Folder for everything that runs in this lab; its path is short enough for Unix sockets."""
        return self.names.run_directory

    @property
    def all_hosts(self) -> list[Hypervisor]:
        """Every host, those with Open vSwitch first."""
        return [*self.hosts, *self.bridge_hosts]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that every process of this lab must get, so that it can be told as ours."""
        return {MARKER: str(self.run_directory)}

    def start(self) -> Self:
        """Start the underlay and the hosts.

        Raises:
            RuntimeError: This machine cannot run a lab; see `missing_requirements`.

        """
        if lacks := missing_requirements():
            raise RuntimeError(f"a lab needs {' and '.join(lacks)}")
        self.run_directory.mkdir(mode=0o700)
        self._cleanup.callback(remove_lab, self.names.lab)
        self.underlay = Underlay(self.names)
        self._cleanup.callback(self.underlay.remove)
        self._cabling: Cabling = self._start_racks() if self._make_racks else self.underlay
        with_switch, without = self._numbers_of_hosts
        for number in range(1, with_switch + 1):
            self._add(Host(number, self.names, self.environment), self.hosts)
        for number in range(with_switch + 1, with_switch + without + 1):
            self._add(BridgeHost(number, self.names), self.bridge_hosts)
        return self

    def machine(self, name: str, host: Hypervisor, vif: Vif) -> Machine:
        """Start a machine with the interface *vif* on *host*; *name* is unique in this lab."""
        return Machine(name, host, vif, self.names)

    def capture(self, expression: str) -> Capture:
        """Look at frames between the hosts: at the cable of the first host, both ways, with their VLAN tags."""
        cable = self.underlay.cable(1)
        log = self.run_directory / "capture.log"
        return Capture(self.underlay.namespace, cable, expression, log=log, environment=self.environment)

    def log_files(self) -> list[Path]:
        """Return the logs of everything that runs here."""
        return sorted(self.run_directory.rglob("*.log"))

    def remove(self) -> None:
        """Stop and remove everything."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _start_racks(self) -> "Racks":
        assert self._make_racks is not None
        self.racks = self._make_racks(self.names, self.underlay, self.environment)
        self._cleanup.callback(self.racks.remove)
        self.racks.start()
        return self.racks

    def _add(self, host: AnyHost, hosts: list[AnyHost]) -> None:
        self._cleanup.callback(host.remove)
        hosts.append(host)
        if self._make_racks:
            host.physical_network = self.racks.physical_network_of(host.number)
        host.start(self._cabling)

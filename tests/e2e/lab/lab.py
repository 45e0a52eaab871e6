"""The lab: hosts, machines and the switch between them, started and removed together.

    with Lab(hosts=2) as lab:
        one = lab.machine("one", lab.hosts[0], Vif.of_port(port, subnets, mtu=1450))

Everything carries the lab's own name (`e2e.lab.names`), so labs run side by side. The end of the
block removes in reverse order what was made, and then whatever an interruption in the middle of
a step left behind. A killed process can clean up nothing; the next lab does it (`e2e.lab.sweep`).
"""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from e2e.lab.capture import Capture
from e2e.lab.host import Host
from e2e.lab.machine import Machine, Vif
from e2e.lab.names import Names
from e2e.lab.sweep import MARKER, remove_lab, sweep
from e2e.lab.underlay import Underlay

PROGRAMS = ("ip", "ethtool", "ping", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")


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

    def __init__(self, *, hosts: int = 2) -> None:
        self.names = Names()
        self.hosts: list[Host] = []
        self._number_of_hosts = hosts
        self._cleanup = ExitStack()

    @property
    def run_directory(self) -> Path:
        """Folder for everything that runs in this lab; its path is short enough for Unix sockets."""
        return self.names.run_directory

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
        sweep()
        self.run_directory.mkdir(mode=0o700)
        self._cleanup.callback(remove_lab, self.names.lab)
        self.underlay = Underlay(self.names)
        self._cleanup.callback(self.underlay.remove)
        for number in range(1, self._number_of_hosts + 1):
            self._add_host(number)
        return self

    def machine(self, name: str, host: Host, vif: Vif) -> Machine:
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

    def _add_host(self, number: int) -> None:
        host = Host(number, self.names, self.environment)
        self._cleanup.callback(host.remove)
        self.hosts.append(host)
        host.start(self.underlay)

"""A whole cloud on one machine: a lab, a control plane, and an agent on every host.

    with Cloud() as cloud:
        network = cloud.network("blue", "10.0.0.0/24")
        one = cloud.boot("one", network, cloud.lab.hosts[0])

Booting a machine does what a compute service does, in its order: create the port for the host,
plug the machine's interface, wait for the port to become ACTIVE.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

from e2e.lab.agent import ovs_agent
from e2e.lab.api import Api, Resource
from e2e.lab.control_plane import OVS, ControlPlane, Driver
from e2e.lab.host import Host
from e2e.lab.lab import Lab
from e2e.lab.machine import Machine, Vif
from support.processes import Process
from support.waiting import wait_until


class Cloud:
    """Hosts, core, drivers and agents, started and removed together; a context manager."""

    def __init__(self, *, hosts: int = 2, drivers: Sequence[Driver] = (OVS,)) -> None:
        self.lab = Lab(hosts=hosts)
        self._drivers = drivers
        self._cleanup = ExitStack()
        self.agents: dict[str, Process] = {}
        """Agent processes by host name."""

    def start(self) -> Self:
        """Start everything and return when every agent is alive."""
        self._cleanup.enter_context(self.lab)
        self.control_plane = self._cleanup.enter_context(
            ControlPlane(self.lab.run_directory, self._drivers, environment=self.lab.environment)
        )
        self.api = self._cleanup.enter_context(Api(self.control_plane.url))
        for host in self.lab.hosts:
            self.agents[host.name] = self._cleanup.enter_context(ovs_agent(host, self.control_plane.nodes_socket))
        self.wait_for_agents()
        return self

    def wait_for_agents(self) -> None:
        """Return when the core has heard from the agent of every host."""
        expected = set(self.agents)
        what = f"the agents of {', '.join(sorted(expected))} to be alive"
        wait_until(lambda: self.hosts_alive() == expected, what=what, timeout=20)

    def hosts_alive(self) -> set[str]:
        """Return the hosts whose agent is alive, as the API tells."""
        return {agent["host"] for agent in self.api.list("agent") if agent["alive"]}

    def network(self, name: str, cidr: str, **attributes: Any) -> Resource:
        """Create a network with one subnet."""
        network = self.api.create("network", name=name, **attributes)
        self.api.create("subnet", network_id=network["id"], ip_version=6 if ":" in cidr else 4, cidr=cidr)
        return network

    def boot(self, name: str, network: Resource, host: Host) -> Machine:
        """Start a machine with a port on *network* at *host*; return when the port is ACTIVE."""
        port = self.api.create("port", network_id=network["id"], name=name, **{"binding:host_id": host.name})
        machine = self.plug(name, port, host)
        self.api.wait_for("port", port["id"], status="ACTIVE")
        return machine

    def plug(self, name: str, port: Resource, host: Host) -> Machine:
        """Start a machine with an existing *port*."""
        network = self.api.show("network", port["network_id"])
        subnets = self.api.list("subnet", network_id=network["id"])
        return self.lab.machine(name, host, Vif.of_port(port, subnets, mtu=network["mtu"]))

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

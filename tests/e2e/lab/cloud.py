"""A whole cloud on one machine: a lab, a control plane, and an agent on every host.

    with Cloud() as cloud:
        network = cloud.network("blue", "10.0.0.0/24")
        one = cloud.boot("one", network, cloud.lab.hosts[0])

Booting a machine does what a compute service does, in its order: create the port for the host,
plug the machine's interface, wait for the port to become ACTIVE.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from e2e.lab.agent import bridge_agent, ovs_agent
from e2e.lab.api import Api, Resource
from e2e.lab.control_plane import OVS, VLAN_RANGES, ControlPlane, Driver
from e2e.lab.host import Hypervisor
from e2e.lab.lab import Lab
from e2e.lab.machine import Machine, Vif
from e2e.lab.outside import Outside, outside
from support.processes import Process, start_together
from support.waiting import wait_until

if TYPE_CHECKING:
    from e2e.lab.racks import Racks

LOG_TAIL_LINES = 60


class Cloud:
    """Hosts, core, drivers and agents, started and removed together; a context manager."""

    def __init__(
        self,
        *,
        hosts: int = 2,
        bridge_hosts: int = 0,
        drivers: Sequence[Driver] = (OVS,),
        racks: "Callable[..., Racks] | None" = None,
        vlan_ranges: Sequence[str] = VLAN_RANGES,
    ) -> None:
        """Describe a cloud of *hosts* with Open vSwitch and *bridge_hosts* with Linux bridge, in *racks* or in none."""
        self.lab = Lab(hosts=hosts, bridge_hosts=bridge_hosts, racks=racks)
        self._vlan_ranges = vlan_ranges
        self._drivers = drivers
        self._cleanup = ExitStack()
        self.agents: dict[str, Process] = {}
        """Agent processes by host name."""
        self._machines: list[Machine] = []

    def start(self) -> Self:
        """Start everything and return when every agent is alive; what fails to start is removed."""
        try:
            self._start()
        except BaseException as error:
            error.add_note(tails(self.lab.log_files()))
            self.remove()
            raise
        return self

    def _start(self) -> None:
        self._cleanup.enter_context(self.lab)
        reach = self._reach_control_plane()
        self.nodes_socket = reach.nodes_socket
        self.api = self._cleanup.enter_context(Api(reach.url))
        for host in self.lab.hosts:
            self.agents[host.name] = ovs_agent(host, reach.nodes_socket, self.lab.environment)
        for bridge_host in self.lab.bridge_hosts:
            self.agents[bridge_host.name] = bridge_agent(bridge_host, reach.nodes_socket, self.lab.environment)
        for agent in self.agents.values():
            self._cleanup.callback(agent.stop)
        start_together(self.agents.values())
        self.wait_for_agents()
        self._untouched = {host.name: host.contents() for host in self.lab.all_hosts}

    def _reach_control_plane(self) -> ControlPlane | Outside:
        """Start a control plane, or find the one around this guest, which cannot be disturbed from here."""
        if reach := outside(self.lab.run_directory):
            return self._cleanup.enter_context(reach)
        self.control_plane = self._cleanup.enter_context(
            ControlPlane(
                self.lab.run_directory,
                self._drivers,
                vlan_ranges=self._vlan_ranges,
                environment=self.lab.environment,
            )
        )
        return self.control_plane

    def wait_for_agents(self) -> None:
        """Return when the core has heard from the agent of every host."""
        expected = set(self.agents)
        what = f"the agents of {', '.join(sorted(expected))} to be alive"
        wait_until(lambda: self.hosts_alive() == expected, what=what)

    def hosts_alive(self) -> set[str]:
        """Return the hosts whose agent is alive, as the API tells."""
        return {agent["host"] for agent in self.api.list("agent") if agent["alive"]}

    def network(self, name: str, cidr: str, **attributes: Any) -> Resource:
        """Create a network with one subnet."""
        network = self.api.create("network", name=name, **attributes)
        self.api.create("subnet", network_id=network["id"], ip_version=6 if ":" in cidr else 4, cidr=cidr)
        return network

    def boot(self, name: str, network: Resource, host: Hypervisor, **attributes: Any) -> Machine:
        """Start a machine with a port on *network* at *host*; return when the port is ACTIVE."""
        placed = {"network_id": network["id"], "name": name, "binding:host_id": host.name}
        port = self.api.create("port", **placed, **attributes)
        machine = self.plug(name, port, host)
        self.api.wait_for("port", port["id"], status="ACTIVE")
        return machine

    def boot_on(self, network: Resource, hosts: Iterable[Hypervisor]) -> dict[str, Machine]:
        """Start a machine on each of *hosts* at once; return them, by name of the host, when all ports are ACTIVE."""
        machines = {}
        for host in hosts:
            port = self.api.create("port", network_id=network["id"], **{"binding:host_id": host.name})
            machines[host.name] = self.plug(f"{network['name']}-{host.name}", port, host)
        for machine in machines.values():
            self.api.wait_for("port", machine.vif.port_id, status="ACTIVE")
        return machines

    def plug(self, name: str, port: Resource, host: Hypervisor) -> Machine:
        """Start a machine with an existing *port*."""
        network = self.api.show("network", port["network_id"])
        subnets = self.api.list("subnet", network_id=network["id"])
        machine = self.lab.machine(name, host, Vif.of_port(port, subnets, mtu=network["mtu"]))
        self._machines.append(machine)
        return machine

    def clear(self) -> None:
        """Remove all machines and delete all resources; return when every driver knows.

        Raises:
            TimeoutError: A driver is still owed something, or a switch holds more or less than at first.
        """
        for machine in self._machines:
            machine.remove()
        self._machines.clear()
        for kind in ("port", "network"):
            for resource in self.api.list(kind):
                self.api.delete(kind, resource["id"])
        wait_until(lambda: self.control_plane.debts() == [], what="the ledger to be empty")
        wait_until(lambda: not self._traces(), what=lambda: f"switches without traces; {self._traces()}")

    def _traces(self) -> list[str]:
        """Return what differs in the switches from what they held before the first port."""
        return [trace for host in self.lab.all_hosts for trace in host.contents() ^ self._untouched[host.name]]

    def remove(self) -> None:
        """Stop and remove everything."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()


def tails(logs: Iterable[Path]) -> str:
    """Return the end of every log, under its name."""
    return "\n".join(f"--- {log.parent.name}/{log.name}\n{tail(log)}" for log in logs)


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])

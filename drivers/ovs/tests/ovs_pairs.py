"""Two hosts with one guest each on one network, wired and ready to talk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jackfield_sdk import NetworkView, PortView
from ovs_lab import AgentProcess, Guest, Host
from support.hosts import eventually
from support.views import a_network, a_port, entry

TUNNELS = ("vxlan", "gre", "geneve")


@dataclass
class Side:
    """A host with its guest, and what its agent was told."""

    host: Host
    guest: Guest
    agent: AgentProcess
    network: NetworkView
    port: PortView

    def tell(self) -> None:
        """Push the views, as the core does after a hello."""
        self.agent.network(self.network)
        self.agent.port(self.port)


def a_pair(lab: Any, network_type: str = "vxlan", **settings: Any) -> tuple[Side, Side]:
    """Return two sides whose guests reach each other."""
    hosts = lab.hosts(2)
    network = a_network(network_type=network_type)
    ports = [a_port(1, network=network), a_port(2, network=network)]
    sides = [
        Side(
            host=hosts[this],
            guest=lab.guest(hosts[this], ports[this]),
            agent=lab.agent(hosts[this], **settings),
            network=_with_remote(network, ports[1 - this], hosts[1 - this]),
            port=ports[this],
        )
        for this in (0, 1)
    ]
    for side in sides:
        wire(side)
    # The userspace datapath resolves the other endpoint's MAC address with the first packets.
    eventually(lambda: sides[0].guest.pings(ports[1].ip_addresses[0]), "the guests talk")
    return sides[0], sides[1]


def wire(side: Side) -> None:
    """Bring one side up."""
    side.agent.started()
    side.tell()
    side.agent.in_sync()
    side.guest.plug()
    side.agent.wait_for(side.port.id, "up")


def _with_remote(network: NetworkView, port: PortView, host: Host) -> NetworkView:
    if network.network_type not in TUNNELS:
        return network
    return replace(network, endpoints=(host.tunnel_ip,), forwarding=(entry(port, host.tunnel_ip),))

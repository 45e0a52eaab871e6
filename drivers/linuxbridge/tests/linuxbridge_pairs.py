"""Two hosts with one guest each on one network, wired and ready to talk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jackfield_sdk import NetworkView, PortView
from linuxbridge_lab import AgentProcess, Guest, Host
from support.views import a_network, a_port, entry


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
    network = a_network(network_type=network_type, mtu=1400)
    ports = [a_port(number, network=network, ip_addresses=_addresses(number)) for number in (1, 2)]
    sides = [
        Side(
            host=hosts[this],
            guest=lab.guest(hosts[this], ports[this]),
            agent=lab.agent(hosts[this], **settings),
            network=_seen_from(network, ports[other], hosts[other]),
            port=ports[this],
        )
        for this, other in ((0, 1), (1, 0))
    ]
    for side in sides:
        side.guest.plug()
        side.tell()
        side.agent.in_sync()
    for side in sides:
        side.agent.wait_for(side.port.id, "up")
    return sides[0], sides[1]


def _addresses(number: int) -> tuple[str, ...]:
    return (f"192.168.7.{number}", f"fd07::{number}")


def _seen_from(network: NetworkView, remote: PortView, host: Host) -> NetworkView:
    if network.network_type not in ("vxlan", "gre"):
        return network
    return replace(network, endpoints=(host.tunnel_ip,), forwarding=(entry(remote, host.tunnel_ip),))

"""Guests on two hosts reach each other over every kind of network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from views import a_network, a_port, entry

pytestmark = pytest.mark.functional

TUNNELS = ("vxlan", "gre", "geneve")


@pytest.mark.parametrize("network_type", ["flat", "vlan", *TUNNELS])
def test_guests_on_two_hosts_ping_each_other(lab: Any, network_type: str) -> None:
    """Two guests on two hosts answer each other's pings, whatever carries their network."""
    hosts = lab.hosts(2)
    network = a_network(network_type=network_type)
    ports = [a_port(1, network=network), a_port(2, network=network)]
    guests = [lab.guest(host, port) for host, port in zip(hosts, ports, strict=True)]
    agents = [lab.agent(host) for host in hosts]
    for this, other in ((0, 1), (1, 0)):
        view = network
        if network_type in TUNNELS:
            there = hosts[other].tunnel_ip
            view = replace(network, endpoints=(there,), forwarding=(entry(ports[other], there),))
        agents[this].started().network(view)
        agents[this].port(ports[this])
        agents[this].in_sync()
        guests[this].plug()
        agents[this].wait_for(ports[this].id, "up")

    # The userspace datapath resolves the other endpoint's MAC address with the first packets.
    assert guests[0].pings("192.168.7.2", seconds=3) or guests[0].pings("192.168.7.2", seconds=3)
    assert guests[1].pings("192.168.7.1")

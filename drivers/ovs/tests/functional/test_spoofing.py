"""What a guest says reaches its neighbour or does not: the table by which all agents are measured."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_sdk import AddressPair
from ovs_views import a_network, a_port
from support import spoofing
from support.wire import Wire, arrivals

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")
SECURED: dict[str, Any] = {
    "mac_address": spoofing.MAC,
    "ip_addresses": (spoofing.OWN, spoofing.OWN_V6),
    "allowed_address_pairs": tuple(AddressPair(mac, block) for mac, block in spoofing.PAIRS),
}
PORTS = {
    "secured": (SECURED, spoofing.SECURED),
    "trusted": (SECURED | {"port_security_enabled": False}, spoofing.TRUSTED),
    "of the network": (SECURED | {"device_owner": "network:dhcp"}, spoofing.TRUSTED),
    "without addresses": (SECURED | {"ip_addresses": (), "allowed_address_pairs": ()}, spoofing.UNADDRESSED),
}


def test_each_frame_arrives_or_does_not(lab: Any) -> None:
    """Of all frames of the table, exactly those arrive that a port of each kind may send."""
    host = lab.host()
    agent = lab.agent(host).started()
    agent.network(NETWORK)
    ports = [a_port(1, network=NETWORK, **SECURED), a_port(2, network=NETWORK)]
    suspect, peer = (lab.guest(host, port) for port in ports)
    for guest in (suspect, peer):
        agent.port(guest.port)
        guest.plug()
        agent.wait_for(guest.port.id, "up")
    agent.in_sync()

    with Wire(suspect.name, "eth0") as speaker, Wire(peer.name, "eth0") as listener:
        for version, (kind, (fields, cases)) in enumerate(PORTS.items(), start=2):
            agent.port(a_port(1, network=NETWORK, **fields, version=str(version)))
            agent.wait_for(suspect.port.id, "up", version=str(version))

            arrived = arrivals(speaker, listener, cases, spoofing.OWN_ADDRESSES[0])

            assert arrived == {case.name: case.passes for case in cases}, kind

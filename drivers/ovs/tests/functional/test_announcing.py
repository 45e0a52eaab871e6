"""A port that comes up is announced, so that switches that learn find it where it is now."""

from __future__ import annotations

from typing import Any

import pytest
from support.overhearing import overhearing
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")


@pytest.mark.parametrize("port_security", [True, False], ids=["with", "without"])
def test_a_port_that_comes_up_is_heard_of_before_its_guest_speaks(lab: Any, port_security: bool) -> None:
    """Everybody on the network gets one frame with the guest's address as its source."""
    host = lab.host()
    agent = lab.agent(host).started()
    ports = [a_port(number, network=NETWORK, port_security_enabled=port_security) for number in (1, 2)]
    listener, mover = (lab.guest(host, port) for port in ports)
    agent.network(NETWORK)
    for port in ports:
        agent.port(port)
    listener.plug()
    agent.wait_for(ports[0].id, "up")
    with overhearing(listener, f"rarp and ether src {ports[1].mac_address}") as heard:
        mover.plug()

        agent.wait_for(ports[1].id, "up")
        assert f"{ports[1].mac_address} > ff:ff:ff:ff:ff:ff, ethertype Reverse ARP" in heard.frame()

"""A port that comes up is announced, so that bridges and switches that learn find it where it is now."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from support.overhearing import overhearing
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NET = a_network(network_type="local", segmentation_id=None, mtu=1400)


def test_a_port_that_comes_up_is_heard_of_before_its_guest_speaks(lab: Any) -> None:
    """Everybody on the network gets one frame with the guest's address, and the bridge knows the guest's tap."""
    host = lab.host()
    agent = lab.agent(host).started()
    ports = [a_port(number, network=NET) for number in (1, 2)]
    listener, mover = (lab.guest(host, port) for port in ports)
    agent.network(NET)
    for port in ports:
        agent.port(port)
    listener.plug()
    agent.wait_for(ports[0].id, "up")
    with overhearing(listener, f"rarp and ether src {ports[1].mac_address}") as heard:
        mover.plug()

        agent.wait_for(ports[1].id, "up")
        assert ports[1].mac_address in heard.frame()
        known = host.exec("bridge", "fdb", "show", "br", bridge_name(NET.id))
        assert f"{ports[1].mac_address} dev {mover.tap}" in known

"""Networks whose packets do not fit into the tunnels."""

from __future__ import annotations

from typing import Any

import pytest
from support.views import a_network, a_port

pytestmark = pytest.mark.functional


def test_a_port_waits_for_an_underlay_that_its_packets_fit_into(lab: Any) -> None:
    """The reason has the figures; a wider underlay makes it up at once, and a narrower one cuts nobody off."""
    host = lab.host(lab.underlay())
    network = a_network(mtu=1451)
    first, second = (lab.guest(host, a_port(number, network=network)) for number in (1, 2))
    agent = lab.agent(host, audit_interval=600).started()
    agent.network(network)
    agent.in_sync()

    first.plug()
    agent.port(first.port)
    reason = agent.wait_for(first.port.id, "error")["reason"]
    assert reason == f"device u0 with tunnel_ip {host.tunnel_ip} has MTU 1500, and the network 1451 and 50 of vxlan"
    host.ip("link", "set", "u0", "mtu", "1501")
    agent.wait_for(first.port.id, "up")

    host.ip("link", "set", "u0", "mtu", "1500")
    second.plug()
    agent.port(second.port)
    agent.wait_for(second.port.id, "error")
    assert agent.reports[first.port.id]["state"] == "up"

"""Networks whose packets do not fit into the tunnels."""

from __future__ import annotations

from typing import Any

import pytest
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network(network_type="geneve", mtu=1451)


def wired(lab: Any, state: str, **settings: Any) -> str:
    """Plug a port of the network, and return the reason of its state."""
    host = lab.host(lab.underlay())
    port = a_port(1, network=NETWORK)
    agent = lab.agent(host, **settings).started()
    agent.network(NETWORK)
    agent.port(port)
    agent.in_sync()
    lab.guest(host, port).plug()
    return str(agent.wait_for(port.id, state)["reason"])


def test_a_port_whose_packets_do_not_fit_is_an_error(lab: Any) -> None:
    """The outer headers say "don't fragment", so the largest packets of its network would be lost."""
    assert wired(lab, "error").endswith("has MTU 1500, and the network 1451 and 50 of geneve")


def test_tunnels_that_may_be_fragmented_carry_any_network(lab: Any) -> None:
    """With df_default off the operator has said that the underlay fragments."""
    assert wired(lab, "up", df_default=False) == ""

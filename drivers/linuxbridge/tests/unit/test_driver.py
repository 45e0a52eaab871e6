"""Binding by what a host's agent said of itself."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.driver import LinuxBridgeDriver
from jackfield_sdk import Agent, BindContext, Binding, Bound, Host, Network, Port, Segment, Skip

NETWORK_ID = "0f7d1e2c-3b4a-4c5d-8e9f-0a1b2c3d4e5f"
VXLAN = Segment("s-vxlan", NETWORK_ID, "vxlan", None, 5001)
GRE = Segment("s-gre", NETWORK_ID, "gre", None, 7)
VLAN = Segment("s-vlan", NETWORK_ID, "vlan", "leaf", 7)
FLAT = Segment("s-flat", NETWORK_ID, "flat", "spine", None)
LOCAL = Segment("s-local", NETWORK_ID, "local", None, None)
GENEVE = Segment("s-geneve", NETWORK_ID, "geneve", None, 7)

TAP = {"port_filter": True, "connectivity": "l2", "mac_address": "fe:16:3e:00:00:01"}


def an_agent(**fields: Any) -> Agent:
    defaults: dict[str, Any] = {
        "agent_type": "Linux bridge agent",
        "driver": "linuxbridge",
        "alive": True,
        "physical_networks": frozenset({"leaf"}),
        "tunnel_types": frozenset({"vxlan"}),
        "tunnel_ip": "10.99.0.1",
        "configurations": {"vif_type": "tap"},
    }
    return Agent(**(defaults | fields))


async def bind(*segments: Segment, agents: tuple[Agent, ...] = (an_agent(),), vnic_type: str = "normal") -> Any:
    binding = Binding(host="h1", vnic_type=vnic_type)
    port = Port("p", NETWORK_ID, "", "project", True, "fa:16:3e:00:00:01", binding=binding)
    network = Network(NETWORK_ID, "", "project", True, False, False, 1450, True, segments)
    return await LinuxBridgeDriver().bind_port(BindContext(port, network, segments, 0, (), Host("h1", agents)))


async def test_the_first_segment_that_the_agent_can_carry_is_bound() -> None:
    """Candidates are tried in their order; the host's end of the tap has an address that is not the guest's."""
    assert await bind(FLAT, VLAN, VXLAN) == Bound("s-vlan", "tap", TAP)


async def test_a_host_with_an_older_compute_service_is_told_the_bridge() -> None:
    """With vif_type bridge the details name the network's bridge."""
    answer = await bind(LOCAL, agents=(an_agent(configurations={"vif_type": "bridge"}),))

    details = {"port_filter": True, "connectivity": "l2", "bridge_name": "brq0f7d1e2c-3b"}
    assert answer == Bound("s-local", "bridge", details)


@pytest.mark.parametrize(
    ("segments", "agents", "reason"),
    [
        ((VXLAN,), (), "host h1: the linuxbridge agent is not known"),
        ((VXLAN,), (an_agent(alive=False),), "host h1: the linuxbridge agent is not alive"),
        ((VXLAN,), (an_agent(driver="ovs"),), "host h1: the linuxbridge agent is not known"),
        (
            (FLAT, GRE),
            (an_agent(),),
            'host h1: segment s-flat (flat): physical_network "spine" is not among the agent\'s (leaf); '
            "segment s-gre (gre 7): gre is not among the agent's tunnel_types (vxlan)",
        ),
        ((VXLAN,), (an_agent(tunnel_ip=None),), "host h1: segment s-vxlan (vxlan 5001): the agent has no tunnel_ip"),
        ((GENEVE,), (an_agent(),), "host h1: segment s-geneve (geneve 7): network_type geneve is not for Linux bridge"),
        (
            (VLAN,),
            (an_agent(configurations={"unsupported": {"vlan": "the kernel has no devices of kind vlan"}}),),
            "host h1: segment s-vlan (vlan 7): the kernel has no devices of kind vlan",
        ),
        ((), (an_agent(),), "host h1: there is no segment to bind to"),
    ],
)
async def test_a_port_that_cannot_be_bound_is_skipped_with_the_facts(
    segments: tuple[Segment, ...], agents: tuple[Agent, ...], reason: str
) -> None:
    """The reason names the host, the segment and what the agent said."""
    assert await bind(*segments, agents=agents) == Skip(reason)


async def test_other_vnic_types_are_for_other_drivers() -> None:
    """A port that wants a virtual function is not for a bridge."""
    assert await bind(VXLAN, vnic_type="direct") == Skip("vnic_type direct is not normal")

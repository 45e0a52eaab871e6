"""Binding by what a host's agent said of itself."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_ovs.driver import OvsDriver
from jackfield_sdk import Agent, BindContext, Binding, Bound, Host, Network, Port, Segment, Skip

VXLAN = Segment("s-vxlan", "n", "vxlan", None, 5001)
VLAN = Segment("s-vlan", "n", "vlan", "leaf", 7)
FLAT = Segment("s-flat", "n", "flat", "spine", None)
LOCAL = Segment("s-local", "n", "local", None, None)


def an_agent(**fields: Any) -> Agent:
    defaults: dict[str, Any] = {
        "agent_type": "Open vSwitch agent",
        "driver": "ovs",
        "alive": True,
        "physical_networks": frozenset({"leaf"}),
        "tunnel_types": frozenset({"vxlan"}),
        "tunnel_ip": "10.99.0.1",
        "configurations": {"integration_bridge": "br-x", "datapath_type": "netdev"},
    }
    return Agent(**(defaults | fields))


async def bind(*segments: Segment, agents: tuple[Agent, ...] = (an_agent(),), vnic_type: str = "normal") -> Any:
    binding = Binding(host="h1", vnic_type=vnic_type)
    port = Port("p", "n", "", "project", True, "fa:16:3e:00:00:01", binding=binding)
    network = Network("n", "", "project", True, False, False, 1450, True, segments)
    return await OvsDriver().bind_port(BindContext(port, network, segments, 0, (), Host("h1", agents)))


async def test_the_first_segment_that_the_agent_can_carry_is_bound() -> None:
    """Candidates are tried in their order."""
    answer = await bind(FLAT, VLAN, VXLAN)

    assert answer == Bound(
        "s-vlan",
        "ovs",
        {
            "port_filter": True,
            "connectivity": "l2",
            "bridge_name": "br-x",
            "datapath_type": "netdev",
            "ovs_hybrid_plug": False,
        },
    )


async def test_hybrid_plug_is_what_the_agent_reports() -> None:
    """A host whose filter needs a Linux bridge says so, and the compute service is told."""
    hybrid = an_agent(configurations={"integration_bridge": "br-int", "ovs_hybrid_plug": True})

    answer = await bind(VLAN, agents=(hybrid,))

    assert answer.vif_details == {
        "port_filter": True,
        "connectivity": "l2",
        "bridge_name": "br-int",
        "datapath_type": "system",
        "ovs_hybrid_plug": True,
    }


@pytest.mark.parametrize(
    ("segments", "agents", "reason"),
    [
        ((VXLAN,), (), "host h1: the ovs agent is not known"),
        ((VXLAN,), (an_agent(alive=False),), "host h1: the ovs agent is not alive"),
        ((VXLAN,), (an_agent(driver="linuxbridge"),), "host h1: the ovs agent is not known"),
        (
            (VXLAN,),
            (an_agent(tunnel_types=frozenset({"gre"})),),
            "host h1: segment s-vxlan (vxlan 5001): vxlan is not among the agent's tunnel_types (gre)",
        ),
        ((VXLAN,), (an_agent(tunnel_ip=None),), "host h1: segment s-vxlan (vxlan 5001): the agent has no tunnel_ip"),
        (
            (FLAT,),
            (an_agent(),),
            'host h1: segment s-flat (flat): physical_network "spine" is not among the agent\'s (leaf)',
        ),
        ((), (an_agent(),), "host h1: there is no segment to bind to"),
    ],
)
async def test_a_skip_names_host_segment_and_fact(
    segments: tuple[Segment, ...], agents: tuple[Agent, ...], reason: str
) -> None:
    """The operator reads which fact stood against the binding."""
    assert await bind(*segments, agents=agents) == Skip(reason)


async def test_a_dead_agent_does_not_hide_a_live_one() -> None:
    """With two agents of the driver on a host the live one decides."""
    assert isinstance(await bind(LOCAL, agents=(an_agent(alive=False), an_agent())), Bound)


@pytest.mark.parametrize(("vnic_type", "kind"), [("", Bound), ("normal", Bound), ("direct", Skip)])
async def test_only_normal_vnics_are_bound(vnic_type: str, kind: type) -> None:
    """Other VNIC types are for other drivers."""
    assert isinstance(await bind(LOCAL, vnic_type=vnic_type), kind)


def test_the_driver_asks_for_bindings_and_for_no_change() -> None:
    """Hosts learn through their agents, so no delivery is owed to this driver."""
    from jackfield_sdk import MechanismDriver

    hooks = [name for name in dir(MechanismDriver) if name.endswith(("_precommit", "_postcommit"))]
    assert len(hooks) == 18
    assert all(getattr(OvsDriver, hook) is getattr(MechanismDriver, hook) for hook in hooks)
    assert OvsDriver.bind_port is not MechanismDriver.bind_port

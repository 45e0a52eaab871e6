"""The plan: views and what is seen in, desired state out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jackfield_ovs.layout import DEAD_VLAN, Layout, tunnel_name
from jackfield_ovs.observed import Observed, ObservedBridge, ObservedInterface
from jackfield_ovs.plan import Plan, make_plan, obstacle
from jackfield_sdk import NetworkView, PortState, PortView, Views
from support.views import a_network, a_port, entry

LAYOUT = Layout(
    physical_networks={"leaf": "br-phy"},
    tunnel_ip="10.99.0.1",
    tunnel_types=frozenset({"vxlan", "gre"}),
    udp_ports={"vxlan": 4789, "geneve": 6081},
)
BRIDGES = {name: ObservedBridge(name, fail_mode="secure") for name in ("br-int", "br-tun", "br-phy")}


def views(*parts: NetworkView | PortView) -> Views:
    networks = {part.id: part for part in parts if isinstance(part, NetworkView)}
    ports = {part.id: part for part in parts if isinstance(part, PortView)}
    return Views(networks, ports)


def plugged(port: PortView, **fields: object) -> ObservedInterface:
    name = f"tap{port.id}"[:14]
    return replace(ObservedInterface(name, name, "br-int", iface_id=port.id, ofport=5), **fields)


def observed(*interfaces: ObservedInterface, vlans: dict[str, int] | None = None) -> Observed:
    return Observed(BRIDGES, {seen.name: seen for seen in interfaces}, vlans or {})


def plan_for(*parts: NetworkView | PortView, seen: Observed | None = None, layout: Layout = LAYOUT) -> Plan:
    return make_plan(views(*parts), seen or observed(), layout)


def test_a_network_keeps_the_local_vlan_that_is_written_down() -> None:
    """A number on the switch is adopted; new networks get the lowest that nobody has."""
    old, new = a_network("old"), a_network("new")

    plan = plan_for(old, new, seen=observed(vlans={old.id: 2, "gone": 1}))

    assert plan.local_vlans == {old.id: 2, new.id: 3}


def test_without_a_free_local_vlan_the_network_is_an_error() -> None:
    """The last network of 4094 is carried and one more is not, with a reason."""
    network = a_network()
    port = a_port(1, network=network)

    plan = plan_for(network, port, seen=observed(vlans={f"n{vlan}": vlan for vlan in range(1, 4095)}))

    assert plan.ports[0].state is PortState.ERROR
    assert plan.ports[0].reason == "all local VLANs (4094) of this host are taken"


def test_a_tunnel_for_each_remote_endpoint_and_none_for_ourselves() -> None:
    """Endpoints become tunnels by type and address; the host's own is no remote one."""
    vxlan = a_network("a", "vxlan", endpoints=("10.99.0.1", "10.99.0.2"))
    gre = a_network("b", "gre", endpoints=("10.99.0.2", "10.99.0.3"))

    tunnels = plan_for(vxlan, gre).tunnels

    assert set(tunnels) == {"vxlan-0a630002", "gre-0a630002", "gre-0a630003"}
    assert tunnels["vxlan-0a630002"].options == {
        "key": "flow",
        "df_default": "true",
        "local_ip": "10.99.0.1",
        "dst_port": "4789",
        "remote_ip": "10.99.0.2",
    }
    assert "dst_port" not in tunnels["gre-0a630002"].options


def test_tunnel_names_fit_into_an_interface_name() -> None:
    """IPv6 endpoints get names of at most 15 bytes, different for different addresses."""
    names = {tunnel_name("geneve", f"2001:db8::{number:x}") for number in range(1, 1000)}

    assert len(names) == 999
    assert max(map(len, names)) <= 15


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (a_network(network_type="geneve"), "this host terminates no geneve tunnels"),
        (a_network(network_type="flat", physical_network="x"), 'physical_network "x" has no bridge on this host'),
        (a_network(network_type="carrier-pigeon"), "network_type carrier-pigeon is unknown to this agent"),
        (
            a_network(network_type="vlan", segmentation_id=4095),
            "segmentation_id 4095 is not between 1 and 4094 (vlan)",
        ),
        (a_network(segmentation_id=None), "segmentation_id None is not between 1 and 16777215 (vxlan)"),
        (a_network(network_type="gre", segmentation_id=2**24), ""),
        (a_network(network_type="flat"), ""),
        (a_network(network_type="local"), ""),
    ],
)
def test_what_this_host_cannot_carry_has_a_reason(network: NetworkView, reason: str) -> None:
    """The reason names the fact that stands in the way."""
    assert obstacle(network, LAYOUT) == reason


def test_a_port_waits_for_its_interface() -> None:
    """Without an interface the port is down and says which iface-id it waits for."""
    network = a_network()
    port = a_port(network=network)

    planned = plan_for(network, port).ports[0]

    assert (planned.state, planned.interface) == (PortState.DOWN, None)
    assert port.id in planned.reason


def test_a_port_is_up_only_with_its_tag_in_the_switch() -> None:
    """The plan wants the tag first, and calls the port up when it is there."""
    network = a_network()
    port = a_port(network=network)

    before = plan_for(network, port, seen=observed(plugged(port))).ports[0]
    after = plan_for(network, port, seen=observed(plugged(port, tag=1, mark="port"))).ports[0]

    assert (before.state, before.tag) == (PortState.DOWN, 1)
    assert (after.state, after.tag) == (PortState.UP, 1)


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        ({"ofport": -1}, PortState.ERROR, "could not open"),
        ({"ofport": -1, "error": "No such device"}, PortState.ERROR, "No such device"),
        ({"ofport": None}, PortState.DOWN, "not taken up"),
        ({"bridge": "br-phy"}, PortState.DOWN, "no interface"),
    ],
)
def test_what_the_switch_says_of_an_interface_is_the_ports_state(
    seen: dict[str, object], state: PortState, reason: str
) -> None:
    """A device that did not open is an error, one that is not numbered yet waits."""
    network = a_network()
    port = a_port(network=network)

    planned = plan_for(network, port, seen=observed(plugged(port, **seen))).ports[0]

    assert planned.state is state
    assert reason in planned.reason


def test_a_disabled_port_is_dead() -> None:
    """admin_state_up off puts the port into the dead VLAN."""
    network = a_network()
    port = a_port(network=network, admin_state_up=False)

    planned = plan_for(network, port, seen=observed(plugged(port, tag=1))).ports[0]

    assert (planned.state, planned.tag) == (PortState.DOWN, DEAD_VLAN)


def test_a_port_that_cannot_be_wired_now_keeps_its_tag() -> None:
    """A network that is missing in a first, partial push does not cut off a guest that is forwarding."""
    port = a_port()

    planned = plan_for(port, seen=observed(plugged(port, tag=7))).ports[0]

    assert (planned.state, planned.tag) == (PortState.ERROR, None)


def test_of_two_interfaces_with_one_id_the_working_one_counts() -> None:
    """While a guest is plugged anew its old, broken interface does not hide the new one."""
    network = a_network()
    port = a_port(network=network)
    broken = replace(plugged(port, ofport=-1, error="No such device"), name="z", port="z")
    works = replace(plugged(port, tag=1), name="a", port="a")

    planned = plan_for(network, port, seen=observed(works, broken)).ports[0]

    assert planned.interface == works


def test_a_foreign_port_in_the_way_stops_only_its_networks() -> None:
    """Somebody else's port with a tunnel's name is an error for the networks that need it."""
    needs = a_network("needs", endpoints=("10.99.0.2",))
    other = a_network("other", "gre", endpoints=("10.99.0.2",))
    foreign = ObservedInterface("vxlan-0a630002", "vxlan-0a630002", "br-tun", type="vxlan", ofport=9)

    plan = plan_for(needs, other, seen=observed(foreign))

    assert list(plan.obstacles) == [needs.id]
    assert "vxlan-0a630002 on br-tun is not ours" in plan.obstacles[needs.id]
    assert set(plan.tunnels) == {"gre-0a630002"}


def test_patches_lead_to_bridges_that_exist() -> None:
    """A physical bridge that the operator has not made yet gets no patch port, and its network an error."""
    network = a_network(network_type="flat")
    seen = Observed({name: BRIDGES[name] for name in ("br-int", "br-tun")})

    plan = plan_for(network, seen=seen)

    assert {patch.name for patch in plan.patches} == {"patch-tun", "patch-int"}
    assert plan.obstacles == {network.id: 'bridge br-phy of physical_network "leaf" does not exist'}


def test_the_plan_is_the_same_for_the_same_views() -> None:
    """Order of arrival does not matter: the plan is a function of what is wanted and seen."""
    networks = [a_network(f"net {number}", endpoints=("10.99.0.2",)) for number in range(5)]
    remote = a_port(9)
    networks = [replace(network, forwarding=(entry(remote, "10.99.0.2"),)) for network in networks]

    assert plan_for(*networks).local_vlans == plan_for(*reversed(networks)).local_vlans

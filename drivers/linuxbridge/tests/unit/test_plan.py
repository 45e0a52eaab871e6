"""What is planned for a network and a port, given what is seen on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jackfield_linuxbridge.desired import BRIDGE_OPTIONS, FLOOD, Device, Plan
from jackfield_linuxbridge.layout import Layout, bridge_name, gre_name, tap_name, vlan_name
from jackfield_linuxbridge.observed import Observed, ObservedLink
from jackfield_linuxbridge.plan import make_plan
from jackfield_sdk import ForwardingEntry, NetworkView, PortState, PortView, Views
from support.views import a_network, a_port

LAYOUT = Layout(
    physical_networks={"leaf": "eth1"},
    tunnel_ip="10.99.0.1",
    tunnel_types=frozenset({"vxlan", "gre"}),
)
ETH1 = ObservedLink("eth1", 2, mtu=9000, up=True)
ELSEWHERE = (
    ForwardingEntry("FA:16:3E:00:00:08", ("192.168.7.8",), "10.99.0.8"),
    ForwardingEntry("fa:16:3e:00:00:09", ("192.168.7.9",), "10.99.0.9"),
)


def plan(*views: NetworkView | PortView, links: tuple[ObservedLink, ...] = (ETH1,), layout: Layout = LAYOUT) -> Plan:
    networks = {view.id: view for view in views if isinstance(view, NetworkView)}
    ports = {view.id: view for view in views if isinstance(view, PortView)}
    return make_plan(Views(networks, ports), Observed({link.name: link for link in links}), layout)


def a_tunnel(network_type: str) -> NetworkView:
    endpoints = ("10.99.0.1", "10.99.0.8", "10.99.0.9", "10.99.0.8")
    return a_network(network_type=network_type, mtu=1400, endpoints=endpoints, forwarding=ELSEWHERE)


def a_tap(port: PortView, **fields: Any) -> ObservedLink:
    return ObservedLink(tap_name(port.id), 7, mac_address="fe:00:00:00:00:01", up=True, **fields)


def test_every_network_has_a_bridge_that_forwards_at_once() -> None:
    """The bridge has the network's name, mark and MTU, and neither spanning tree nor delay."""
    network = a_network(network_type="local", mtu=1400)

    bridge = plan(network).networks[network.id].bridge

    alias = f"jackfield/default bridge {network.id}"
    assert bridge == Device(f"brq{network.id[:11]}", "bridge", alias, 1400, options=BRIDGE_OPTIONS)
    assert BRIDGE_OPTIONS["br_stp_state"] == BRIDGE_OPTIONS["br_forward_delay"] == 0


def test_a_vlan_has_a_device_on_the_uplink() -> None:
    """The VLAN device is named for its uplink and number, and is a port of the bridge."""
    network = a_network(network_type="vlan", mtu=1400)

    (vlan,) = plan(network).networks[network.id].carriers

    assert (vlan.name, vlan.kind, vlan.parent, vlan.bridge) == ("eth1.1234", "vlan", "eth1", bridge_name(network.id))
    assert (vlan.options, vlan.mtu, vlan.isolated) == ({"vlan_id": 1234}, 1400, False)


def test_a_long_uplink_name_is_cut_and_told_apart() -> None:
    """Names end at 15 bytes, and two uplinks that begin alike have two VLAN devices."""
    names = {vlan_name(uplink, 4094) for uplink in ("enp129s0f0np0", "enp129s0f0np1", "eth1")}

    assert len(names) == 3
    assert all(len(name) <= 15 and name.endswith(".4094") for name in names)


def test_a_vxlan_device_knows_who_is_where_and_learns_nothing() -> None:
    """Each remote endpoint gets floods once, each MAC address has one endpoint, this host's own is left out."""
    network = a_tunnel("vxlan")

    planned = plan(network).networks[network.id]

    (vxlan,) = planned.carriers
    options = {"vxlan_id": 5001, "vxlan_local": "10.99.0.1", "vxlan_port": 4789, "vxlan_learning": 0}
    assert (vxlan.name, vxlan.kind, vxlan.options, vxlan.isolated) == ("vxlan-5001", "vxlan", options, False)
    assert planned.destinations == {
        (FLOOD, "10.99.0.8"),
        (FLOOD, "10.99.0.9"),
        ("fa:16:3e:00:00:08", "10.99.0.8"),
        ("fa:16:3e:00:00:09", "10.99.0.9"),
    }


def test_a_vxlan_device_ends_on_an_ipv6_address() -> None:
    """An endpoint of the other family is no remote endpoint."""
    network = a_network(endpoints=("FD00:0::8", "10.99.0.9"))

    planned = plan(network, layout=replace(LAYOUT, tunnel_ip="fd00::1")).networks[network.id]

    assert planned.carriers[0].options["vxlan_local6"] == "fd00::1"
    assert planned.destinations == {(FLOOD, "fd00::8")}


def test_gre_has_an_isolated_device_for_each_endpoint() -> None:
    """What comes out of one tunnel does not go into the next, and the bridge knows what is behind which."""
    network = a_tunnel("gre")

    planned = plan(network).networks[network.id]

    names = [gre_name(5002, endpoint) for endpoint in ("10.99.0.8", "10.99.0.9")]
    assert [carrier.name for carrier in planned.carriers] == names
    assert all(carrier.isolated and carrier.kind == "gretap" for carrier in planned.carriers)
    assert planned.carriers[1].options == {
        "gre_local": "10.99.0.1",
        "gre_remote": "10.99.0.9",
        "gre_ikey": 5002,
        "gre_okey": 5002,
    }
    assert planned.behind == {names[0]: {"fa:16:3e:00:00:08"}, names[1]: {"fa:16:3e:00:00:09"}}


def test_a_flat_network_takes_the_uplink_and_its_mtu() -> None:
    """The host's own addresses move to the bridge, so it has the MTU that they had; the mark names the uplink."""
    network = a_network(network_type="flat")

    planned = plan(network).networks[network.id]

    assert (planned.uplink, planned.carriers, planned.bridge.mtu) == ("eth1", (), 9000)
    assert planned.bridge.alias == f"jackfield/default bridge {network.id} eth1"


@pytest.mark.parametrize(
    ("network", "links", "reason"),
    [
        (a_network(network_type="geneve"), (), "network_type geneve is unknown to this agent"),
        (a_network(network_type="vxlan", segmentation_id=2**24), (), "segmentation_id 16777216 is not between"),
        (
            a_network(network_type="vlan", physical_network="spine"),
            (),
            'physical_network "spine" has no device on this host',
        ),
        (a_network(network_type="flat"), (), 'device eth1 of physical_network "leaf" does not exist'),
        (
            a_network(network_type="vlan"),
            (replace(ETH1, mtu=1400),),
            'device eth1 of physical_network "leaf" has MTU 1400, and the network 1500',
        ),
        (
            a_network(network_type="flat"),
            (replace(ETH1, kind="bridge"),),
            'device eth1 of physical_network "leaf" is a bridge itself',
        ),
        (
            a_network(network_type="flat"),
            (replace(ETH1, bridge="ovs-system"),),
            'device eth1 of physical_network "leaf" is a port of ovs-system already',
        ),
        (
            a_network(network_type="vlan"),
            (ETH1, ObservedLink("eth1.1234", 9, kind="vlan")),
            "device eth1.1234 is not ours: it lacks our alias",
        ),
    ],
)
def test_a_network_that_cannot_be_carried_says_why(
    network: NetworkView, links: tuple[ObservedLink, ...], reason: str
) -> None:
    """The reason is the network's, and that of the ports on it."""
    port = a_port(1, network=network)

    planned = plan(network, port, links=links)

    assert planned.networks == {}
    assert planned.obstacles[network.id].startswith(reason)
    (waiting,) = planned.ports
    assert (waiting.state, waiting.reason, waiting.bridge) == (PortState.ERROR, planned.obstacles[network.id], None)


def test_what_the_kernel_lacks_stands_against_a_network() -> None:
    """A kernel without VLAN devices carries no VLAN, whatever the settings say."""
    network = a_network(network_type="vlan")
    layout = replace(LAYOUT, unsupported={"vlan": "the kernel has no devices of kind vlan"})

    assert plan(network, layout=layout).obstacles == {network.id: "the kernel has no devices of kind vlan"}


def test_an_uplink_carries_one_flat_network() -> None:
    """While another network of ours has the uplink, a second one does not pull it away."""
    first, second = (a_network(name, network_type="flat") for name in ("first", "second"))
    taken = replace(ETH1, bridge=bridge_name(first.id))
    mark = LAYOUT.mark(LAYOUT.alias("bridge", first.id, "eth1"))
    bridge = ObservedLink(bridge_name(first.id), 9, kind="bridge", mark=mark)

    planned = plan(first, second, links=(taken, bridge))

    assert set(planned.networks) == {first.id}
    assert planned.obstacles[second.id].endswith(f"is a port of {bridge.name} already")
    assert set(plan(second, links=(taken, bridge)).networks) == {second.id}


def test_a_port_waits_for_its_tap() -> None:
    """Nothing is planned for a device that is not there."""
    network = a_network()
    port = a_port(1, network=network)

    (waiting,) = plan(network, port).ports

    assert (waiting.state, waiting.reason) == (PortState.DOWN, f"there is no device {tap_name(port.id)}")


def test_a_tap_belongs_into_its_networks_bridge() -> None:
    """A tap that is there is to be up, in the bridge, with the network's MTU."""
    network = a_network(mtu=1400)
    port = a_port(1, network=network)

    (planned,) = plan(network, port, links=(a_tap(port),)).ports

    assert (planned.state, planned.bridge, planned.mtu) == (PortState.UP, bridge_name(network.id), 1400)


def test_a_port_that_is_down_belongs_into_no_bridge() -> None:
    """With admin_state_up False the tap is cut off."""
    network = a_network()
    port = a_port(1, network=network, admin_state_up=False)

    (planned,) = plan(network, port, links=(a_tap(port),)).ports

    assert (planned.state, planned.reason, planned.bridge) == (PortState.DOWN, "admin_state_up is False", "")


def test_of_two_ports_that_want_one_tap_the_one_that_has_it_keeps_it() -> None:
    """Names have room for the beginning of an id; the other port says whose the tap is, and is not filtered there."""
    network = a_network()
    one = a_port(1, network=network, id="0a0a0a0a-0a0a-4000-8000-000000000001")
    two = replace(one, id="0a0a0a0a-0a0a-4000-8000-000000000002")

    for first, second in ((one, two), (two, one)):
        mark = LAYOUT.mark(LAYOUT.alias("port", second.id))
        for tap, owner, other in ((a_tap(one), first, second), (a_tap(one, mark=mark), second, first)):
            planned = {port.view.id: port for port in plan(network, first, second, links=(ETH1, tap)).ports}

            assert (planned[owner.id].state, planned[owner.id].device) == (PortState.UP, tap.name)
            waiting = planned[other.id]
            assert (waiting.state, waiting.device, waiting.bridge) == (PortState.ERROR, "", None)
            assert waiting.reason == f"device {tap.name} is that of port {owner.id}"


def test_a_tap_in_a_foreign_bridge_stays_there() -> None:
    """A tap that somebody else plugged is told, and not moved."""
    network = a_network()
    port = a_port(1, network=network)

    (planned,) = plan(network, port, links=(a_tap(port, bridge="ovs-system"),)).ports

    assert (planned.state, planned.bridge) == (PortState.ERROR, None)
    assert planned.reason == f"{tap_name(port.id)} is a port of ovs-system, which is not ours"


@pytest.mark.parametrize("network_type", ["vxlan", "flat"])
def test_of_two_networks_that_want_one_device_the_one_that_has_it_keeps_it(network_type: str) -> None:
    """The other one says whose the device is; if nobody has it, the first one gets it."""
    one, two = (a_network(name, network_type) for name in ("one", "two"))
    name = "eth1" if network_type == "flat" else "vxlan-5001"

    assert plan(one, two).obstacles == {two.id: f"device {name} carries network {one.id} already"}

    device = plan(two).networks[two.id]
    (made,) = device.carriers or (device.bridge,)
    seen = ObservedLink(made.name, 9, kind=made.kind, alias=made.alias, mark=LAYOUT.mark(made.alias))
    planned = plan(one, two, links=(ETH1, seen))
    assert planned.obstacles == {one.id: f"device {name} carries network {two.id} already"}
    assert planned.networks.keys() == {two.id}

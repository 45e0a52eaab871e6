"""From plan and sight to operations: what differs is written, in an order that the kernel takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jackfield_linuxbridge.desired import BRIDGE_OPTIONS, Device, Plan, PlannedNetwork, PlannedPort
from jackfield_linuxbridge.difference import (
    AddName,
    Change,
    Make,
    Remove,
    RemoveBridge,
    RemoveName,
    ReturnUplink,
    TakeUplink,
    network_operations,
    port_operations,
    sweep_operations,
    unplug_operations,
)
from jackfield_linuxbridge.layout import Layout, bridge_name, tap_name
from jackfield_linuxbridge.observed import Observed, ObservedLink
from jackfield_linuxbridge.plan import make_plan
from jackfield_sdk import NetworkView, PortState, Views
from support.views import a_network, a_port

LAYOUT = Layout(physical_networks={"leaf": "eth1"}, tunnel_ip="10.99.0.1", tunnel_types=frozenset({"vxlan", "gre"}))
ETH1 = ObservedLink("eth1", 2, mtu=1500, up=True)
NOTHING = Plan({}, {}, ())


def sight(*links: ObservedLink) -> Observed:
    return Observed({link.name: link for link in links})


def planned(network: NetworkView, *links: ObservedLink) -> PlannedNetwork:
    return make_plan(Views({network.id: network}), sight(ETH1, *links), LAYOUT).networks[network.id]


def as_planned(device: Device, **fields: Any) -> ObservedLink:
    """Return what the kernel shows of a device that is as planned."""
    seen = ObservedLink(
        name=device.name,
        index=9,
        kind=device.kind,
        mtu=device.mtu,
        up=True,
        bridge=device.bridge,
        parent=device.parent,
        options=device.options,
        isolated=device.isolated,
        alias=device.alias,
        mark=LAYOUT.mark(device.alias),
    )
    return replace(seen, **fields)


@pytest.mark.parametrize("network_type", ["local", "vlan", "vxlan", "gre"])
def test_a_host_that_is_as_planned_is_left_alone(network_type: str) -> None:
    """A pass too many writes nothing."""
    network = planned(a_network(network_type=network_type, endpoints=("10.99.0.8",)))
    seen = [as_planned(device) for device in (network.bridge, *network.carriers)]

    assert network_operations(network, sight(ETH1, *seen)) == []
    assert sweep_operations(Plan({network.view.id: network}, {}, ()), frozenset(), sight(*seen)) == {}


def test_the_bridge_is_up_before_anything_joins_it() -> None:
    """A VLAN device needs its uplink up, and a port its bridge."""
    network = planned(a_network(network_type="vlan"))
    (vlan,) = network.carriers

    operations = network_operations(network, sight(replace(ETH1, up=False)))

    assert operations == [
        Make(network.bridge),
        Change(network.bridge.name, attributes={"up": True}),
        Change("eth1", attributes={"up": True}),
        Make(vlan),
        Change(vlan.name, network.bridge.name, None, {"up": True}),
    ]


def test_a_gre_device_is_isolated_as_soon_as_it_is_a_port() -> None:
    """No frame goes from one tunnel into the next while the second one is made."""
    network = planned(a_network(network_type="gre", endpoints=("10.99.0.8",)))
    (gre,) = network.carriers

    operations = network_operations(network, sight(ETH1, as_planned(network.bridge)))

    assert operations == [Make(gre), Change(gre.name, gre.bridge, True, {"up": True})]


def test_what_can_be_changed_in_place_is_changed() -> None:
    """MTU, alias, state, bridge and options of the bridge are written alone."""
    network = planned(a_network(network_type="vxlan", mtu=1400))
    (vxlan,) = network.carriers
    bridge = as_planned(network.bridge, options=BRIDGE_OPTIONS | {"br_stp_state": 1}, up=False)

    operations = network_operations(network, sight(bridge, as_planned(vxlan, bridge="", mtu=1500, alias="")))

    assert operations == [
        Change(bridge.name, attributes={"br_stp_state": 0, "up": True}, kind="bridge"),
        Change(vxlan.name, network.bridge.name, None, {"mtu": 1400, "alias": vxlan.alias}),
    ]


def test_what_cannot_be_changed_is_made_anew() -> None:
    """A tunnel with another endpoint or number of its own is removed first."""
    network = planned(a_network(network_type="vxlan"))
    (vxlan,) = network.carriers
    seen = as_planned(vxlan, options=vxlan.options | {"vxlan_local": "10.99.0.77"})

    operations = network_operations(network, sight(as_planned(network.bridge), seen))

    assert operations[:2] == [Remove(vxlan.name), Make(vxlan)]


def test_an_uplink_that_the_settings_left_is_given_back_first() -> None:
    """A bridge that had another uplink gives it back before it takes the new one."""
    network = planned(a_network(network_type="flat"))
    before = LAYOUT.alias("bridge", network.view.id, "eth0")
    bridge = as_planned(network.bridge, alias=before, mark=LAYOUT.mark(before))

    operations = network_operations(network, sight(ETH1, ObservedLink("eth0", 3, bridge=bridge.name), bridge))

    assert operations[0] == ReturnUplink("eth0", bridge.name)
    assert operations[-1] == TakeUplink("eth1", bridge.name)


def test_an_uplink_comes_back_from_the_network_before_first() -> None:
    """A bridge of a network that has ended holds the host's addresses: the next one gets them with the uplink."""
    before, network = (planned(a_network(name, network_type="flat")) for name in ("before", "network"))
    returned = ReturnUplink("eth1", before.bridge.name)

    for uplink in (replace(ETH1, bridge=before.bridge.name), ETH1):
        operations = network_operations(network, sight(uplink, as_planned(before.bridge)))

        assert operations[-2:] == [returned, TakeUplink("eth1", network.bridge.name)]


def test_a_tap_gets_only_what_it_lacks() -> None:
    """A new tap joins, comes up, and is marked; one that is right is left alone. Where somebody's alias is, the
    mark is another name, and comes first.
    """
    port = a_port(1)
    tap = ObservedLink(tap_name(port.id), 7, mac_address="fe:00:00:00:00:01", mtu=1500)
    wanted = PlannedPort(port, PortState.UP, "", tap, "brq1", 1400)
    alias = LAYOUT.alias("port", port.id)
    mark = LAYOUT.mark_among(["eth7", LAYOUT.other_name(port.id)])
    right = replace(tap, mtu=1400, up=True, bridge="brq1", alias="of the operator", mark=mark)

    assert port_operations(wanted, LAYOUT) == [
        Change(tap.name, "brq1", None, {"mtu": 1400, "alias": alias, "up": True})
    ]
    assert port_operations(replace(wanted, tap=right), LAYOUT) == []
    assert port_operations(replace(wanted, tap=replace(right, bridge="", mark=None)), LAYOUT) == [
        AddName(tap.name, LAYOUT.other_name(port.id)),
        Change(tap.name, "brq1"),
    ]
    assert port_operations(replace(wanted, tap=right, bridge=None), LAYOUT) == []
    assert port_operations(replace(wanted, tap=right, bridge=""), LAYOUT) == [Change(tap.name, bridge="")]


def test_a_tap_of_a_port_that_is_gone_leaves_the_bridge() -> None:
    """Taps with our mark are taken out wherever they are, and others with a tap's name of bridges of ours."""
    alias = LAYOUT.alias("port", "gone")
    bridge = as_planned(planned(a_network(network_type="local")).bridge)
    ours = ObservedLink("tap1", 7, bridge="brq1", alias=alias, mark=LAYOUT.mark(alias))
    described = ObservedLink("tap2", 8, bridge=bridge.name, alias="instance-1")
    foreign = ObservedLink("tap3", 9, bridge="brq1")
    other = ObservedLink("mine", 10, bridge=bridge.name)

    assert unplug_operations(NOTHING, sight(bridge, ours, described, foreign, other), LAYOUT) == [
        Change("tap1", bridge="", attributes={"alias": ""}),
        Change("tap2", bridge=""),
    ]


def test_a_wired_tap_with_another_name_leaves_the_bridge() -> None:
    """Nothing would judge what comes from it: the filter knows it by the name that it had."""
    port = a_port(1)
    alias = LAYOUT.alias("port", port.id)
    bridge = as_planned(planned(a_network(network_type="local")).bridge)
    wired = ObservedLink(tap_name(port.id), 7, bridge=bridge.name, alias=alias, mark=LAYOUT.mark(alias))
    plan = Plan({}, {}, (PlannedPort(port, PortState.UP, "", wired, bridge.name, 1500),))

    assert unplug_operations(plan, sight(bridge, wired), LAYOUT) == []
    assert unplug_operations(plan, sight(bridge, replace(wired, name="vnet0")), LAYOUT) == [
        Change("vnet0", bridge="", attributes={"alias": ""})
    ]
    described = replace(wired, name="vnet0", alias="instance-1")
    assert unplug_operations(plan, sight(bridge, described), LAYOUT) == [
        Change("vnet0", bridge=""),
        RemoveName("vnet0", LAYOUT.other_name(port.id)),
    ]
    assert unplug_operations(plan, sight(bridge, replace(described, bridge="")), LAYOUT) == [
        RemoveName("vnet0", LAYOUT.other_name(port.id))
    ]


def test_a_network_that_is_gone_leaves_nothing() -> None:
    """Tunnels go first, then the uplink gets its addresses back, then the bridge goes."""
    network = planned(a_network(network_type="vxlan"))
    flat = planned(a_network("flat", network_type="flat"))
    uplink = replace(ETH1, bridge=flat.bridge.name)
    seen = sight(uplink, *(as_planned(device) for device in (network.bridge, *network.carriers, flat.bridge)))

    operations = sweep_operations(NOTHING, frozenset(), seen)

    assert operations == {
        network.view.id: [Remove("vxlan-5001"), RemoveBridge(network.bridge.name)],
        flat.view.id: [ReturnUplink("eth1", flat.bridge.name), RemoveBridge(flat.bridge.name)],
    }


def test_a_bridge_with_a_foreign_port_is_not_removed() -> None:
    """Somebody else's port would lose its bridge."""
    network = planned(a_network(network_type="local"))
    foreign = ObservedLink("mine", 8, bridge=network.bridge.name)

    assert sweep_operations(NOTHING, frozenset(), sight(as_planned(network.bridge), foreign)) == {network.view.id: []}


def test_a_network_that_cannot_be_carried_now_keeps_what_it_has() -> None:
    """An obstacle is no end: what forwards goes on."""
    network = planned(a_network(network_type="vxlan"))
    seen = sight(*(as_planned(device) for device in (network.bridge, *network.carriers)))

    assert sweep_operations(NOTHING, frozenset({network.view.id}), seen) == {}


def test_an_alias_of_another_deployment_is_no_mark() -> None:
    """Two deployments on one host leave each other's devices alone."""
    green = replace(LAYOUT, deployment="green")

    assert LAYOUT.mark(green.alias("bridge", "net")) is None
    assert green.mark(green.alias("bridge", "net", "eth1")) == ("bridge", "net", "eth1")
    assert LAYOUT.group != green.group
    assert LAYOUT.mark("uplink to leaf 1") is None


def test_names_are_those_that_the_compute_service_derives() -> None:
    """Fourteen characters, the last eleven from the id."""
    id = "0f7d1e2c-3b4a-4c5d-8e9f-0a1b2c3d4e5f"

    assert (bridge_name(id), tap_name(id)) == ("brq0f7d1e2c-3b", "tap0f7d1e2c-3b")

"""What is not ours is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name, vxlan_name
from linuxbridge_lab import Host
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NET = a_network(mtu=1400)
BRIDGE = bridge_name(NET.id)


def wired(lab: Any, host: Host, **settings: Any) -> tuple[Any, Any]:
    """Return a guest that is wired on the host, and the agent."""
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    agent = lab.agent(host, **settings).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()
    agent.wait_for(guest.port.id, "up")
    return guest, agent


def test_foreign_devices_are_left_alone(lab: Any) -> None:
    """Bridges, tunnels and taps without our mark are the same before, during and after a network of ours."""
    host = lab.host(lab.underlay())
    host.ip("link", "add", "brq99999999-99", "type", "bridge")
    host.ip("link", "add", "vxlan-77", "type", "vxlan", "id", "77", "dstport", "4789")
    host.ip("link", "add", "tap99999999-99", "type", "veth", "peer", "name", "other")
    host.ip("link", "set", "tap99999999-99", "master", "brq99999999-99")
    before = host.ip("-details", "link")

    _, agent = wired(lab, host)
    agent.remove_port(a_port(1).id)
    agent.remove_network(NET.id)
    eventually(lambda: not host.link(BRIDGE), "the network is gone")

    left = host.ip("-details", "link")
    assert [line for line in before.splitlines() if line not in left.splitlines()] == []


def test_a_device_of_somebody_else_with_our_name_is_told_and_left(lab: Any) -> None:
    """The port says which device stands in the way; when its owner removes it, the port is wired at once."""
    host = lab.host(lab.underlay())
    host.ip("link", "add", vxlan_name(5001), "type", "vxlan", "id", "42", "dstport", "4789")
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    agent = lab.agent(host).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()

    report = agent.wait_for(guest.port.id, "error")
    assert report["reason"] == "device vxlan-5001 is not ours: it lacks our alias"
    assert host.link(vxlan_name(5001))["linkinfo"]["info_data"]["id"] == 42

    host.ip("link", "del", vxlan_name(5001))
    agent.wait_for(guest.port.id, "up")


def test_a_bridge_with_a_foreign_port_stays_until_the_port_goes(lab: Any) -> None:
    """A network that has ended keeps its bridge while somebody else has a port there."""
    host = lab.host(lab.underlay())
    _, agent = wired(lab, host)
    host.ip("link", "add", "mine", "type", "veth", "peer", "name", "mine2")
    host.ip("link", "set", "mine", "master", BRIDGE)

    agent.remove_port(a_port(1).id)
    agent.remove_network(NET.id)
    eventually(lambda: not host.link(vxlan_name(5001)), "the tunnel is gone")
    assert host.link("mine")["master"] == BRIDGE

    host.ip("link", "set", "mine", "nomaster")
    eventually(lambda: not host.link(BRIDGE), "the bridge is gone")


def test_a_bridge_of_the_compute_service_is_ours_with_that_vif_type(lab: Any) -> None:
    """With vif_type bridge the compute service makes the bridge; the agent carries its network."""
    host = lab.host(lab.underlay())
    host.ip("link", "add", BRIDGE, "type", "bridge")
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    host.ip("link", "set", guest.tap, "master", BRIDGE)
    agent = lab.agent(host, vif_type="bridge").started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()

    agent.wait_for(guest.port.id, "up")
    assert host.link(vxlan_name(5001))["master"] == BRIDGE
    assert host.link(BRIDGE)["ifalias"] == f"jackfield/default bridge {NET.id}"


def test_a_bridge_with_an_address_of_the_host_stays_until_the_address_goes(lab: Any) -> None:
    """Whoever gave the host an address on a bridge that was taken for the compute service's still needs it."""
    host = lab.host(lab.underlay())
    host.ip("link", "add", BRIDGE, "type", "bridge")
    host.ip("addr", "add", "172.31.0.1/24", "dev", BRIDGE)
    _, agent = wired(lab, host, vif_type="bridge", audit_interval=600)

    agent.remove_port(a_port(1).id)
    agent.remove_network(NET.id)
    eventually(lambda: "the host has addresses on it" in host.log(), "the log says why the bridge stays")
    assert not host.link(vxlan_name(5001))
    assert "172.31.0.1/24" in host.ip("addr", "show", "dev", BRIDGE)

    host.ip("addr", "del", "172.31.0.1/24", "dev", BRIDGE)
    eventually(lambda: not host.link(BRIDGE), "the bridge is gone")


def test_a_network_keeps_its_tunnel_when_another_one_wants_it(lab: Any) -> None:
    """Two networks with one number do not pull the device to and fro: the second one waits until the first ends."""
    host = lab.host(lab.underlay())
    _, agent = wired(lab, host)
    other = a_network("other", mtu=1400)
    guest = lab.guest(host, a_port(2, network=other))
    guest.plug()

    agent.network(other)
    agent.port(guest.port)
    report = agent.wait_for(guest.port.id, "error")
    assert report["reason"] == f"device vxlan-5001 carries network {NET.id} already"
    assert host.link(vxlan_name(5001))["master"] == BRIDGE

    agent.remove_port(a_port(1).id)
    agent.remove_network(NET.id)
    agent.wait_for(guest.port.id, "up")
    assert host.link(vxlan_name(5001))["master"] == bridge_name(other.id)


def test_two_deployments_share_a_host(lab: Any) -> None:
    """The sweep of one deployment's agent leaves the devices of the other's."""
    host = lab.host(lab.underlay())
    guest, _ = wired(lab, host, deployment="blue")
    before = host.link(BRIDGE)["ifindex"]

    green = lab.agent(host, deployment="green").started()
    other = a_network("other", segmentation_id=6001)
    green.network(other)
    green.in_sync()
    eventually(lambda: host.link(vxlan_name(6001)), "the other network is there")
    green.remove_network(other.id)
    eventually(lambda: not host.link(vxlan_name(6001)), "the other network is gone")

    assert host.link(BRIDGE)["ifindex"] == before
    assert host.link(guest.tap)["master"] == BRIDGE

"""What is ours and not wanted goes, after the core has said everything; what is not ours stays."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jackfield_ovs.layout import COOKIE
from ovs_pairs import a_pair, wire
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional


def test_stale_things_are_swept_only_when_the_core_has_said_everything(lab: Any) -> None:
    """Flows, tunnels, tags and local VLANs of what was removed meanwhile stay until in_sync, then go."""
    one, _ = a_pair(lab)
    one.agent.kill()
    one.agent = lab.agent(one.host, tunnel_linger=0).started()
    other = a_network("other", "local")
    port = a_port(9, network=other)
    guest = lab.guest(one.host, port)
    one.agent.network(other)
    one.agent.port(port)
    guest.plug()
    one.agent.wait_for(port.id, "up")

    eventually(lambda: one.guest.pings("192.168.7.2"), "the guests still talk")
    assert "vxlan-0a630002" in one.host.vsctl("list-ports", "br-tun")

    one.agent.in_sync()

    eventually(lambda: "vxlan-0a630002" not in one.host.vsctl("list-ports", "br-tun"), "the tunnel goes")
    assert one.host.vsctl("get", "port", one.guest.tap, "tag") == "4095"
    assert one.network.id not in one.host.vsctl("get", "bridge", "br-int", "external_ids")
    assert other.id in one.host.vsctl("get", "bridge", "br-int", "external_ids")
    assert not any("tun_id" in flow for flow in one.host.flows("br-tun"))
    ofport = one.host.vsctl("get", "interface", one.guest.tap, "ofport")
    assert not any(f"in_port={ofport}," in flow or f"in_port={ofport} " in flow for flow in one.host.flows("br-int"))


def test_an_unused_tunnel_lingers_and_then_goes(lab: Any) -> None:
    """The tunnel outlives its last rule, so that nobody else's frames are lost for it; an audit takes it."""
    tunnel = "vxlan-0a630002"
    one, _ = a_pair(lab, tunnel_linger=1, audit_interval=0.2)
    began = time.monotonic()

    one.agent.remove_port(one.port.id)
    one.agent.remove_network(one.network.id)
    eventually(lambda: not any("tun_id" in flow for flow in one.host.flows("br-tun")), "the rules go")
    lingers = tunnel in one.host.vsctl("list-ports", "br-tun")
    looked = time.monotonic()

    assert lingers or looked - began > 1
    eventually(lambda: tunnel not in one.host.vsctl("list-ports", "br-tun"), "the tunnel goes")
    assert time.monotonic() - began >= 1


def test_objects_without_our_mark_are_left_alone(lab: Any) -> None:
    """Ports, flows, bridges, keys and tags of others survive the sweep."""
    host = lab.host()
    host.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
    host.vsctl("set", "bridge", "br-int", "external_ids:theirs=kept")
    host.vsctl("add-br", "br-other", "--", "set", "bridge", "br-other", "datapath_type=netdev")
    host.vsctl("add-port", "br-int", "theirs0", "tag=77", "--", "set", "interface", "theirs0", "type=internal")
    agent = lab.agent(host).started()
    tunnel = "vxlan-0a63004d"
    set_tunnel = ["--", "set", "interface", tunnel, "type=vxlan", "options:remote_ip=10.99.0.77"]
    host.vsctl("add-port", "br-tun", tunnel, *set_tunnel)
    host.ofctl("add-flow", "br-int", "cookie=0x77,table=5,priority=5,actions=drop")
    host.ofctl("add-flow", "br-phy", "table=5,priority=5,actions=drop")
    network = a_network("net", "local")
    port = a_port(1, network=network)
    agent.network(network)
    agent.port(port)
    agent.in_sync()
    lab.guest(host, port).plug()
    agent.wait_for(port.id, "up")

    agent.remove_port(port.id)
    agent.remove_network(network.id)
    eventually(lambda: network.id not in host.vsctl("get", "bridge", "br-int", "external_ids"), "the sweep")

    assert host.vsctl("get", "port", "theirs0", "tag") == "77"
    assert "theirs=kept" in host.vsctl("get", "bridge", "br-int", "external_ids")
    assert tunnel in host.vsctl("list-ports", "br-tun")
    assert "br-other" in host.vsctl("list-br").split()
    assert any("table=5" in flow and "0x77" in flow for flow in host.flows("br-int"))
    assert any("table=5" in flow for flow in host.flows("br-phy"))


def test_a_foreign_port_in_the_place_of_a_tunnel_is_an_error(lab: Any) -> None:
    """A tunnel whose name somebody else's port has is not taken over; the port says why it waits."""
    one, two = a_pair(lab)
    one.agent.kill()
    one.host.vsctl("remove", "port", "vxlan-0a630002", "external_ids", "jackfield")

    one.agent = lab.agent(one.host).started()
    one.tell()

    report = one.agent.wait_for(one.port.id, "error")
    assert "vxlan-0a630002 on br-tun is not ours" in report["reason"]
    assert two.agent.reports[two.port.id]["state"] == "up"


def test_a_second_pass_changes_nothing(lab: Any) -> None:
    """Every flow reads back as it was written: a comparison with the switch finds no difference."""
    one, _ = a_pair(lab, audit_interval=0.2)
    before = one.host.flows("br-int")
    port = a_port(3, network=one.network, ip_addresses=("192.168.7.3", "2001:db8::3"))
    guest = lab.guest(one.host, port)
    one.agent.port(port)
    guest.plug()
    one.agent.wait_for(port.id, "up")
    flows = one.host.flows("br-int")
    assert len(flows) > len(before)
    log = (one.host.directory / "agent.log").read_text()
    changes = log.count("flows.changed")

    eventually(lambda: one.host.flows("br-int") == flows, "steady")
    time.sleep(1)  # five audits

    assert (one.host.directory / "agent.log").read_text().count("flows.changed") == changes


def test_a_physical_network_that_left_the_settings_leaves_its_bridge_clean(lab: Any) -> None:
    """An agent that is started without a physical network takes its patch ports and flows away."""
    host = lab.host()
    lab.agent(host).started().stop()
    assert any(f"{COOKIE:#x}" in flow for flow in host.flows("br-phy"))

    agent = lab.agent(host, physical_networks={}).started()
    agent.in_sync()

    eventually(lambda: "phy-br-phy" not in host.vsctl("list-ports", "br-phy"), "the patch goes")
    assert not any(f"{COOKIE:#x}" in flow for flow in host.flows("br-phy"))
    assert "int-br-phy" not in host.vsctl("list-ports", "br-int")


def test_a_rewired_pair_still_talks(lab: Any) -> None:
    """A port that is removed and added again gets through again."""
    one, two = a_pair(lab)
    one.agent.remove_port(one.port.id)
    eventually(lambda: one.host.vsctl("get", "port", one.guest.tap, "tag") == "4095", "the port is dead")
    assert not two.guest.pings("192.168.7.1")
    one.guest.unplug()
    one.agent.reports.pop(one.port.id)

    wire(one)

    eventually(lambda: two.guest.pings("192.168.7.1"), "the guests talk again")

"""Guests on two hosts reach each other over every kind of network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ovs_pairs import TUNNELS, a_pair
from support.hosts import eventually
from support.views import a_network, a_port, identifier

pytestmark = pytest.mark.functional


@pytest.mark.parametrize("network_type", ["flat", "vlan", *TUNNELS])
def test_guests_on_two_hosts_ping_each_other(lab: Any, network_type: str) -> None:
    """Two guests on two hosts answer each other's pings, whatever carries their network."""
    one, two = a_pair(lab, network_type)

    for side, address in ((one, "192.168.7.2"), (two, "192.168.7.1")):
        eventually(partial(side.guest.pings, address), f"{address} answers")


def test_unicast_goes_to_the_named_endpoint_only(lab: Any) -> None:
    """A frame for a MAC address that the core does not name leaves by no tunnel."""
    one, two = a_pair(lab)

    one.agent.network(replace(one.network, version="2", forwarding=()))
    eventually(
        lambda: not any("table=20" in flow and two.port.mac_address in flow for flow in one.host.flows("br-tun")),
        "the forwarding entry goes",
    )

    assert not one.guest.pings("192.168.7.2")


def test_two_networks_on_the_same_hosts_do_not_meet(lab: Any) -> None:
    """A guest does not reach one in another network on the same host."""
    host = lab.host()
    agent = lab.agent(host).started()
    networks = [a_network("red", "local"), a_network("blue", "local")]
    ports = [a_port(number, network=network) for number, network in enumerate(networks, 1)]
    guests = [lab.guest(host, port) for port in ports]
    for network, port, guest in zip(networks, ports, guests, strict=True):
        agent.network(network)
        agent.port(port)
        guest.plug()
        agent.wait_for(port.id, "up")

    assert not guests[0].pings("192.168.7.2")

    # The same guest reaches the other once its port is in the same network: the wire was good.
    agent.port(replace(ports[1], network_id=networks[0].id, version="2"))
    agent.wait_for(ports[1].id, "up", version="2")
    eventually(lambda: guests[0].pings("192.168.7.2"), "the guests meet in one network")


def test_a_vlan_network_uses_its_number_on_the_wire(lab: Any) -> None:
    """Frames of a VLAN segment carry the segment's number on the physical network, not the local one."""
    one, _ = a_pair(lab, "vlan")

    local = one.host.vsctl("get", "port", one.guest.tap, "tag")
    assert local != "1234"
    translation = [flow for flow in one.host.flows("br-phy") if f"dl_vlan={local}" in flow]
    assert translation
    assert f"set_field:{1234 | 0x1000}->vlan_vid" in translation[0]


def test_a_network_without_a_bridge_is_an_error_with_its_reason(lab: Any) -> None:
    """A port on a physical network that the host lacks is reported as an error that names it."""
    host = lab.host()
    agent = lab.agent(host).started()
    network = a_network("far", "vlan", physical_network="spine")
    port = a_port(1, network=network)

    agent.network(network)
    agent.port(port)

    report = agent.wait_for(port.id, "error")
    assert report["reason"] == 'physical_network "spine" has no bridge on this host'


def test_a_port_with_an_address_that_is_none_blocks_no_other(lab: Any) -> None:
    """A view that cannot be wired is refused alone."""
    host = lab.host()
    agent = lab.agent(host).started()
    network = a_network("net", "local")
    good = a_port(1, network=network)
    agent.network(network)
    agent.port(a_port(2, network=network, mac_address="not a MAC", id=identifier("bad")))
    agent.port(good)

    lab.guest(host, good).plug()

    agent.wait_for(good.id, "up")

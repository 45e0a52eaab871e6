"""Taps that come and go, and what becomes of their ports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from jackfield_sdk import host_mac_address
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NET = a_network(network_type="local", segmentation_id=None, mtu=1400)
BRIDGE = bridge_name(NET.id)


@pytest.fixture
def host(lab: Any) -> Any:
    """Give a host without an underlay: guests of a local network meet on it."""
    return lab.host()


def test_a_port_is_up_as_soon_as_its_tap_appears(lab: Any, host: Any) -> None:
    """The port waits with the reason, is wired by the event of its tap, and waits again when the tap goes."""
    guest = lab.guest(host, a_port(1, network=NET))
    agent = lab.agent(host).started()
    agent.network(NET)
    agent.port(guest.port)
    report = agent.wait_for(guest.port.id, "down")
    assert report["reason"] == f"there is no device {guest.tap}"

    guest.plug()
    agent.wait_for(guest.port.id, "up")
    tap = host.link(guest.tap)
    assert (tap["master"], tap["mtu"]) == (BRIDGE, 1400)
    assert tap["ifalias"] == f"jackfield/default port {guest.port.id}"

    guest.unplug()
    agent.wait_for(guest.port.id, "down")


def test_guests_of_one_host_reach_each_other(lab: Any, host: Any) -> None:
    """Two guests on one bridge exchange frames, and the host has no address on it."""
    guests = [lab.guest(host, a_port(number, network=NET)) for number in (1, 2)]
    agent = lab.agent(host).started()
    agent.network(NET)
    for guest in guests:
        guest.plug()
        agent.port(guest.port)
        agent.wait_for(guest.port.id, "up")

    assert guests[0].pings("192.168.7.2", seconds=10)
    for name in (BRIDGE, guests[0].tap):
        assert host.json("addr", "show", "dev", name)[0]["addr_info"] == []


def test_a_port_that_is_administratively_down_is_cut_off(lab: Any, host: Any) -> None:
    """Its tap is in no bridge until the port is up again."""
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    agent = lab.agent(host).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.wait_for(guest.port.id, "up")

    agent.port(replace(guest.port, version="2", admin_state_up=False))
    report = agent.wait_for(guest.port.id, "down", version="2")
    assert report["reason"] == "admin_state_up is False"
    assert "master" not in host.link(guest.tap)

    agent.port(replace(guest.port, version="3"))
    agent.wait_for(guest.port.id, "up", version="3")
    assert host.link(guest.tap)["master"] == BRIDGE


def test_a_tap_with_the_guests_own_address_gets_another(lab: Any, host: Any) -> None:
    """A bridge keeps frames for the addresses of its ports, so the host's end has one that is not the guest's."""
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    host.ip("link", "set", guest.tap, "address", guest.port.mac_address)
    agent = lab.agent(host).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.wait_for(guest.port.id, "up")

    assert host.link(guest.tap)["address"] == host_mac_address(guest.port.mac_address)


def test_a_tap_in_somebody_elses_bridge_stays_there(lab: Any, host: Any) -> None:
    """The port says where its tap is; when it is let go, it is wired."""
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    host.ip("link", "add", "br-mine", "type", "bridge")
    host.ip("link", "set", guest.tap, "master", "br-mine")
    agent = lab.agent(host).started()
    agent.network(NET)
    agent.port(guest.port)

    report = agent.wait_for(guest.port.id, "error")
    assert report["reason"] == f"{guest.tap} is a port of br-mine, which is not ours"
    assert host.link(guest.tap)["master"] == "br-mine"

    host.ip("link", "del", "br-mine")
    agent.wait_for(guest.port.id, "up")


def test_what_the_kernel_cannot_is_told_by_the_port(lab: Any, host: Any) -> None:
    """A port of a network that this host is not set up for is an error with the reason, and others are wired."""
    strange = a_network("strange", "vxlan", segmentation_id=9)
    ports = [a_port(1, network=strange), a_port(2, network=NET)]
    guest = lab.guest(host, ports[1])
    guest.plug()
    agent = lab.agent(host, tunnel_types=[]).started()
    for network in (strange, NET):
        agent.network(network)
    for port in ports:
        agent.port(port)

    agent.wait_for(ports[1].id, "up")
    report = agent.wait_for(ports[0].id, "error")
    assert report["reason"] == "this host terminates no vxlan tunnels"
    eventually(lambda: not host.link(bridge_name(strange.id)), "there is no bridge for it")

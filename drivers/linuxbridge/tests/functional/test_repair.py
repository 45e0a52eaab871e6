"""Devices that somebody deletes or changes by hand are put right at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name, vxlan_name
from linuxbridge_pairs import a_pair
from support.hosts import eventually
from support.views import a_network, a_port, entry

pytestmark = pytest.mark.functional


def test_a_bridge_deleted_by_hand_is_back_by_the_event_of_it(lab: Any) -> None:
    """Long before any audit the bridge has been made again, and traffic goes on."""
    one, _ = a_pair(lab, audit_interval=600)
    assert one.guest.pings("192.168.7.2", seconds=10)

    one.host.ip("link", "del", bridge_name(one.network.id))

    eventually(lambda: one.guest.pings("192.168.7.2"), "the guests reach each other again")


def test_a_tunnel_deleted_by_hand_is_back_with_its_entries(lab: Any) -> None:
    """A VXLAN device that was made anew knows where the others are."""
    one, two = a_pair(lab)
    vxlan = vxlan_name(5001)
    entries = one.host.entries(vxlan)
    assert entries == {("00:00:00:00:00:00", two.host.tunnel_ip), (two.port.mac_address, two.host.tunnel_ip)}

    one.host.ip("link", "del", vxlan)

    eventually(lambda: one.host.link(vxlan) and one.host.entries(vxlan) == entries, "the entries are back")
    assert one.guest.pings("192.168.7.2", seconds=10)


def test_what_was_changed_by_hand_is_put_back(lab: Any) -> None:
    """MTU, state and bridge of our devices and of taps are what the core says, whoever changed them."""
    one, _ = a_pair(lab)
    bridge, vxlan = bridge_name(one.network.id), vxlan_name(5001)

    one.host.ip("link", "set", vxlan, "mtu", "1200")
    one.host.ip("link", "set", bridge, "down")
    one.host.ip("link", "set", one.guest.tap, "nomaster")
    one.host.ip("link", "set", vxlan, "nomaster")

    def right() -> bool:
        links = one.host.links()
        ports = [links[name].get("master") for name in (one.guest.tap, vxlan)]
        return ports == [bridge, bridge] and links[vxlan]["mtu"] == 1400 and "UP" in links[bridge]["flags"]

    eventually(right, "all is as it was")
    assert one.guest.pings("192.168.7.2", seconds=10)


def test_forwarding_follows_the_view(lab: Any) -> None:
    """Ports and endpoints that come, move and go are so on the tunnel, and nothing else is."""
    host = lab.host(lab.underlay())
    network = a_network(mtu=1400)
    here, moving, other = (a_port(number, network=network) for number in (1, 2, 3))
    agent = lab.agent(host).started()
    vxlan = vxlan_name(5001)

    def becomes(*places: tuple[Any, str]) -> None:
        endpoints = tuple(dict.fromkeys(endpoint for _, endpoint in places))
        forwarding = tuple(entry(port, endpoint) for port, endpoint in places)
        agent.network(replace(network, endpoints=(*endpoints, host.tunnel_ip), forwarding=forwarding))
        expected = {("00:00:00:00:00:00", endpoint) for endpoint in endpoints}
        expected |= {(port.mac_address, endpoint) for port, endpoint in places}
        eventually(lambda: host.link(vxlan) and host.entries(vxlan) == expected, f"entries are {expected}")

    agent.port(here)
    becomes((moving, "10.99.0.8"), (other, "10.99.0.8"))
    becomes((moving, "10.99.0.9"), (other, "10.99.0.8"))
    becomes((moving, "10.99.0.9"))
    becomes()


def test_an_audit_puts_back_forwarding_entries(lab: Any) -> None:
    """An entry that somebody deleted or added is put right by the next audit."""
    one, two = a_pair(lab, audit_interval=0.2)
    vxlan = vxlan_name(5001)
    entries = one.host.entries(vxlan)

    one.host.exec("bridge", "fdb", "del", two.port.mac_address, "dev", vxlan, "dst", two.host.tunnel_ip)
    one.host.exec("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", vxlan, "dst", "10.99.0.99")

    eventually(lambda: one.host.entries(vxlan) == entries, "the entries are back")

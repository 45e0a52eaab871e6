"""Whether the packets of a network fit into the underlay of its tunnels."""

from __future__ import annotations

import pytest
from jackfield_sdk.testing import a_network_view
from jackfield_sdk.underlay import Underlay, too_narrow, underlay


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_underlay_is_the_device_with_the_address(address):
    """Of either family; its MTU is what the kernel says."""
    assert underlay(address) == Underlay("lo", 65536, address)


@pytest.mark.parametrize("address", [None, "203.0.113.7", "2001:db8::7"])
def test_of_an_address_that_is_elsewhere_nothing_is_known(address):
    """An agent may serve a switch of another host, and an address may come later."""
    assert underlay(address) is None


@pytest.mark.parametrize(
    ("network_type", "tunnel_ip", "headers"),
    [
        ("vxlan", "198.51.100.1", 50),
        ("vxlan", "2001:db8::1", 70),
        ("geneve", "198.51.100.1", 50),
        ("gre", "198.51.100.1", 42),
    ],
)
def test_a_packet_needs_room_for_its_headers(network_type, tunnel_ip, headers):
    """One byte too many is too many, and the reason has all that is summed up."""
    below = Underlay("eth0", 1500, tunnel_ip)

    assert too_narrow(a_network_view(network_type=network_type, mtu=1500 - headers), below) == ""
    assert too_narrow(a_network_view(network_type=network_type, mtu=1501 - headers), below) == (
        f"device eth0 with tunnel_ip {tunnel_ip} has MTU 1500, "
        f"and the network {1501 - headers} and {headers} of {network_type}"
    )


def test_networks_without_tunnels_have_no_headers():
    """What carries them is compared by whoever knows the device."""
    assert too_narrow(a_network_view(network_type="vlan", mtu=9000), Underlay("eth0", 1500, "198.51.100.1")) == ""
    assert too_narrow(a_network_view(mtu=9000), None) == ""

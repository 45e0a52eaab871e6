"""Guests on two hosts reach each other."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name, gre_name
from linuxbridge_pairs import a_pair
from support.hosts import eventually
from support.views import a_network

pytestmark = pytest.mark.functional

# Which network types need what the kernel of a build machine may lack.
NETWORK_TYPES = [
    "vxlan",
    "flat",
    pytest.param("vlan", marks=pytest.mark.kernel("vlan")),
    pytest.param("gre", marks=pytest.mark.kernel("gretap")),
]


@pytest.mark.parametrize("network_type", NETWORK_TYPES)
def test_guests_reach_each_other(lab: Any, network_type: str) -> None:
    """IPv4, IPv6 and frames of the network's full MTU pass between two hosts."""
    one, _ = a_pair(lab, network_type, tunnel_types=_tunnel_types(network_type))

    assert one.guest.pings("192.168.7.2", seconds=10)
    assert one.guest.pings("fd07::2", seconds=10)
    assert one.guest.pings("192.168.7.2", "-M", "do", "-s", "1372", seconds=10)


@pytest.mark.kernel("gretap")
def test_what_is_deleted_of_a_gre_network_is_back_with_its_entries(lab: Any) -> None:
    """A GRE device that was made or plugged anew is isolated, and the bridge knows what is behind it."""
    one, two = a_pair(lab, "gre", tunnel_types=["gre"])
    gre = gre_name(5002, two.host.tunnel_ip)

    def whole() -> bool:
        port = one.host.link(gre).get("linkinfo", {}).get("info_slave_data", {})
        entries = one.host.exec("bridge", "fdb", "show", "dev", gre, check=False)
        return port.get("isolated") is True and f"{two.port.mac_address} master" in entries and "static" in entries

    for deleted in (bridge_name(one.network.id), gre):
        one.host.ip("link", "del", deleted)
        eventually(whole, f"{deleted} is back, with its entries")
    eventually(lambda: one.guest.pings("192.168.7.2"), "the guests reach each other again")


@pytest.mark.kernel("vlan")
def test_a_vlan_and_a_flat_network_share_an_uplink(lab: Any) -> None:
    """Frames of a VLAN pass while its uplink is a port of the flat network's bridge."""
    one, two = a_pair(lab, "vlan")
    for side in (one, two):
        flat = a_network("flat", "flat", mtu=1400)
        side.agent.network(flat)
        eventually(
            lambda side=side, flat=flat: side.host.link("u0").get("master") == bridge_name(flat.id),
            "the uplink is in the bridge",
        )

    assert one.guest.pings("192.168.7.2", seconds=10)


def _tunnel_types(network_type: str) -> list[str]:
    return [network_type] if network_type in ("vxlan", "gre") else []

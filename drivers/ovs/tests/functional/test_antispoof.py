"""A guest whose operating system takes addresses that are not its own is not heard; a trusted one is.

Which frames pass, one by one, is in `test_spoofing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from jackfield_sdk import AddressPair, PortView
from ovs_lab import AgentProcess, Guest
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")
OWN_V6, PEER_V6 = "2001:db8:7::1", "2001:db8:7::2"
STRANGER = "fa:16:3e:99:99:99"
BOTH = ("192.168.7.1", OWN_V6)


@dataclass
class Room:
    """Two guests on one host; the first one is the suspect."""

    agent: AgentProcess
    suspect: Guest
    peer: Guest

    def secure(self, **fields: Any) -> None:
        """Give the suspect's port these fields."""
        version = str(int(self.agent.reports[self.suspect.port.id]["version"]) + 1)
        self.agent.port(a_port(1, network=NETWORK, **({"ip_addresses": BOTH} | fields | {"version": version})))
        self.agent.wait_for(self.suspect.port.id, "up", version=version)


@pytest.fixture
def room(lab: Any) -> Room:
    """Two guests that reach each other by IPv4 and IPv6."""
    host = lab.host()
    agent = lab.agent(host).started()
    ports: list[PortView] = [
        a_port(1, network=NETWORK, ip_addresses=BOTH),
        a_port(2, network=NETWORK, ip_addresses=("192.168.7.2", PEER_V6)),
    ]
    guests = [lab.guest(host, port) for port in ports]
    agent.network(NETWORK)
    for port, guest in zip(ports, guests, strict=True):
        agent.port(port)
        guest.plug()
        agent.wait_for(port.id, "up")
    agent.in_sync()
    room = Room(agent, *guests)
    eventually(lambda: room.suspect.pings("192.168.7.2"), "the guests talk by IPv4")
    eventually(lambda: room.suspect.pings(PEER_V6), "the guests talk by IPv6")
    return room


def test_a_strange_ip_address_is_dropped(room: Room) -> None:
    """A guest that takes another address is not heard, neither by ARP nor by IP."""
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")
    neighbour = ["neigh", "replace", "192.168.7.66", "lladdr", room.suspect.port.mac_address, "dev", "eth0"]
    room.peer.ip(*neighbour)

    assert not room.suspect.pings("192.168.7.2", "-I", "192.168.7.66")
    eventually(lambda: room.suspect.pings("192.168.7.2", "-I", "192.168.7.1"), "its own address passes")


def test_an_allowed_address_pair_passes(room: Room) -> None:
    """What a pair allows passes: another address, and another MAC address with its own."""
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")
    room.secure(allowed_address_pairs=(AddressPair("", "192.168.7.64/29"), AddressPair(STRANGER, "192.168.7.99")))

    eventually(lambda: room.suspect.pings("192.168.7.2", "-I", "192.168.7.66"), "the pair passes")

    room.suspect.ip("link", "set", "eth0", "address", STRANGER)
    room.suspect.ip("addr", "add", "192.168.7.99/24", "dev", "eth0")
    eventually(lambda: room.suspect.pings("192.168.7.2", "-I", "192.168.7.99"), "the pair's own MAC passes")
    assert not room.suspect.pings("192.168.7.2", "-I", "192.168.7.66")


def test_a_strange_ipv6_address_is_dropped(room: Room) -> None:
    """A guest that takes another IPv6 address is not heard, even if the peer knows its MAC address."""
    stranger = "2001:db8:7::66"
    room.suspect.ip("addr", "add", f"{stranger}/64", "dev", "eth0", "nodad")
    room.peer.ip("neigh", "replace", stranger, "lladdr", room.suspect.port.mac_address, "dev", "eth0")

    assert not room.suspect.pings(PEER_V6, "-I", stranger)
    eventually(lambda: room.suspect.pings(PEER_V6, "-I", OWN_V6), "its own address passes")


@pytest.mark.parametrize("fields", [{"port_security_enabled": False}, {"device_owner": "network:dhcp"}])
def test_a_trusted_port_speaks_for_any_address(room: Room, fields: dict[str, Any]) -> None:
    """Without port security, and for the network's own services, nothing is checked."""
    room.secure(**fields)
    room.suspect.ip("link", "set", "eth0", "address", STRANGER)
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")

    eventually(lambda: room.suspect.pings("192.168.7.2", "-I", "192.168.7.66"), "the trusted guest passes")


def test_a_port_without_addresses_is_held_to_its_mac_address(room: Room) -> None:
    """On a network without subnets a guest may use any IP address, but only its own MAC address."""
    room.secure(ip_addresses=())
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")

    eventually(lambda: room.suspect.pings("192.168.7.2", "-I", "192.168.7.66"), "any address passes")

    room.suspect.ip("link", "set", "eth0", "address", STRANGER)
    assert not room.suspect.pings("192.168.7.2", "-I", "192.168.7.66")

"""A guest speaks only for its own addresses; a trusted one for any."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import pytest
from jackfield_sdk import AddressPair, PortView
from ovs_lab import AgentProcess, Guest, eventually
from ovs_views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")
OWN_V6, PEER_V6 = "2001:db8:7::1", "2001:db8:7::2"
MAC = a_port(1).mac_address
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

    def passes(self, frame: bytes, expression: str) -> bool:
        """Return True if a frame of the suspect reaches the peer."""
        return self.peer.hears(expression, lambda: self.suspect.sends(frame))


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


def test_a_strange_mac_address_is_dropped(room: Room) -> None:
    """Frames from another source MAC address than the port's do not pass."""
    assert not room.passes(datagram("192.168.7.1", 5000, 5000, source_mac=STRANGER), "udp port 5000")
    assert room.passes(datagram("192.168.7.1", 5000, 5000), "udp port 5000")


def test_a_strange_ip_address_is_dropped(room: Room) -> None:
    """A guest that takes another address is not heard, neither by ARP nor by IP."""
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")
    neighbour = ["neigh", "replace", "192.168.7.66", "lladdr", room.suspect.port.mac_address, "dev", "eth0"]
    room.peer.ip(*neighbour)

    assert not room.suspect.pings("192.168.7.2", "-I", "192.168.7.66")
    assert room.suspect.pings("192.168.7.2", "-I", "192.168.7.1")


@pytest.mark.parametrize(
    ("sender_mac", "sender_ip", "passes"),
    [
        (MAC, "192.168.7.1", True),
        (MAC, "192.168.7.66", False),
        (STRANGER, "192.168.7.1", False),
        (MAC, "0.0.0.0", True),
    ],
)
def test_arp_tells_the_truth_or_is_dropped(room: Room, sender_mac: str, sender_ip: str, passes: bool) -> None:
    """An ARP request passes with the port's own MAC and IP address, or as a probe without an address."""
    assert room.passes(arp_request(sender_mac, sender_ip), "arp") is passes


def test_an_allowed_address_pair_passes(room: Room) -> None:
    """What a pair allows passes: another address, and another MAC address with its own."""
    room.suspect.ip("addr", "add", "192.168.7.66/24", "dev", "eth0")
    room.secure(allowed_address_pairs=(AddressPair("", "192.168.7.64/29"), AddressPair(STRANGER, "192.168.7.99")))

    assert room.suspect.pings("192.168.7.2", "-I", "192.168.7.66")

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
    assert room.suspect.pings(PEER_V6, "-I", OWN_V6)


@pytest.mark.parametrize(("target", "passes"), [(OWN_V6, True), ("2001:db8:7::67", False)])
def test_an_advertisement_passes_for_own_addresses_only(room: Room, target: str, passes: bool) -> None:
    """A guest cannot say that it is behind an address that is not its own."""
    advertisement = icmpv6(136, bytes(4) + ipaddress.ip_address(target).packed)

    assert room.passes(advertisement, "icmp6 and ip6[40] == 136") is passes


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


def test_a_guest_cannot_serve_dhcp(room: Room) -> None:
    """Answers of a DHCP server do not leave a guest, requests of a client do."""
    assert not room.passes(datagram("192.168.7.1", 67, 68), "udp src port 67")
    assert room.passes(datagram("0.0.0.0", 68, 67), "udp dst port 67")
    assert not room.passes(datagram("0.0.0.0", 68, 53), "udp dst port 53")


def test_a_guest_cannot_advertise_a_router(room: Room) -> None:
    """A router advertisement does not leave a guest, a router solicitation does."""
    assert not room.passes(icmpv6(134), "icmp6 and ip6[40] == 134")
    assert room.passes(icmpv6(133), "icmp6 and ip6[40] == 133")


def ethernet(kind: int, payload: bytes, source_mac: str = MAC) -> bytes:
    """Return a broadcast frame of the suspect."""
    return b"\xff" * 6 + octets(source_mac) + kind.to_bytes(2, "big") + payload


def arp_request(sender_mac: str, sender_ip: str) -> bytes:
    """Return an ARP request for the peer (RFC 826)."""
    head = bytes.fromhex("0001080006040001")
    target = bytes(6) + ipaddress.ip_address("192.168.7.2").packed
    return ethernet(0x0806, head + octets(sender_mac) + ipaddress.ip_address(sender_ip).packed + target)


def datagram(source_ip: str, source: int, destination: int, *, source_mac: str = MAC) -> bytes:
    """Return a broadcast UDP datagram with a right IP checksum and none for UDP (RFC 768)."""
    udp = source.to_bytes(2, "big") + destination.to_bytes(2, "big") + (12).to_bytes(2, "big") + bytes(2) + b"ping"
    addresses = ipaddress.ip_address(source_ip).packed + b"\xff" * 4
    head = bytes.fromhex("450000200000000040110000") + addresses
    return ethernet(0x0800, head[:10] + checksum(head) + head[12:] + udp, source_mac)


def icmpv6(kind: int, body: bytes = bytes(12)) -> bytes:
    """Return an ICMPv6 message to all nodes with its checksum (RFC 4443)."""
    source = ipaddress.ip_address(OWN_V6).packed
    addresses = source + ipaddress.ip_address("ff02::1").packed
    message = bytes([kind, 0, 0, 0]) + body
    pseudo = addresses + len(message).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    message = message[:2] + checksum(pseudo + message) + message[4:]
    head = bytes.fromhex("60000000") + len(message).to_bytes(2, "big") + bytes([58, 255])
    return ethernet(0x86DD, head + addresses + message)


def checksum(data: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def octets(mac_address: str) -> bytes:
    """Return a MAC address as bytes."""
    return bytes.fromhex(mac_address.replace(":", ""))

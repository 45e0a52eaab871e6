"""Ethernet frames byte by byte, right ones and wrong ones, as a guest could send them.

Each frame carries a mark of eight bytes, by which it is known where it arrives. The mark is a well-formed option
of neighbour discovery (RFC 4861, 4.6), so it can stand behind a message of ICMPv6 as well as in any payload.
"""

from __future__ import annotations

import ipaddress
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_NODES_MAC = "33:33:00:00:00:01"
ALL_NODES = "ff02::1"

IPV4, ARP, RARP, IPV6, VLAN, STACKED, LLDP = 0x0800, 0x0806, 0x8035, 0x86DD, 0x8100, 0x88A8, 0x88CC
UDP, ICMPV6 = 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS = 0, 43, 44, 51, 60

# An option of six bytes of padding (RFC 8200, 4.2), as hop-by-hop and destination options headers have it.
PADDING = b"\x01\x04\x00\x00\x00\x00"

_NONCE = b"\x0e\x01"
_MARK = _NONCE + b"JF"


def mark(number: int) -> bytes:
    """Return the mark of a number below 2**32."""
    return _MARK + number.to_bytes(4, "big")


def mark_in(frame: bytes) -> int | None:
    """Return the number of a frame's mark, None if it has none."""
    at = frame.find(_MARK)
    return None if at < 0 else int.from_bytes(frame[at + len(_MARK) : at + len(_MARK) + 4], "big")


def ethernet(kind: int, payload: bytes, source: str, destination: str = BROADCAST) -> bytes:
    """Return a frame."""
    return octets(destination) + octets(source) + kind.to_bytes(2, "big") + payload


def tagged(frame: bytes, vlan: int, kind: int = VLAN) -> bytes:
    """Return a frame with one more VLAN tag, the outermost."""
    return frame[:12] + struct.pack("!HH", kind, vlan) + frame[12:]


def arp(operation: int, sender_mac: str, sender_ip: str, end: bytes, *, hardware: int = 1) -> bytes:
    """Return an ARP packet (RFC 826) that asks for or answers 192.168.7.2."""
    head = struct.pack("!HHBBH", hardware, IPV4, 6, 4, operation)
    return head + octets(sender_mac) + packed(sender_ip) + bytes(6) + packed("192.168.7.2") + end


def ipv4(source: str, payload: bytes, *, fragment: int = 0, options: bytes = b"") -> bytes:
    """Return a packet of UDP to everybody; `fragment` are the flags and the offset (RFC 791)."""
    words, length = 5 + len(options) // 4, 20 + len(options) + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 7, fragment, 64, UDP, 0)
    head += packed(source) + packed("255.255.255.255") + options
    return head[:10] + checksum(head) + head[12:] + payload


def udp(source: int, destination: int, payload: bytes) -> bytes:
    """Return a datagram without a checksum (RFC 768)."""
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def ipv6(source: str, following: int, payload: bytes) -> bytes:
    """Return a packet to all nodes; `following` is the kind of its first header (RFC 8200)."""
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 255) + packed(source) + packed(ALL_NODES) + payload


def options_header(following: int, payload: bytes) -> bytes:
    """Return a hop-by-hop or destination options header with what follows it."""
    return bytes([following, 0]) + PADDING + payload


def fragment_header(following: int, payload: bytes, *, offset: int = 0, more: bool = True) -> bytes:
    """Return a fragment, of which there is no other unless there are `more`; `offset` in bytes."""
    return struct.pack("!BBHI", following, 0, offset | more, 7) + payload


def authentication_header(following: int, payload: bytes) -> bytes:
    """Return an authentication header of the shortest kind (RFC 4302), with something behind it."""
    return bytes([following, 1, 0, 0]) + struct.pack("!II", 1, 1) + payload


def icmpv6(kind: int, body: bytes, source: str) -> bytes:
    """Return a message to all nodes with its checksum (RFC 4443)."""
    message = bytes([kind, 0, 0, 0]) + body
    pseudo = packed(source) + packed(ALL_NODES) + len(message).to_bytes(4, "big") + bytes([0, 0, 0, ICMPV6])
    return message[:2] + checksum(pseudo + message) + message[4:]


def neighbour(kind: int, target: str, source: str, end: bytes) -> bytes:
    """Return a neighbour solicitation (135) or advertisement (136) for a target."""
    return icmpv6(kind, bytes(4) + packed(target) + end, source)


def checksum(data: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def octets(mac_address: str) -> bytes:
    """Return a MAC address as bytes."""
    return bytes.fromhex(mac_address.replace(":", ""))


def packed(address: str) -> bytes:
    """Return an IP address as bytes."""
    return ipaddress.ip_address(address).packed

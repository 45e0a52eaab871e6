"""What a switch says of itself on every cable: the frames of LLDP (IEEE 802.1AB), read.

A frame is a row of TLVs: 7 bits of type, 9 bits of length, a value. It begins with chassis, port and
time to live, in this order and each once, and whatever follows may be unknown to us. A frame that
breaks these rules is dropped as a whole (802.1AB-2016, 9.2.7.7), so that nobody acts on half of it.

Identifiers become text as switches print them: a MAC address in lower case with colons, an address of
IP as such, a name as it is. Text that came from a wire holds no character that could disturb a
terminal or a database.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

ETHERTYPE = 0x88CC
# The nearest bridge's own address: no bridge forwards it, so it tells of this very cable.
NEAREST_BRIDGE = bytes.fromhex("0180c200000e")

_ETHERNET_HEADER = 14
_END, _CHASSIS_ID, _PORT_ID, _TIME_TO_LIVE, _SYSTEM_NAME = 0, 1, 2, 3, 5
_CHASSIS_MAC, _CHASSIS_ADDRESS = 4, 5
_PORT_MAC, _PORT_ADDRESS = 3, 4
_LONGEST_ID = 255
# IANA's address family numbers; the length of their addresses in octets.
_FAMILIES = {1: 4, 2: 16}


class Malformed(ValueError):
    """A frame that is no LLDP frame, or breaks its rules."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one frame says. `ttl` is in seconds, 0 for a port that takes leave; the name may be empty."""

    chassis_id: str
    port_id: str
    ttl: int
    system_name: str = ""


def parse(frame: bytes) -> Announcement:
    """Return what a whole Ethernet frame says; Malformed if it breaks a rule of LLDP."""
    if len(frame) < _ETHERNET_HEADER or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        raise Malformed("not a frame of LLDP")
    kinds, values = zip(*_tlvs(frame[_ETHERNET_HEADER:]), strict=True)
    if kinds[:3] != (_CHASSIS_ID, _PORT_ID, _TIME_TO_LIVE):
        raise Malformed("does not begin with chassis, port and time to live")
    if any(kind in kinds[3:] for kind in (_CHASSIS_ID, _PORT_ID, _TIME_TO_LIVE)) or kinds.count(_SYSTEM_NAME) > 1:
        raise Malformed("says something twice that is said once")
    name = values[kinds.index(_SYSTEM_NAME)] if _SYSTEM_NAME in kinds else b""
    return Announcement(
        _identifier(values[0], _CHASSIS_MAC, _CHASSIS_ADDRESS),
        _identifier(values[1], _PORT_MAC, _PORT_ADDRESS),
        _time_to_live(values[2]),
        _text(name),
    )


def _tlvs(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of each TLV up to the end, which the frame must not cut off."""
    at = 0
    while True:
        head = int.from_bytes(payload[at : at + 2], "big")
        kind, length = head >> 9, head & 0x1FF
        value = payload[at + 2 : at + 2 + length]
        if len(payload) < at + 2 or len(value) < length:
            raise Malformed("is cut off")
        yield kind, value
        if kind == _END:
            return
        at += 2 + length


def _identifier(value: bytes, mac: int, address: int) -> str:
    """Return an identifier: one octet says what it is, the others are it."""
    kind, rest = value[:1], value[1:]
    if not 1 <= len(rest) <= _LONGEST_ID:
        raise Malformed("an identifier has a wrong length")
    if kind == bytes([mac]):
        if len(rest) != 6:
            raise Malformed("a MAC address has a wrong length")
        return rest.hex(":")
    if kind == bytes([address]) and _FAMILIES.get(rest[0]) == len(rest) - 1:
        return str(ipaddress.ip_address(rest[1:]))
    text = _text(rest)
    if not text:
        raise Malformed("an identifier is empty")
    return text


def _time_to_live(value: bytes) -> int:
    if len(value) < 2:
        raise Malformed("the time to live has a wrong length")
    return int.from_bytes(value[:2], "big")


def _text(value: bytes) -> str:
    text = value.decode(errors="replace").strip("\0 ")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)

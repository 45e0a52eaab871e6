"""Frames of LLDP (IEEE 802.1AB) made by hand, right ones and, piece by piece, wrong ones."""

from __future__ import annotations

from support.frames import LLDP, ethernet, octets

NEAREST_BRIDGE = "01:80:c2:00:00:0e"

CHASSIS_ID, PORT_ID, TIME_TO_LIVE, PORT_DESCRIPTION, SYSTEM_NAME, ORGANIZATION = 1, 2, 3, 4, 5, 127
MAC_CHASSIS, INTERFACE_NAME = b"\x04", b"\x05"
END = bytes(2)


def announcement(chassis: str, port: str, *, ttl: int = 120, name: str = "") -> bytes:
    """Return the frame that a switch sends from a port, padded as a card pads it."""
    named = [tlv(SYSTEM_NAME, name.encode())] if name else []
    return frame(*mandatory(chassis, port, ttl), *named, END, source=chassis).ljust(60, b"\0")


def mandatory(chassis: str, port: str, ttl: int = 120) -> list[bytes]:
    """Return the three TLVs that every frame begins with."""
    return [
        tlv(CHASSIS_ID, MAC_CHASSIS + octets(chassis)),
        tlv(PORT_ID, INTERFACE_NAME + port.encode()),
        tlv(TIME_TO_LIVE, ttl.to_bytes(2, "big")),
    ]


def tlv(kind: int, value: bytes) -> bytes:
    """Return one TLV: 7 bits of kind, 9 bits of length, the value."""
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def frame(*tlvs: bytes, source: str = "02:00:00:00:00:01", destination: str = NEAREST_BRIDGE) -> bytes:
    """Return a frame of these TLVs."""
    return ethernet(LLDP, b"".join(tlvs), source, destination)

"""The frame that tells switches where a machine is: what a hypervisor sends when one has moved.

Switches that learn know a machine by the port where its frames come in. One that has moved is
looked for in the old place until a frame of it comes in at the new one.
"""

from __future__ import annotations

_BROADCAST = b"\xff" * 6
_RARP = b"\x80\x35"
# Ethernet, IPv4, and the lengths of their addresses; 3 is a request (RFC 903).
_REQUEST = b"\x00\x01\x08\x00\x06\x04\x00\x03"
_NO_ADDRESS = bytes(4)
_SHORTEST = 60


def rarp_request(mac_address: str) -> bytes:
    """Return an Ethernet frame, without its checksum, by which a machine asks who it is.

    Nobody answers, and nobody has to: its source and its way are what counts.
    """
    mac = bytes.fromhex(mac_address.replace(":", ""))
    frame = _BROADCAST + mac + _RARP + _REQUEST + mac + _NO_ADDRESS + mac + _NO_ADDRESS
    return frame.ljust(_SHORTEST, b"\0")

"""Addresses in the one spelling that kernels and switches give back, or a ValueError that quotes them.

What is read back from a device can be compared only with what is spelled as the device spells it,
and a device often refuses everything that comes together with an address that is none.
"""

from __future__ import annotations

import ipaddress
import re

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def canonical_mac(text: str) -> str:
    """Return a MAC address in lower case with colons."""
    mac_address = text.lower()
    if not _MAC.fullmatch(mac_address):
        raise ValueError(f"{text!r} is no MAC address")
    return mac_address


def canonical_block(text: str) -> str:
    """Return an IP address, or a block with its host bits cleared; one that is a single address has no length."""
    network = ipaddress.ip_network(text, strict=False)
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def canonical_ip(text: str) -> str:
    """Return an IP address."""
    return str(ipaddress.ip_address(text))


def link_local(mac_address: str) -> str:
    """Return the link-local address that a host makes of its MAC address (RFC 4291, appendix A)."""
    octets = bytearray.fromhex(mac_address.replace(":", ""))
    octets[0] ^= 0x02
    identifier = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))

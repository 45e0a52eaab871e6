"""The network that tunnels run over, and whether a network's packets fit into it with all their headers.

An agent knows the underlay by the device that has its tunnel endpoint. The kernel is asked over
netlink (rtnetlink(7)) in the agent's own network namespace; of an endpoint that is elsewhere
nothing is known, and nothing is claimed.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jackfield_sdk.views import NetworkView

# Bytes between the outer IP header and the inner IP packet: UDP and VXLAN or Geneve without
# options, or GRE with a key, and the inner Ethernet header (RFC 7348, 8926, 2890).
_HEADERS: Mapping[str, int] = {"vxlan": 8 + 8 + 14, "geneve": 8 + 8 + 14, "gre": 4 + 4 + 14}
_IP_HEADERS = {4: 20, 6: 40}

_GET_ADDRESSES, _NEW_ADDRESS, _ERROR, _DONE = 22, 20, 2, 3
_REQUEST_DUMP = 0x0001 | 0x0300
_MESSAGE, _ADDRESS, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_LONGEST = 1 << 16
_PATIENCE = 2.0

_SIOCGIFMTU = 0x8921
_IFREQ = struct.Struct("16si20x")


@dataclass(frozen=True, slots=True)
class Underlay:
    """The device that has the tunnel endpoint, and its MTU in bytes."""

    device: str
    mtu: int
    tunnel_ip: str


def underlay(tunnel_ip: str | None) -> Underlay | None:
    """Return the device that has the address; None if this network namespace has none, or does not tell."""
    if tunnel_ip is None:
        return None
    with contextlib.suppress(OSError):
        for index in _devices_with(tunnel_ip):
            device = socket.if_indextoname(index)
            return Underlay(device, _mtu(device), tunnel_ip)
    return None


def too_narrow(view: NetworkView, below: Underlay | None) -> str:
    """Say why a network's largest packets do not fit into its tunnels; empty if they do, or nothing is known."""
    if below is None or view.network_type not in _HEADERS:
        return ""
    headers = _HEADERS[view.network_type] + _IP_HEADERS[ipaddress.ip_address(below.tunnel_ip).version]
    if view.mtu + headers <= below.mtu:
        return ""
    return (
        f"device {below.device} with tunnel_ip {below.tunnel_ip} has MTU {below.mtu}, "
        f"and the network {view.mtu} and {headers} of {view.network_type}"
    )


def _devices_with(address: str) -> Iterator[int]:
    wanted = ipaddress.ip_address(address)
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    request = _ADDRESS.pack(family, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_PATIENCE)
        netlink.send(_MESSAGE.pack(_MESSAGE.size + len(request), _GET_ADDRESSES, _REQUEST_DUMP, 1, 0) + request)
        for message in _messages(netlink):
            *_, index = _ADDRESS.unpack_from(message)
            attributes = dict(_attributes(message[_ADDRESS.size :]))
            # On a link between two points the address is the other end's, and the local one this end's.
            if attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS)) == wanted.packed:
                yield index


def _messages(netlink: socket.socket) -> Iterator[bytes]:
    """Yield the bodies of the addresses that the kernel lists."""
    while True:
        rest = netlink.recv(_LONGEST)
        while rest:
            length, kind, *_ = _MESSAGE.unpack_from(rest)
            if kind in (_DONE, _ERROR):
                return
            if kind == _NEW_ADDRESS:
                yield rest[_MESSAGE.size : length]
            rest = rest[_aligned(length) :]


def _attributes(rest: bytes) -> Iterator[tuple[int, bytes]]:
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        yield kind, rest[_ATTRIBUTE.size : length]
        rest = rest[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _mtu(device: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, _IFREQ.pack(device.encode(), 0))
    return int(_IFREQ.unpack(answer)[1])

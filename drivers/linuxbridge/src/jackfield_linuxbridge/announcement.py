"""A port that has come up is announced: a frame of its guest on every way out of the host.

Sent on the bridge itself, the frame goes to all its ports and so to all other hosts, whose switches
learn where the guest is. The host's own bridge does not learn from what it sends, and is told by an
entry that ages like a learned one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from jackfield_sdk.announcement import rarp_request
from pyroute2 import IPRoute

from jackfield_linuxbridge.desired import PlannedPort

_MASTER = 0x04  # NTF_MASTER: the bridge's entry
_LEARNED = 0x02  # NUD_REACHABLE: it ages


def announce(netlink: IPRoute, ports: Iterable[PlannedPort]) -> None:
    """Send a frame of each port from its bridge; OSError or NetlinkError if a device is gone."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as frames:
        for port in ports:
            if port.tap is None or not port.bridge:
                continue
            mac_address = port.view.mac_address
            netlink.fdb("replace", ifindex=port.tap.index, lladdr=mac_address, flags=_MASTER, state=_LEARNED)
            frames.sendto(rarp_request(mac_address), (port.bridge, 0))

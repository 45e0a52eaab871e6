"""What this host's kernel can do, found out without making anything.

The kernel checks a request for a new device in this order: does it know the kind, then is the MAC
address one that a device may have. So each kind is asked for with a multicast address: a kernel
that knows it refuses the address (EADDRNOTAVAIL), one that does not refuses the kind, after
it has tried to load the module.
"""

from __future__ import annotations

import errno

from jackfield_sdk import RetryLater
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

_MULTICAST = "01:00:00:00:00:01"

# The kind of device that carries each network type.
_KINDS = {"vlan": "vlan", "vxlan": "vxlan", "gre": "gretap"}


def unsupported() -> dict[str, str]:
    """Map each network type that the kernel cannot carry to the reason; RetryLater without the right to ask."""
    with IPRoute() as netlink:
        return {
            network_type: f"the kernel has no devices of kind {kind}"
            for network_type, kind in _KINDS.items()
            if not _knows(netlink, kind)
        }


def _knows(netlink: IPRoute, kind: str) -> bool:
    try:
        netlink.link("add", ifname="jackfield-probe", kind=kind, address=_MULTICAST)
    except NetlinkError as error:
        if error.code == errno.EPERM:
            raise RetryLater("the agent may make no devices: it needs CAP_NET_ADMIN", code="NOT_PERMITTED") from error
        return bool(error.code == errno.EADDRNOTAVAIL)
    raise AssertionError(f"the kernel made a {kind} device with a multicast address")

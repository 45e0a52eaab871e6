"""What a compute service has to be told to plug a port: VIF types, and the details of each.

The names are those that Nova and os-vif read, so they are no driver's own affair, and drivers that
plug alike must tell alike. The core adds `bound_drivers` itself.

| VIF type | who makes the interface, and where it ends |
|---|---|
| `ovs` | os-vif puts it into `bridge_name`; with `ovs_hybrid_plug` through a Linux bridge of its own |
| `bridge` | os-vif puts it into a Linux bridge that it makes if absent; Nova does so up to release 33 |
| `tap` | Nova makes a tap device and nothing else; the agent on the host puts it where it belongs |
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class VifType(StrEnum):
    """What the host plugs."""

    OVS = "ovs"
    BRIDGE = "bridge"
    TAP = "tap"


def ovs_vif_details(bridge_name: str, *, datapath_type: str = "system", hybrid_plug: bool = False) -> dict[str, Any]:
    """Return the details of `ovs`: the bridge to plug into, and the datapath that it has.

    With `hybrid_plug` a filter on the host needs a Linux bridge between guest and switch.
    """
    return {
        **_COMMON,
        "bridge_name": bridge_name,
        "datapath_type": datapath_type,
        "ovs_hybrid_plug": hybrid_plug,
    }


def bridge_vif_details(bridge_name: str) -> dict[str, Any]:
    """Return the details of `bridge`: the Linux bridge of the network on this host."""
    return {**_COMMON, "bridge_name": bridge_name}


def tap_vif_details(guest_mac_address: str) -> dict[str, Any]:
    """Return the details of `tap`: the MAC address of the host's end of the guest's cable."""
    return {**_COMMON, "mac_address": host_mac_address(guest_mac_address)}


def host_mac_address(guest_mac_address: str) -> str:
    """Return the MAC address for the host's end of a tap device, never that of the guest.

    A bridge that has the guest's own address among its ports keeps the guest's frames. The first
    octet is one that no vendor's cards have and that sorts high: a Linux bridge takes the lowest
    address of its ports for its own, and must not change it when guests come and go.
    """
    first, rest = guest_mac_address.lower().split(":", 1)
    return f"{'fa' if first == 'fe' else 'fe'}:{rest}"


# The agents of this project filter what guests send themselves, and carry layer 2.
_COMMON = {"port_filter": True, "connectivity": "l2"}

"""How the agent lays out a host's bridges: names, numbers and marks, all fixed at start.

The integration bridge holds the guests' ports, the tunnel bridge the tunnels, and each physical
network has the bridge that its operator made. Patch ports join the last two to the first. Names
are derived, never stored, so that an agent that restarts finds what its predecessor made.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

# Linux keeps 15 bytes of an interface name, and a bridge has an interface of its own name.
BRIDGE_NAME_LENGTH = 15

# A port in this VLAN reaches nothing: the integration bridge drops it before anything else.
DEAD_VLAN = 4095

# The mark of ownership: external_ids of the bridges, ports and controllers that the agent made,
# and the cookie of its flows ("jackovs" in ASCII). What does not carry them is not touched.
MARK = "jackfield"
COOKIE = 0x6A61_636B_6F76_7300

PATCH_TO_TUNNELS = "patch-tun"
PATCH_TO_INTEGRATION = "patch-int"


@dataclass(frozen=True, slots=True)
class Layout:
    """One host's part of the settings, as the plan needs it."""

    integration_bridge: str = "br-int"
    tunnel_bridge: str = "br-tun"
    physical_networks: Mapping[str, str] = field(default_factory=dict)
    datapath_type: str = "system"
    tunnel_ip: str | None = None
    tunnel_types: frozenset[str] = frozenset()
    udp_ports: Mapping[str, int] = field(default_factory=dict)
    df_default: bool = True
    flood_unknown_unicast: bool = False

    @property
    def bridges(self) -> tuple[str, ...]:
        """Every bridge that carries our flows, in the order of their OpenFlow ports."""
        physical = (self.physical_networks[name] for name in sorted(self.physical_networks))
        return (self.integration_bridge, self.tunnel_bridge, *physical)

    @property
    def has_tunnels(self) -> bool:
        """True if this host terminates any tunnel."""
        return bool(self.tunnel_types)


def integration_patch(bridge: str) -> str:
    """Name of the patch port on the integration bridge that leads to a physical bridge."""
    return _short("int-", bridge)


def physical_patch(bridge: str) -> str:
    """Name of the patch port on a physical bridge that leads to the integration bridge."""
    return _short("phy-", bridge)


@lru_cache(maxsize=4096)
def tunnel_name(tunnel_type: str, remote_ip: str) -> str:
    """Name of the tunnel port to an endpoint: `vxlan-0a000001`; IPv6 does not fit and is hashed."""
    address = ipaddress.ip_address(remote_ip)
    if address.version == 4:
        return f"{tunnel_type}-{int(address):08x}"
    return f"{tunnel_type}-{hashlib.blake2s(address.packed, digest_size=4).hexdigest()}"


def _short(prefix: str, bridge: str) -> str:
    name = prefix + bridge
    if len(name) <= BRIDGE_NAME_LENGTH:
        return name
    return f"{name[:9]}{hashlib.blake2s(bridge.encode(), digest_size=3).hexdigest()}"

"""How the agent lays out a host: names, numbers and marks, all fixed at start.

A network has one bridge, `brq` and the beginning of its id; a port has the tap device that the
compute service made, `tap` and the beginning of its id. Both names are contracts with the compute
service. All other names are derived as well and never stored, so that an agent that restarts
finds what its predecessor made.

What the agent made carries a mark in its alias (`ip link show`), with the deployment's name in it
so that two deployments can share a host. The kernel takes no alias when it makes a device; until
the alias is there, the device group says that the device is ours. A tap whose alias is somebody
else's keeps it, and has the mark as another name (`altname`), which stays when it is renamed.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Linux keeps 15 bytes of an interface name.
NAME_LENGTH = 15

# The tap's name is the prefix and eleven characters of the port's id, the bridge's likewise.
TAP_PREFIX = "tap"
_ID_LENGTH = 11


class Mark(NamedTuple):
    """What an alias of ours says: the device's role, the id of its network or port, and for a
    bridge the operator's device that is its port.
    """

    role: str
    id: str
    uplink: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """One host's part of the settings, as the plan needs it.

    `unsupported` maps a network type to the reason why this host's kernel cannot carry it.
    """

    physical_networks: Mapping[str, str] = field(default_factory=dict)
    tunnel_ip: str | None = None
    tunnel_types: frozenset[str] = frozenset()
    vxlan_udp_port: int = 4789
    vif_type: str = "tap"
    deployment: str = "default"
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> int:
        """The group of a device that has no alias yet: "ja" in ASCII, and a hash of the deployment's name."""
        digest = hashlib.blake2s(self.deployment.encode(), digest_size=2).digest()
        return 0x6A61_0000 | int.from_bytes(digest, "big")

    def alias(self, role: str, id: str, uplink: str = "") -> str:
        """Return the mark of ownership for a device."""
        return f"jackfield/{self.deployment} {role} {id} {uplink}".rstrip()

    def mark(self, alias: str) -> Mark | None:
        """Read an alias; None if it is not one of this deployment's."""
        words = alias.split(" ")
        if not 3 <= len(words) <= 4 or words[0] != f"jackfield/{self.deployment}":
            return None
        return Mark(*words[1:])

    def other_name(self, port_id: str) -> str:
        """Return the mark for a tap whose alias is somebody else's."""
        return f"{self._other_names}{port_id}"

    def mark_among(self, names: Iterable[str]) -> Mark | None:
        """Read the other names of a device; None if none of them is a mark of this deployment's."""
        marks = (name.removeprefix(self._other_names) for name in names if name.startswith(self._other_names))
        return next((Mark("port", port_id) for port_id in marks), None)

    @property
    def _other_names(self) -> str:
        return f"jackfield/{self.deployment}/port/"


def bridge_name(network_id: str) -> str:
    """Name of a network's bridge."""
    return f"brq{network_id[:_ID_LENGTH]}"


def tap_name(port_id: str) -> str:
    """Name of a port's tap device."""
    return f"{TAP_PREFIX}{port_id[:_ID_LENGTH]}"


def vlan_name(uplink: str, vlan: int) -> str:
    """Name of a VLAN device: `eth1.100`; an uplink whose name leaves no room is cut and hashed."""
    name = f"{uplink}.{vlan}"
    if len(name) <= NAME_LENGTH:
        return name
    digest = hashlib.blake2s(uplink.encode(), digest_size=3).hexdigest()
    return f"{uplink[: NAME_LENGTH - 11]}{digest}.{vlan}"


def vxlan_name(vni: int) -> str:
    """Name of a VXLAN device."""
    return f"vxlan-{vni}"


def gre_name(key: int, endpoint: str) -> str:
    """Name of the GRE device of one network to one endpoint; neither fits, so both are hashed."""
    packed = key.to_bytes(4, "big") + ipaddress.ip_address(endpoint).packed
    return f"gre-{hashlib.blake2s(packed, digest_size=5).hexdigest()}"

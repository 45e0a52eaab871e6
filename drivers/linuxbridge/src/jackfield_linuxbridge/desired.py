"""What a host must hold, as values: the plan's answer.

For each network its bridge, the devices that carry it, and what these forward where; for each port
the bridge that its tap belongs into, and how it fares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jackfield_sdk import NetworkView, PortState, PortView

from jackfield_linuxbridge.observed import ObservedLink

# No spanning tree, so a port forwards at once; multicast goes to all, as on a switch without IGMP.
BRIDGE_OPTIONS = {"br_stp_state": 0, "br_forward_delay": 0, "br_mcast_snooping": 0}

# The address under which a VXLAN device keeps the endpoints for broadcast and unknown addresses.
FLOOD = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of ours. `options` are those of its kind, by netlink's names (`vxlan_id`).

    `isolated` ports of a bridge exchange no frames with each other: what comes out of one tunnel
    does not go into the next. `alias` is the mark of ownership.
    """

    name: str
    kind: str
    alias: str
    mtu: int
    bridge: str = ""
    parent: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class PlannedNetwork:
    """A network that this host carries.

    `uplink` is the operator's device that is the bridge's port, empty unless the network is flat.
    `destinations` maps a VXLAN device's MAC addresses to endpoints, one pair for each entry;
    `behind` maps a GRE device's name to the MAC addresses behind it.
    """

    view: NetworkView
    bridge: Device
    carriers: tuple[Device, ...] = ()
    uplink: str = ""
    destinations: frozenset[tuple[str, str]] = frozenset()
    behind: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """How a port fares: UP as soon as its tap is in the bridge.

    `device` is the name of its tap, empty if another port has it. `tap` is None while unseen.
    `bridge` is the one the tap belongs into, empty if it belongs into none; None leaves it where it
    is: what cannot be wired now may be forwarding still.
    """

    view: PortView
    state: PortState
    reason: str = ""
    tap: ObservedLink | None = None
    bridge: str | None = None
    mtu: int = 0
    device: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the host must hold. `obstacles` says of a network why it cannot be carried."""

    networks: Mapping[str, PlannedNetwork]
    obstacles: Mapping[str, str]
    ports: tuple[PlannedPort, ...]

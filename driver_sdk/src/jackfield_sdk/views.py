"""What a node agent is told and what it tells: views, facts and the state of ports.

A view is a resource cut down to what one host needs. Its `version` is opaque: the same content
has the same version, so a view that an agent holds already is never sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jackfield_sdk.resources import AddressPair


class ViewKind(StrEnum):
    """Kinds of views."""

    NETWORK = "network"
    PORT = "port"


class PortState(StrEnum):
    """State of a port on a host: wired, not wired, or not to be wired as it stands."""

    UP = "up"
    DOWN = "down"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ForwardingEntry:
    """A port behind a tunnel: its MAC address, its IP addresses, the tunnel endpoint of its host."""

    mac_address: str
    ip_addresses: tuple[str, ...]
    endpoint: str


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as one host has to carry it.

    `endpoints` are the tunnel endpoints of the other hosts with ports here, and `forwarding` says
    which of their ports is where; both are empty unless the segment is a tunnel. `mtu` is in
    bytes of layer 3.
    """

    id: str
    version: str
    segment_id: str
    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    mtu: int = 1500
    endpoints: tuple[str, ...] = ()
    forwarding: tuple[ForwardingEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class PortView:
    """A port as its host has to wire it; the view of its network came before."""

    id: str
    version: str
    network_id: str
    mac_address: str
    ip_addresses: tuple[str, ...] = ()
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    vif_type: str = ""
    vnic_type: str = "normal"
    vif_details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host can do.

    `physical_networks` maps each one that the agent can wire to its bridge or interface.
    `vif_types` are those that the host can plug, the preferred one first. `configurations` is
    shown in `/v2.0/agents`.
    """

    physical_networks: Mapping[str, str] = field(default_factory=dict)
    tunnel_types: tuple[str, ...] = ()
    tunnel_ip: str | None = None
    vif_types: tuple[str, ...] = ()
    configurations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The switch port that an interface of the host is plugged into, as LLDP tells it.

    `chassis_id` and `port_id` are empty for an interface that is listened to and hears nobody.
    """

    interface: str
    chassis_id: str = ""
    port_id: str = ""
    system_name: str = ""


@dataclass(frozen=True, slots=True)
class PortReport:
    """State of a port, of the view with `version`; `reason` is for the operator."""

    port_id: str
    version: str
    state: PortState
    reason: str = ""

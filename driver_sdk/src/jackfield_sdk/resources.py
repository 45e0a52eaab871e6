"""What a driver is told about: networks, subnets, ports, and what surrounds them.

Every value is frozen and complete. A driver never has to ask the core for more, and nothing
that it does to a value reaches the core. Identifiers are the core's UUIDs as text, MAC and IP
addresses are canonical lower-case text, and an absent value is `None`, never an empty string.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kinds of resources that a mechanism driver can be told about."""

    NETWORK = "network"
    SUBNET = "subnet"
    PORT = "port"


class Masked(dict[str, Any]):
    """A JSON object that may hold a secret: it reads as a dict and never prints its content."""

    def __repr__(self) -> str:
        """Show that there is something, and nothing of it."""
        return "{<masked>}" if self else "{}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One encapsulation of a network: which wire, and which number on it.

    `network_type` is the name of the type driver ("flat", "vlan", "vxlan", "gre", "geneve",
    "local"). `physical_network` is None for tunnels. `segmentation_id` is a VLAN (1-4094), a VNI
    (1-16777215) or a GRE key, and None for flat and local.
    """

    id: str
    network_id: str
    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """A network with all its segments in the order of their creation. `mtu` is in bytes of layer 3."""

    id: str
    name: str
    project_id: str
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    mtu: int = 1500
    port_security_enabled: bool = True
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class AllocationPool:
    """A range that automatic addresses come from, both ends included."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A static route that hosts of a subnet are told."""

    destination: str
    nexthop: str


@dataclass(frozen=True, slots=True)
class Subnet:
    """An address block on a network; `segment_id` is None unless it is tied to one segment."""

    id: str
    network_id: str
    segment_id: str | None
    name: str
    project_id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None = None
    allocation_pools: tuple[AllocationPool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    enable_dhcp: bool = True
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None


@dataclass(frozen=True, slots=True)
class FixedIp:
    """An address of a port and the subnet it was taken from."""

    subnet_id: str
    ip_address: str


@dataclass(frozen=True, slots=True)
class AddressPair:
    """A further address, or block of addresses, that a port may send from."""

    mac_address: str
    ip_address: str


@dataclass(frozen=True, slots=True)
class DhcpOption:
    """A DHCP option of a port: name or number, value, and the IP version it is for."""

    name: str
    value: str
    ip_version: int = 4


@dataclass(frozen=True, slots=True)
class BindingLevel:
    """One bound level: which driver bound which segment. Level 0 is the fabric."""

    level: int
    driver: str
    segment_id: str


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a port lives and how it is plugged there; `host` is empty while the port is unbound.

    `profile` comes from the compute service and may hold credentials of a switch, so its repr is
    masked. `vif_type` is "unbound" or "binding_failed" while there is no binding.
    """

    host: str = ""
    vnic_type: str = "normal"
    profile: Mapping[str, Any] = field(default_factory=Masked)
    vif_type: str = "unbound"
    vif_details: Mapping[str, Any] = field(default_factory=dict)
    levels: tuple[BindingLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A port with its addresses and its binding."""

    id: str
    network_id: str
    name: str
    project_id: str
    admin_state_up: bool
    mac_address: str
    fixed_ips: tuple[FixedIp, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    binding: Binding = field(default_factory=Binding)


@dataclass(frozen=True, slots=True)
class LldpNeighbour:
    """The switch port at the other end of a cable, as LLDP (IEEE 802.1AB) tells it."""

    chassis_id: str
    port_id: str
    system_name: str = ""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface of a host; `speed` is in bit/s, 0 if it is not known."""

    name: str
    mac_address: str
    speed: int = 0
    neighbour: LldpNeighbour | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """A node agent on a host, and what it said of itself when it connected."""

    agent_type: str
    driver: str
    alive: bool
    physical_networks: frozenset[str] = frozenset()
    tunnel_types: frozenset[str] = frozenset()
    tunnel_ip: str | None = None
    configurations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Host:
    """A host as the core knows it; `physical_networks` is the union over all its agents."""

    name: str
    agents: tuple[Agent, ...] = ()
    physical_networks: frozenset[str] = frozenset()
    tunnel_ip: str | None = None
    nics: tuple[Nic, ...] = ()

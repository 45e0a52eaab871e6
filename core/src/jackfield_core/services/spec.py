"""What a request asks for, after the wire format and before the rows.

``Create`` values hold a default for everything that may be left out; fields
whose default depends on other objects are ``UNSET``. ``Update`` values hold
only what the request names, everything else is ``UNSET``. Vendor attributes are
checked already; ``null`` takes one away.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from jackfield_core.db.vendor_attribute import NO_VALUES, Values
from jackfield_core.types import AddressPair, AllocationPool, DhcpOption, FixedIpRequest, HostRoute, SegmentSpec


class NetworkCreate(Struct, frozen=True, kw_only=True):
    """A network to create; *segments* empty means one of the project's types."""

    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mtu: int | UnsetType = UNSET
    shared: bool = False
    external: bool = False
    port_security_enabled: bool = True
    segments: tuple[SegmentSpec, ...] = ()
    attributes: Values = NO_VALUES


class NetworkUpdate(Struct, frozen=True, kw_only=True):
    """Changes of a network."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    attributes: Values = NO_VALUES


class SegmentCreate(Struct, frozen=True, kw_only=True):
    """A further segment for a network."""

    network_id: str
    spec: SegmentSpec
    name: str = ""
    description: str = ""


class SegmentUpdate(Struct, frozen=True, kw_only=True):
    """Changes of a segment."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class SubnetCreate(Struct, frozen=True, kw_only=True):
    """A subnet to create; ``gateway_ip=None`` means none, UNSET the first address."""

    network_id: str
    project_id: str
    ip_version: int
    cidr: str
    name: str = ""
    description: str = ""
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: tuple[AllocationPool, ...] | UnsetType = UNSET
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    enable_dhcp: bool = True
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None
    segment_id: str | None = None
    attributes: Values = NO_VALUES


class SubnetUpdate(Struct, frozen=True, kw_only=True):
    """Changes of a subnet."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: tuple[AllocationPool, ...] | UnsetType = UNSET
    dns_nameservers: tuple[str, ...] | UnsetType = UNSET
    host_routes: tuple[HostRoute, ...] | UnsetType = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    attributes: Values = NO_VALUES


class PortCreate(Struct, frozen=True, kw_only=True):
    """A port to create; *fixed_ips* UNSET means automatic addresses, empty means none."""

    network_id: str
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mac_address: str | UnsetType = UNSET
    fixed_ips: tuple[FixedIpRequest, ...] | UnsetType = UNSET
    device_id: str = ""
    device_owner: str = ""
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    attributes: Values = NO_VALUES


class PortUpdate(Struct, frozen=True, kw_only=True):
    """Changes of a port; *allowed_address_pairs* without a MAC mean the port's own."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: str | UnsetType = UNSET
    fixed_ips: tuple[FixedIpRequest, ...] | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: tuple[AddressPair, ...] | UnsetType = UNSET
    extra_dhcp_opts: tuple[DhcpOption, ...] | UnsetType = UNSET
    host: str | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType = UNSET
    attributes: Values = NO_VALUES


class AgentUpdate(Struct, frozen=True, kw_only=True):
    """Changes of an agent."""

    admin_state_up: bool | UnsetType = UNSET
    description: str | UnsetType = UNSET

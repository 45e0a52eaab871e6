"""Subnets on the wire."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.values import (
    Flag,
    Number,
    Text,
    Uuid,
    bounded,
    cidr,
    each,
    flag,
    ip_address,
    number,
    one_of,
    project,
    refuse,
)
from jackfield_core.context import RequestContext
from jackfield_core.db.subnet import Subnet
from jackfield_core.services.spec import SubnetCreate, SubnetUpdate
from jackfield_core.types import AllocationPool, HostRoute

MAX_POOLS = 100
"""Allocation pools of one subnet, ours."""
MAX_NAMESERVERS = 5
"""Neutron's default bound."""
MAX_ROUTES = 20
"""Neutron's default bound."""
IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")


class PoolBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of addresses, both ends included."""

    start: str
    end: str


class RouteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A static route for the hosts of a subnet."""

    destination: str
    nexthop: str


class CreateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request for a subnet; pools of subnets are not served, ``null`` stands for none."""

    network_id: Uuid
    ip_version: Number
    cidr: Text
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: list[PoolBody] | UnsetType = UNSET
    dns_nameservers: list[str] | None = None
    host_routes: list[RouteBody] | None = None
    enable_dhcp: Flag = True
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None
    segment_id: Uuid | None = None
    subnetpool_id: None = None

    def spec(self, ctx: RequestContext) -> SubnetCreate:
        """Return what the subnet service is asked for."""
        return SubnetCreate(
            network_id=self.network_id.lower(),
            project_id=project(ctx, self.project_id, self.tenant_id),
            ip_version=_ip_version(self.ip_version),
            cidr=self.cidr,
            name=self.name,
            description=self.description,
            gateway_ip=_gateway_ip(self.gateway_ip),
            allocation_pools=UNSET if self.allocation_pools is UNSET else _pools(self.allocation_pools),
            dns_nameservers=_nameservers(self.dns_nameservers or ()),
            host_routes=_routes(self.host_routes or ()),
            enable_dhcp=flag("enable_dhcp", self.enable_dhcp),
            ipv6_address_mode=_mode("ipv6_address_mode", self.ipv6_address_mode),
            ipv6_ra_mode=_mode("ipv6_ra_mode", self.ipv6_ra_mode),
            segment_id=self.segment_id and self.segment_id.lower(),
        )


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change a subnet."""

    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    allocation_pools: list[PoolBody] | UnsetType = UNSET
    dns_nameservers: list[str] | UnsetType | None = UNSET
    host_routes: list[RouteBody] | UnsetType | None = UNSET
    enable_dhcp: Flag | UnsetType = UNSET

    def spec(self) -> SubnetUpdate:
        """Return what the subnet service is asked for."""
        return SubnetUpdate(
            name=self.name,
            description=self.description,
            gateway_ip=_gateway_ip(self.gateway_ip),
            allocation_pools=UNSET if self.allocation_pools is UNSET else _pools(self.allocation_pools),
            dns_nameservers=UNSET if self.dns_nameservers is UNSET else _nameservers(self.dns_nameservers or ()),
            host_routes=UNSET if self.host_routes is UNSET else _routes(self.host_routes or ()),
            enable_dhcp=flag("enable_dhcp", self.enable_dhcp),
        )


class SubnetOut(Struct, frozen=True):
    """A subnet as users see it."""

    id: str
    name: str
    project_id: str
    tenant_id: str
    description: str
    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    allocation_pools: Sequence[AllocationPool]
    dns_nameservers: Sequence[str]
    host_routes: Sequence[HostRoute]
    enable_dhcp: bool
    ipv6_address_mode: str | None
    ipv6_ra_mode: str | None
    segment_id: str | None
    subnetpool_id: None
    revision_number: int
    created_at: str
    updated_at: str


def render(subnet: Subnet) -> SubnetOut:
    """Return a subnet as users see it."""
    return SubnetOut(
        subnet.id,
        subnet.name,
        subnet.project_id,
        subnet.project_id,
        subnet.description,
        subnet.network_id,
        subnet.ip_version,
        subnet.cidr,
        subnet.gateway_ip,
        subnet.allocation_pools,
        subnet.dns_nameservers,
        subnet.host_routes,
        subnet.enable_dhcp,
        subnet.ipv6_address_mode,
        subnet.ipv6_ra_mode,
        subnet.segment_id,
        None,
        subnet.revision_number,
        moment(subnet.created_at),
        moment(subnet.updated_at),
    )


def _ip_version(value: Number) -> int:
    found = number("ip_version", value, 255)
    if found not in (4, 6):
        raise refuse("ip_version", f"'{value}' is not in [4, 6]")
    return found


def _gateway_ip(value: str | UnsetType | None) -> str | UnsetType | None:
    return value if value is UNSET or value is None else ip_address("gateway_ip", value)


def _pools(bodies: Sequence[PoolBody]) -> tuple[AllocationPool, ...]:
    return each(
        bounded("allocation_pools", bodies, MAX_POOLS),
        lambda body: AllocationPool(
            ip_address("allocation_pools", body.start), ip_address("allocation_pools", body.end)
        ),
    )


def _nameservers(texts: Sequence[str]) -> tuple[str, ...]:
    bounded("dns_nameservers", texts, MAX_NAMESERVERS, "DNSNameServersExhausted")
    found = each(texts, lambda text: ip_address("dns_nameservers", text))
    if len(set(found)) < len(found):
        raise refuse("dns_nameservers", "an address is listed twice")
    return found


def _routes(bodies: Sequence[RouteBody]) -> tuple[HostRoute, ...]:
    bounded("host_routes", bodies, MAX_ROUTES, "HostRoutesExhausted")
    found = each(
        bodies, lambda body: HostRoute(cidr("host_routes", body.destination), ip_address("host_routes", body.nexthop))
    )
    if len(set(found)) < len(found):
        raise refuse("host_routes", "a route is listed twice")
    return found


def _mode(name: str, value: str | None) -> str | None:
    return value and one_of(name, value, IPV6_MODES)

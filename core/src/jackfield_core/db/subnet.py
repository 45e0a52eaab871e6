"""Subnets. Their address pools live in the row; the addresses in use are rows of their own."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from jackfield_core.db.base import Id, Json, Name, metadata
from jackfield_core.db.resource import ResourceTable
from jackfield_core.db.statement import Statement, among
from jackfield_core.types import AllocationPool, HostRoute

AUTOMATIC = ("slaac", "dhcpv6-stateless")
"""IPv6 modes in which hosts make their own addresses; either mode of a subnet decides, as in Neutron."""

table = sa.Table(
    "subnet",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("network_id", Id, sa.ForeignKey("network.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("project_id", Name, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Name, nullable=False),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    sa.Column("ipv6_address_mode", sa.String(32)),
    sa.Column("ipv6_ra_mode", sa.String(32)),
    sa.Column("segment_id", Id),
    sa.Column("allocation_pools", Json(tuple[AllocationPool, ...]), nullable=False),
    sa.Column("dns_nameservers", Json(tuple[str, ...]), nullable=False),
    sa.Column("host_routes", Json(tuple[HostRoute, ...]), nullable=False),
    sa.Column("revision_number", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("deleted_at", sa.DateTime),
    sa.Index("ix_subnet_project_id_id", "project_id", "id"),
    sa.Index("ix_subnet_name_id", "name", "id"),
)


class Subnet(Struct, frozen=True):
    """A subnet as it is stored; addresses are canonical text."""

    id: str
    network_id: str
    project_id: str
    name: str
    description: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    ipv6_address_mode: str | None
    ipv6_ra_mode: str | None
    segment_id: str | None
    allocation_pools: tuple[AllocationPool, ...]
    dns_nameservers: tuple[str, ...]
    host_routes: tuple[HostRoute, ...]
    revision_number: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def is_auto_address(self) -> bool:
        """True if hosts make their own addresses from their MAC (SLAAC, RFC 4862)."""
        return self.ipv6_address_mode in AUTOMATIC or self.ipv6_ra_mode in AUTOMATIC


_OF_NETWORKS = Statement(
    lambda dialect: (
        sa.select(table)
        .where(among(table.c.network_id, "ids", dialect), table.c.deleted_at.is_(None))
        .order_by(table.c.created_at, table.c.id)
    )
)


class SubnetTable(ResourceTable[Subnet]):
    """Subnets, seen through one connection."""

    kind = "subnet"
    table = table
    row = Subnet
    selection = sa.select(table)
    filters = {
        column.name: column
        for column in table.c
        if column.name not in ("allocation_pools", "dns_nameservers", "host_routes", "deleted_at")
    }

    async def list_of_networks(self, ids: list[str]) -> dict[str, list[Subnet]]:
        """Return the live subnets of each network, oldest first; a network without any is absent."""
        subnets: dict[str, list[Subnet]] = {}
        for row in await _OF_NETWORKS.rows(self._connection, {"ids": ids}):
            subnet = Subnet(*row)
            subnets.setdefault(subnet.network_id, []).append(subnet)
        return subnets

"""Where ports are: what the hosts of a network have to know of it.

One query reads all bound ports of some networks with their place: host, the
segment bound there, the mechanism driver that bound it, and the tunnel endpoint
of that driver's agent. Agent programs of one driver on one host share nothing
with those of another, so a place is a pair of host and driver. A second query
reads the same of some hosts only: what has to be known again when a port came
to one host of a network, or left it.
"""

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import agent
from jackfield_core.db.port import binding_table, level_table, table
from jackfield_core.db.statement import Row, Statement, among
from jackfield_core.types import BINDING_FAILED, UNBOUND, AddressPair, FixedIp


class PlacedPort(Struct, frozen=True):
    """A bound port and its place; *tunnel_ip* is that of the agent which wires it."""

    id: str
    network_id: str
    mac_address: str
    fixed_ips: tuple[FixedIp, ...]
    admin_state_up: bool
    device_id: str
    device_owner: str
    port_security_enabled: bool
    allowed_address_pairs: tuple[AddressPair, ...]
    host: str
    vif_type: str
    vnic_type: str
    vif_details: dict[str, object]
    driver: str
    segment_id: str
    tunnel_ip: str | None


_OF_PORT = PlacedPort.__struct_fields__[:9]
_OF_BINDING = ("host", "vif_type", "vnic_type", "vif_details")
_NOT_BOUND = (UNBOUND, BINDING_FAILED)
_higher = level_table.alias("higher")
_is_top = ~sa.exists().where(
    _higher.c.port_id == level_table.c.port_id,
    _higher.c.host == level_table.c.host,
    _higher.c.level > level_table.c.level,
)


class _Joined:
    """Tables joined one to another, each looked up by its key for every row of those before it.

    Port, binding and levels are one row for each other, which PostgreSQL does not
    know of keys of two columns: it expects that few rows fit, and for these reads
    the whole of a table. ``OFFSET 0`` keeps it from taking a lookup apart.
    """

    def __init__(self, first: sa.Table, dialect: str) -> None:
        self.all: sa.FromClause = first
        self._dialect = dialect

    def join(self, other: sa.Table, *conditions: sa.ColumnElement[bool]) -> Any:
        """Join *other*, and return its columns."""
        if self._dialect != "postgresql":
            self.all = self.all.join(other, sa.and_(*conditions))
            return other.c
        lookup = sa.select(other).where(*conditions).offset(sa.literal_column("0")).lateral(f"the_{other.name}")
        self.all = self.all.join(lookup, sa.true())
        return lookup.c


def _of_networks(dialect: str) -> sa.Select[Any]:
    joined = _Joined(table, dialect)
    binding = joined.join(binding_table, binding_table.c.port_id == table.c.id)
    return _placed(joined, table.c, binding).where(
        table.c.deleted_at.is_(None), among(table.c.network_id, "ids", dialect)
    )


def _of_networks_on_hosts(dialect: str) -> sa.Select[Any]:
    joined = _Joined(binding_table, dialect)
    port = joined.join(
        table,
        table.c.id == binding_table.c.port_id,
        table.c.deleted_at.is_(None),
        among(table.c.network_id, "ids", dialect),
    )
    return _placed(joined, port, binding_table.c).where(among(binding_table.c.host, "hosts", dialect))


def _placed(joined: _Joined, port: Any, binding: Any) -> sa.Select[Any]:
    """Select what :class:`PlacedPort` has, in order."""
    level = _top_level(joined, binding)
    agents = agent.table
    rows = joined.all.outerjoin(agents, (agents.c.host == binding.host) & (agents.c.driver == level.driver))
    columns = (*(port[name] for name in _OF_PORT), *(binding[name] for name in _OF_BINDING))
    wanted = sa.select(*columns, level.driver, level.segment_id, agents.c.tunnel_ip)
    return wanted.select_from(rows).order_by(port.id, agents.c.agent_type)


def _on_hosts(dialect: str) -> sa.Select[Any]:
    joined = _Joined(binding_table, dialect)
    binding = binding_table.c
    port = joined.join(table, table.c.id == binding.port_id, table.c.deleted_at.is_(None))
    level = _top_level(joined, binding)
    is_bound = [binding.vif_type != type for type in _NOT_BOUND]
    wanted = sa.select(binding.host, level.driver, port.id, port.network_id).select_from(joined.all)
    return wanted.where(among(binding.host, "hosts", dialect), *is_bound)


def _top_level(joined: _Joined, binding: Any) -> Any:
    """Join the level on which a host is plugged, and return its columns."""
    level = level_table.c
    return joined.join(level_table, level.port_id == binding.port_id, level.host == binding.host, _is_top)


_OF_NETWORKS = Statement(_of_networks)
_OF_NETWORKS_ON_HOSTS = Statement(_of_networks_on_hosts)
_ON_HOSTS = Statement(_on_hosts)


class PlacementTable:
    """Places of ports, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_networks(self, ids: Collection[str]) -> dict[str, list[PlacedPort]]:
        """Return the bound ports of each network in order of their ids; a network without any is absent."""
        return _by_network(await _OF_NETWORKS.rows(self._connection, {"ids": [*ids]}))

    async def of_networks_on(self, hosts: Collection[str], ids: Collection[str]) -> dict[str, list[PlacedPort]]:
        """Return those of :meth:`of_networks` that are on one of *hosts*."""
        values = {"ids": [*ids], "hosts": [*hosts]}
        return _by_network(await _OF_NETWORKS_ON_HOSTS.rows(self._connection, values))

    async def on_host(self, host: str, driver: str) -> dict[str, str]:
        """Return the network of each port that *driver* bound to *host*, by port id."""
        return (await self.on_hosts([host])).get((host, driver), {})

    async def on_hosts(self, hosts: Collection[str]) -> dict[tuple[str, str], dict[str, str]]:
        """Return the network of each port on *hosts*, by host and driver, and by port id."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for host, driver, port_id, network_id in await _ON_HOSTS.rows(self._connection, {"hosts": [*hosts]}):
            found.setdefault((host, driver), {})[port_id] = network_id
        return found


def _by_network(rows: Iterable[Row]) -> dict[str, list[PlacedPort]]:
    # Two agents of one driver on one host would double a port: the first by type counts.
    ports: dict[str, dict[str, PlacedPort]] = {}
    for row in rows:
        port = PlacedPort(*row)
        # Not a part of the query: where all ports have the same VIF type, PostgreSQL expects none
        # that has another one than two unknown ones, and reads all bindings there are to find it.
        if port.vif_type not in _NOT_BOUND:
            ports.setdefault(port.network_id, {}).setdefault(port.id, port)
    return {network_id: list(found.values()) for network_id, found in ports.items()}

"""Where ports are: what the hosts of a network have to know of it.

One query reads all bound ports of some networks with their place: host, the
segment bound there, the mechanism driver that bound it, and the tunnel endpoint
of that driver's agent. Agent programs of one driver on one host share nothing
with those of another, so a place is a pair of host and driver. A second query
reads the same of some hosts only: what has to be known again when a port came
to one host of a network, or left it.
"""

from collections.abc import Collection, Iterable

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


_higher = level_table.alias("higher")
_is_top = ~sa.exists().where(
    _higher.c.port_id == level_table.c.port_id,
    _higher.c.host == level_table.c.host,
    _higher.c.level > level_table.c.level,
)
_PLACED = (
    sa.select(
        *(table.c[name] for name in PlacedPort.__struct_fields__[:9]),
        *(binding_table.c[name] for name in ("host", "vif_type", "vnic_type", "vif_details")),
        level_table.c.driver,
        level_table.c.segment_id,
        agent.table.c.tunnel_ip,
    )
    .join(binding_table, binding_table.c.port_id == table.c.id)
    .join(level_table, (level_table.c.port_id == table.c.id) & (level_table.c.host == binding_table.c.host) & _is_top)
    .outerjoin(
        agent.table, (agent.table.c.host == binding_table.c.host) & (agent.table.c.driver == level_table.c.driver)
    )
    .where(table.c.deleted_at.is_(None))
)
_IN_ORDER = _PLACED.order_by(table.c.id, agent.table.c.agent_type)
_NOT_BOUND = (UNBOUND, BINDING_FAILED)
_OF_NETWORKS = Statement(lambda dialect: _IN_ORDER.where(among(table.c.network_id, "ids", dialect)))
_OF_NETWORKS_ON_HOSTS = Statement(
    lambda dialect: _IN_ORDER.where(
        among(table.c.network_id, "ids", dialect), among(binding_table.c.host, "hosts", dialect)
    )
)
_ON_HOSTS = Statement(
    lambda dialect: _PLACED.where(
        among(binding_table.c.host, "hosts", dialect), *(binding_table.c.vif_type != type for type in _NOT_BOUND)
    ).with_only_columns(binding_table.c.host, level_table.c.driver, table.c.id, table.c.network_id)
)


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

"""Which ports have to get, or to give up, an address when a subnet comes or goes.

All ports of a network, or all that have an address of a subnet, are read and
kept from changing in one statement, and written in few round trips: a network
may have thousands.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import address
from jackfield_core.db.leaving import address_is_leaving
from jackfield_core.db.port import Port, PortTable, table
from jackfield_core.db.statement import Statement

# One order for everybody, so that two transactions never wait in a circle.
_LIVE = PortTable.selection.where(table.c.deleted_at.is_(None)).order_by(table.c.id).with_for_update(of=table)
_holds_address = sa.exists().where(
    address.table.c.port_id == table.c.id,
    address.table.c.subnet_id == sa.bindparam("a_subnet_id"),
    ~address_is_leaving(address.table),
)

_ON_NETWORK = Statement(_LIVE.where(table.c.network_id == sa.bindparam("a_network_id")))
_ON_SUBNET = Statement(_LIVE.where(_holds_address))
_WRITE = Statement(
    sa.update(table).where(table.c.id == sa.bindparam("an_id")), ["fixed_ips", "revision_number", "updated_at"]
)


class OccupancyTable:
    """Ports and the addresses that they have of a subnet, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def on_network(self, network_id: str) -> Sequence[Port]:
        """Return the live ports of a network and keep them from changing until the commit."""
        rows = await _ON_NETWORK.rows(self._connection, {"a_network_id": network_id})
        return [PortTable.from_row(row) for row in rows]

    async def on_subnet(self, subnet_id: str) -> Sequence[Port]:
        """Return the live ports with an address of a subnet and keep them from changing until the commit."""
        rows = await _ON_SUBNET.rows(self._connection, {"a_subnet_id": subnet_id})
        return [PortTable.from_row(row) for row in rows]

    async def write(self, ports: Sequence[Port]) -> None:
        """Write the addresses of ports as users see them, with the revisions that show them."""
        written = [
            {
                "an_id": port.id,
                "fixed_ips": port.fixed_ips,
                "revision_number": port.revision_number,
                "updated_at": port.updated_at,
            }
            for port in ports
        ]
        await _WRITE.run_many(self._connection, written)

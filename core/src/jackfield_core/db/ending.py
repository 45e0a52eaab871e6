"""The end of resources: rows that nobody is owed any more go for good.

So does what updates took away from resources that live (:mod:`.leaving`).

Several drivers may let go of the last things on a network at the same moment.
Each must see what the others did, or all of them would leave the purge to
somebody else: so whoever settles an end first holds the networks concerned.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import address, delivery, network, port, segment, subnet
from jackfield_core.db.leaving import Leaving, LeavingTable
from jackfield_core.db.statement import Row, Statement, among
from jackfield_core.db.vendor_attribute import VendorAttributeTable
from jackfield_core.types import Kind

_HOLD = Statement(
    lambda dialect: (
        sa.select(network.table.c.id)
        .where(among(network.table.c.id, "ids", dialect))
        # One order for everybody, so that two batches never wait in a circle.
        .order_by(network.table.c.id)
        .with_for_update(key_share=True)
    )
)


def _is_over(kind: Kind, table: sa.Table) -> sa.ColumnElement[bool]:
    owed = sa.exists().where(
        delivery.table.c.kind == kind,
        delivery.table.c.resource_id == table.c.id,
        # What a device brings back after its end was acknowledged keeps nothing reserved.
        ~delivery.table.c.orphan,
        delivery.table.c.rank < delivery.NOTICE_RANK,
    )
    return table.c.deleted_at.is_not(None) & ~owed


def _purge(kind: Kind, table: sa.Table, column: str, *conditions: sa.ColumnElement[bool]) -> Statement:
    return Statement(
        lambda dialect: (
            sa.delete(table)
            .where(among(table.c[column], "ids", dialect), _is_over(kind, table), *conditions)
            .returning(table.c.id)
        )
    )


_PORTS = _purge(Kind.PORT, port.table, "id")
_PORTS_OF_NETWORKS = _purge(Kind.PORT, port.table, "network_id")
# Addresses go with their subnet, so it stays while a port that is still ending has one of it.
_SUBNETS = _purge(
    Kind.SUBNET, subnet.table, "network_id", ~sa.exists().where(address.table.c.subnet_id == subnet.table.c.id)
)
# Rows of parts go with that of the network, so it stays while the end of one is still owed. A subnet that lives
# is not waited for: nobody but the network's own end speaks of it.
_ending_subnet = sa.exists().where(
    subnet.table.c.network_id == network.table.c.id, subnet.table.c.deleted_at.is_not(None)
)
_NETWORKS = _purge(
    Kind.NETWORK,
    network.table,
    "id",
    ~sa.exists().where(port.table.c.network_id == network.table.c.id),
    ~_ending_subnet,
)

_FREE_ADDRESS = Statement(
    sa.delete(address.table).where(
        address.table.c.subnet_id == sa.bindparam("a_subnet_id"),
        address.table.c.ip_address == sa.bindparam("an_ip_address"),
        address.table.c.port_id == sa.bindparam("a_port_id"),
    )
)
_FREE_SEGMENTS = Statement(lambda dialect: sa.delete(segment.table).where(among(segment.table.c.id, "ids", dialect)))


class EndTable:
    """Deleted resources, seen through one connection; those of the *attributed* kinds may have vendor attributes."""

    def __init__(self, connection: AsyncConnection, attributed: Collection[Kind]) -> None:
        self._connection = connection
        self._attributed = attributed
        self._leaving = LeavingTable(connection)

    async def hold(self, network_ids: Collection[str]) -> None:
        """Keep everybody else from settling ends on these networks until the commit.

        Comes before the acknowledgement. Networks are held before ports, and
        both before rows of the ledger, as services do it.
        """
        await self._run(_HOLD, network_ids)

    async def settle_updates(self, ids: Collection[str]) -> set[str]:
        """Free what resources let go of and nobody has to hear of any more; return their networks.

        The caller holds them: one that takes something back at this moment is waited for.
        """
        things = await self._leaving.settle(ids)
        await self._free(things)
        return {one.network_id for one in things}

    async def purge(self, network_ids: Collection[str], port_ids: Collection[str] | None = None) -> None:
        """Remove what is deleted and owed to nobody: *port_ids* (by default all), and the rest, of these networks.

        What they held is free again. A subnet stays while one of its addresses is held, a network while the row of
        a port or of a deleted subnet is there.
        """
        if port_ids is None:
            await self._purge(Kind.PORT, _PORTS_OF_NETWORKS, network_ids)
        elif port_ids:
            await self._purge(Kind.PORT, _PORTS, port_ids)
        await self._purge(Kind.SUBNET, _SUBNETS, network_ids)
        await self._purge(Kind.NETWORK, _NETWORKS, network_ids)

    async def _purge(self, kind: Kind, statement: Statement, ids: Collection[str]) -> None:
        gone = [id for (id,) in await self._run(statement, ids)]
        if gone and kind is not Kind.SUBNET:
            await self._leaving.drop(gone)
        if gone and kind in self._attributed:
            await VendorAttributeTable(self._connection).purge(kind, gone)

    async def _free(self, things: Sequence[Leaving]) -> None:
        addresses = [
            {"a_subnet_id": one.subnet_id, "an_ip_address": one.thing, "a_port_id": one.resource_id}
            for one in things
            if one.subnet_id
        ]
        if addresses:
            await _FREE_ADDRESS.run_many(self._connection, addresses)
        if segments := [one.thing for one in things if one.kind is Kind.NETWORK]:
            await self._run(_FREE_SEGMENTS, segments)

    async def _run(self, statement: Statement, ids: Collection[str]) -> Sequence[Row]:
        return await statement.rows(self._connection, {"ids": [*ids]})

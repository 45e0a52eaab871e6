"""Addresses in use: the ledger that makes each address of a subnet unique.

An address is taken by inserting its row and freed by removing it; there is no
table of free addresses and no lock on the subnet. One that an update took from
its port keeps its row until drivers have heard of that (:mod:`.leaving`). *position* counts from the
subnet's first address, so that the next free one can be found by the order of
an index; it is null where an address lies too far out to be counted (SLAAC).
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import leaving, port, subnet
from jackfield_core.db.base import Id, metadata
from jackfield_core.db.leaving import Leaving, address_is_leaving, thing
from jackfield_core.db.query import storable
from jackfield_core.db.statement import Insert, Statement, within

MAX_POSITION = (1 << 63) - 1

table = sa.Table(
    "ip_allocation",
    metadata,
    sa.Column("subnet_id", Id, sa.ForeignKey("subnet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("ip_address", sa.String(64), primary_key=True, index=True),
    # Checked at the commit: addresses are taken first, and then shown in the port's own row.
    sa.Column(
        "port_id",
        Id,
        sa.ForeignKey("port.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    sa.Column("position", sa.BigInteger),
    sa.Index("ix_ip_allocation_subnet_id_position", "subnet_id", "position"),
)


class Address(Struct, frozen=True):
    """One address of a subnet, and where it lies in it."""

    subnet_id: str
    ip_address: str
    position: int | None


_RESERVE = Insert(
    table, lambda insert: insert.on_conflict_do_nothing().returning(table.c.subnet_id, table.c.ip_address)
)


def _gaps() -> sa.Select[int, int]:
    """Return the statement for ranges of free positions.

    Positions in use are read along the index, each beside the next one, up to
    the limit: a gap begins at the low end, or behind one whose next one does
    not follow. Asking for each whether it has a follower would be a join, for
    which a database that has not counted the rows lately may read all of them
    for each.
    """
    low, high = sa.bindparam("low", type_=sa.BigInteger), sa.bindparam("high", type_=sa.BigInteger)
    position = table.c.position
    here = (table.c.subnet_id == sa.bindparam("subnet_id", type_=Id)) & (position >= low) & (position <= high)
    in_use = (
        sa.select(position, sa.func.lead(position).over(order_by=position).label("next")).where(here).subquery("in_use")
    )
    inside = (
        sa.select((in_use.c.position + 1).label("first"), sa.func.coalesce(in_use.c.next - 1, high).label("last"))
        .where(in_use.c.position < high, in_use.c.next.is_distinct_from(in_use.c.position + 1))
        .order_by(in_use.c.position)
        .limit(sa.bindparam("limit"))
        .subquery("inside")
    )
    lowest = sa.select(sa.func.min(position).label("position")).where(here).subquery("lowest")
    before = sa.select(low.label("first"), sa.func.coalesce(lowest.c.position - 1, high).label("last")).where(
        lowest.c.position.is_distinct_from(low)
    )
    gaps = sa.union_all(before, sa.select(inside.c.first, inside.c.last)).subquery("gaps")
    return sa.select(gaps.c.first, gaps.c.last).order_by(gaps.c.first).limit(sa.bindparam("limit"))


_GAPS = Statement(_gaps())


def _of_former_subnets() -> sa.Select[Any]:
    left = (
        (leaving.table.c.resource_id == table.c.port_id)
        & (leaving.table.c.subnet_id == table.c.subnet_id)
        & (leaving.table.c.thing == table.c.ip_address)
    )
    return (
        sa.select(table.c.ip_address, table.c.port_id, *leaving.COLUMNS)
        .join(subnet.table, subnet.table.c.id == table.c.subnet_id)
        .outerjoin(leaving.table, left)
        .where(subnet.table.c.network_id == sa.bindparam("a_network_id"), subnet.table.c.deleted_at.is_not(None))
    )


_OF_FORMER_SUBNETS = Statement(_of_former_subnets())


class AddressTable:
    """Addresses in use, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def reserve(self, addresses: Sequence[tuple[Address, str]]) -> set[tuple[str, str]]:
        """Take addresses for ports: pairs of address and port id.

        Waits for a transaction that is about to take or free one of them.

        Returns:
            The (subnet id, address) pairs that were free and are now taken.
        """
        # One order for everybody, so that two bulk requests never wait in a circle.
        rows = sorted(
            (
                {
                    "subnet_id": address.subnet_id,
                    "ip_address": address.ip_address,
                    "port_id": port_id,
                    "position": address.position,
                }
                for address, port_id in addresses
            ),
            key=lambda row: (str(row["subnet_id"]), str(row["ip_address"])),
        )
        found = await _RESERVE.rows(self._connection, rows)
        return {(subnet_id, ip_address) for subnet_id, ip_address in found}

    async def gaps(self, subnet_id: str, low: int, high: int, *, limit: int) -> list[tuple[int, int]]:
        """Return up to *limit* ranges of free positions within ``low..high``, lowest first, both ends included.

        They were free at the time of reading; only :meth:`reserve` decides.
        """
        values = {"subnet_id": subnet_id, "low": low, "high": high, "limit": limit}
        return [(first, last) for first, last in await _GAPS.rows(self._connection, values)]

    async def used_by_ports(self, subnet_id: str, except_owners: Sequence[str] = ()) -> bool:
        """Return whether a live port, other than of *except_owners*, has an address of the subnet."""
        statement = (
            sa.select(table.c.port_id)
            .join(port.table, port.table.c.id == table.c.port_id)
            .where(
                table.c.subnet_id == subnet_id,
                port.table.c.deleted_at.is_(None),
                ~address_is_leaving(table),
                port.table.c.device_owner.not_in(except_owners),
            )
            .limit(1)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def holder(self, subnet_id: str, ip_address: str) -> str | None:
        """Return the id of the port that holds an address, or None."""
        statement = sa.select(table.c.port_id).where(table.c.subnet_id == subnet_id, table.c.ip_address == ip_address)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def of_former_subnets(self, network_id: str) -> list[tuple[str, str, Leaving | None]]:
        """Return addresses still in use on deleted subnets of a network, with their port, and its leave if it lives."""
        rows = await _OF_FORMER_SUBNETS.rows(self._connection, {"a_network_id": network_id})
        return [(ip_address, port_id, thing(left) if left[0] else None) for ip_address, port_id, *left in rows]

    async def in_use(self, subnet_id: str) -> list[str]:
        """Return all addresses in use on a subnet."""
        statement = sa.select(table.c.ip_address).where(table.c.subnet_id == subnet_id)
        return list((await self._connection.execute(statement)).scalars())


def with_address(values: Sequence[tuple[str, str]], dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition for ports that match any of the ``fixed_ips`` filters.

    Each filter is a pair such as ``("ip_address", "192.0.2.5")``,
    ``("subnet_id", …)`` or ``("ip_address_substr", "192.0.")``; like Neutron,
    filters of one name are alternatives and different names must all match.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    for name in dict.fromkeys(name for name, _ in values):
        wanted = [storable(value) for key, value in values if key == name]
        if name == "ip_address_substr":
            match: sa.ColumnElement[bool] = sa.or_(
                *(table.c.ip_address.contains(value, autoescape=True) for value in wanted)
            )
            # These may be very many, and a page of them is full soon.
            conditions.append(port.table.c.id.in_(_holders(match)))
        else:
            conditions.append(within(port.table.c.id, _holders(table.c[name].in_(wanted)), dialect))
    return sa.and_(*conditions)


def _holders(match: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(table.c.port_id).where(match, ~address_is_leaving(table))

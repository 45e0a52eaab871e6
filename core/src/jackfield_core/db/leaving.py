"""What an update took away, and devices still have.

An address or a MAC address of a port, or a segment of a network, is not free
when a user has taken it away: devices go on with it until they have heard of
that. So it keeps its row, as if it were in use, and is noted here with the
revision that let go of it. When no driver is owed that revision any more, the
note goes, and what it names is free. If nobody is owed it in the first place,
that is at the commit; if the resource ends before, with the resource.

A segment is on devices for the sake of ports, and a driver may hear of its end
before it has heard that a port has left it. So a segment also waits for what is
owed of the network's ports, as far as drivers may have heard of them before.

Users do not see what is leaving. Whoever let go of it may have it back at any
time, because drivers hear of a resource as it is by then.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import delivery
from jackfield_core.db.base import Id, metadata
from jackfield_core.db.delivery_state import REFUSED
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import FixedIp, Kind

table = sa.Table(
    "leaving",
    metadata,
    # The port or network that let go.
    sa.Column("resource_id", Id, primary_key=True),
    # Empty for what is no address.
    sa.Column("subnet_id", Id, primary_key=True),
    # An address, a MAC address, or the id of a segment.
    sa.Column("thing", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("network_id", Id, nullable=False),
    # The first revision of the resource without it.
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("ix_leaving_network_id_thing", "network_id", "thing"),
)


class Leaving(Struct, frozen=True):
    """Something that a port or network let go of with its *revision*; *subnet_id* is that of an address."""

    kind: Kind
    resource_id: str
    network_id: str
    revision: int
    thing: str
    subnet_id: str = ""


COLUMNS = [table.c[name] for name in Leaving.__struct_fields__]


class LeavingTable:
    """What is leaving, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.noted: set[str] = set()
        """Ids of the resources that let go of something in this transaction."""

    async def add(self, things: Iterable[Leaving]) -> None:
        """Note what resources let go of; their rows are changed by the caller, at the revisions that are named."""
        rows = [{name: getattr(one, name) for name in Leaving.__struct_fields__} for one in things]
        if rows:
            await _ADD.run(self._connection, rows)
            self.noted.update(row["resource_id"] for row in rows)

    async def addresses(self, port_id: str) -> list[FixedIp]:
        """Return the addresses that a port let go of."""
        return [FixedIp(*row) for row in await _ADDRESSES.rows(self._connection, {"a_resource_id": port_id})]

    async def holder(self, network_id: str, mac_address: str) -> str | None:
        """Return the id of the port of a network that let go of a MAC address, or None."""
        values = {"a_network_id": network_id, "a_thing": mac_address}
        port_id: str | None = await _HOLDER.value(self._connection, values)
        return port_id

    async def take_back(self, resource_id: str, *things: str | FixedIp) -> int:
        """Forget that a resource let go of *things*, because it has them again; return how many are free by now."""
        rows = [
            {"a_resource_id": resource_id, "a_subnet_id": subnet_id, "a_thing": thing}
            for subnet_id, thing in (
                ("", one) if isinstance(one, str) else (one.subnet_id, one.ip_address) for one in things
            )
        ]
        return len(rows) - sum([await _TAKE_BACK.run(self._connection, row) for row in rows])

    async def tell_again(self) -> set[str]:
        """End the calls of which the outcome could free what was let go of in this transaction; return their drivers.

        Whoever writes down an outcome has looked already whether something is
        leaving. So that outcome is refused, and the resource is told once more.
        """
        return {driver for (driver,) in await _TELL_AGAIN.rows(self._connection, {"ids": [*self.noted]})}

    async def networks(self, ids: Collection[str]) -> set[str]:
        """Return the networks of those resources that let go of something."""
        if not await self._is_any():
            return set()
        return {network_id for (network_id,) in await _NETWORKS.rows(self._connection, {"ids": [*ids]})}

    async def ports(self, network_ids: Collection[str]) -> set[str]:
        """Return the ports of networks that let go of something."""
        return {port_id for (port_id,) in await _PORTS.rows(self._connection, {"ids": [*network_ids]})}

    async def settle(self, ids: Collection[str]) -> Sequence[Leaving]:
        """Return what resources let go of, and no driver has to hear of any more; it is the caller's to free it."""
        return [thing(row) for row in await SETTLE.rows(self._connection, {"ids": [*ids]})]

    async def drop(self, ids: Collection[str]) -> int:
        """Forget what resources let go of that are gone themselves; return how much that was."""
        return await _DROP.run(self._connection, {"ids": [*ids]}) if await self._is_any() else 0

    async def _is_any(self) -> bool:
        """Return whether there is anything to look through; mostly not, and then hundreds of ids need not travel."""
        return bool(await _IS_ANY.value(self._connection, {}))


def address_is_leaving(addresses: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row of *addresses* in use is there only until drivers have heard."""
    return sa.exists().where(
        table.c.resource_id == addresses.c.port_id,
        table.c.subnet_id == addresses.c.subnet_id,
        table.c.thing == addresses.c.ip_address,
    )


def segment_is_leaving(segments: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row of *segments* is there only until drivers have heard."""
    return sa.exists().where(
        table.c.resource_id == segments.c.network_id, table.c.subnet_id == "", table.c.thing == segments.c.id
    )


def mac_is_leaving() -> sa.ColumnElement[bool]:
    """Return the condition that another port has yet to let go of the MAC address of a new row of ports."""
    # As text: where rows are returned from an INSERT, SQLAlchemy writes columns of the table without its name.
    return sa.exists().where(
        table.c.network_id == sa.literal_column("port.network_id", Id),
        table.c.thing == sa.literal_column("port.mac_address", sa.String()),
        table.c.resource_id != sa.literal_column("port.id", Id),
    )


def thing(row: Sequence[Any]) -> Leaving:
    """Return what a row of :data:`COLUMNS` says."""
    kind, *rest = row
    return Leaving(Kind(kind), *rest)


_of_resource = table.c.resource_id == sa.bindparam("a_resource_id")
_of_network = table.c.kind == sa.literal_column("'network'")
_debts = delivery.table
# In words that no partial index has: of all that is owed the row would be looked for, for each thing anew.
_is_owed = _debts.c.owed.is_not(sa.false()) & ~_debts.c.orphan & (_debts.c.rank < delivery.NOTICE_RANK)
_is_heard_of = sa.exists().where(
    _debts.c.kind == table.c.kind,
    _debts.c.resource_id == table.c.resource_id,
    _is_owed,
    _debts.c.acknowledged_revision.is_(None) | (_debts.c.acknowledged_revision < table.c.revision),
)
# The table of ports knows this one.
_ports = sa.table("port", sa.column("id"), sa.column("network_id"))
# A driver that is owed everything again has acknowledged it before; one that never accepted a port does not have it.
_may_be_known = _debts.c.acknowledged_at.is_not(None) | (
    _debts.c.claimed_revision.is_not(None)
    & _debts.c.disposition.not_in([sa.literal_column(f"'{one}'") for one in REFUSED])
)


def ports_are_owed(network_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a driver is owed a port of a network, and may have it as it was before."""
    owed = (
        sa.select(_ports.c.id)
        .where(
            _ports.c.network_id == network_id,
            _debts.c.kind == sa.literal_column("'port'"),
            _debts.c.resource_id == _ports.c.id,
            _is_owed,
            _may_be_known,
        )
        .correlate_except(_ports, _debts)
        # Keeps PostgreSQL from reading all that is owed of all networks into a table of its own first.
        .offset(sa.literal_column("0"))
    )
    return sa.exists(owed)


_is_awaited = _is_heard_of | (_of_network & ports_are_owed(table.c.network_id))


def _of_resources(dialect: str) -> sa.ColumnElement[bool]:
    return among(table.c.resource_id, "ids", dialect)


_ADD = Insert(
    table,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["resource_id", "subnet_id", "thing"], set_={"revision": insert.excluded.revision}
    ),
    columns=Leaving.__struct_fields__,
)
_ADDRESSES = Statement(sa.select(table.c.subnet_id, table.c.thing).where(_of_resource, table.c.subnet_id != ""))
_IS_ANY = Statement(sa.select(sa.literal_column("1")).select_from(table).limit(sa.literal_column("1")))
_HOLDER = Statement(
    sa.select(table.c.resource_id).where(
        table.c.network_id == sa.bindparam("a_network_id"), table.c.thing == sa.bindparam("a_thing")
    )
)
_TAKE_BACK = Statement(
    sa.delete(table).where(
        _of_resource, table.c.subnet_id == sa.bindparam("a_subnet_id"), table.c.thing == sa.bindparam("a_thing")
    )
)
_NETWORKS = Statement(lambda dialect: sa.select(table.c.network_id).where(_of_resources(dialect)).distinct())


def _tell_again(dialect: str) -> sa.Update:
    last = sa.select(sa.func.max(table.c.revision)).where(table.c.resource_id == _debts.c.resource_id)
    # One that hears of the change as well has grown, and stays owed by itself.
    does_not_hear = among(_debts.c.resource_id, "ids", dialect) & (_debts.c.desired_revision < last.scalar_subquery())
    is_on_network = (_debts.c.kind == sa.literal_column("'port'")) & among(_debts.c.network_id, "ids", dialect)
    return (
        sa.update(_debts)
        .where(_debts.c.claim.is_not(None), _debts.c.owed, does_not_hear | is_on_network)
        .values(claim=sa.null(), leased_until=sa.null())
        .returning(_debts.c.driver)
    )


_TELL_AGAIN = Statement(_tell_again)
_PORTS = Statement(
    lambda dialect: (
        sa.select(table.c.resource_id)
        .where(among(table.c.network_id, "ids", dialect), table.c.kind == sa.literal_column("'port'"))
        .distinct()
    )
)
SETTLE = Statement(lambda dialect: sa.delete(table).where(_of_resources(dialect), ~_is_awaited).returning(*COLUMNS))
_DROP = Statement(lambda dialect: sa.delete(table).where(_of_resources(dialect)))

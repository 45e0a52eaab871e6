"""Debts that an operator gives up: a device that is gone for good will never acknowledge them.

What only such a debt has kept in the database goes with it: the rows of deleted
resources, and with them the segments, addresses and MAC addresses that they
held. Ports that waited for nobody else become ACTIVE. What the device may still
hold is nobody's business any more, until an audit finds it. A resource that
lives is owed to the driver again with its next change, or when the driver
introduces itself.

A driver gives up by itself what it does not want to hear of any more.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import leaving
from jackfield_core.db.delivery import named, table
from jackfield_core.db.ending import EndTable
from jackfield_core.db.statement import among
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import Kind

ACTION = "forget"
"""Name of what was done, among the actions of operators."""


class Given(Struct, frozen=True):
    """What was given up: *debts*, of which *ends* were owed for deleted resources."""

    debts: int
    ends: int


async def force_forget(
    tables: Tables,
    driver: str,
    *,
    required: Collection[str],
    kind: str = "",
    resource_id: str = "",
    request_id: str = "",
) -> Given:
    """Forget what *driver* is owed, all of it or that of one *kind* or resource, and note that in the same transaction.

    *required* are the drivers without whose acknowledgement a port is not ACTIVE.
    """
    wanted = [_DEBTS, *named(driver, kind or None, resource_id or None)]
    ends = EndTable(tables.connection, tuple(Kind))
    known = await _rows(tables.connection, sa.select(*_FORGOTTEN).where(*wanted))
    network_ids = {one.network_id for one in known}
    waiting = [one.resource_id for one in known if one.kind == Kind.PORT and not one.tombstone]
    # Networks before ports before the ledger, in the order of everybody else.
    await ends.hold(network_ids)
    await tables.ports.hold(waiting)
    forgotten = await _drop(tables.connection, wanted, network_ids)
    left = await ends.settle_updates([one.resource_id for one in forgotten])
    await ends.purge(left.union(one.network_id for one in forgotten if one.tombstone))
    await tables.ports.refresh_status(waiting, [*required])
    given = Given(len(forgotten), sum(one.tombstone for one in forgotten))
    await tables.operator_actions.add(
        ACTION,
        driver,
        kind=kind,
        resource_id=resource_id,
        request_id=request_id,
        detail=f"{given.debts} debts, {given.ends} of them for what was deleted",
    )
    return given


async def forget_kinds(
    tables: Tables, driver: str, kinds: Collection[str], ended_kinds: Collection[str], attributed: Collection[Kind]
) -> None:
    """Forget what a driver turned out not to want: *kinds*, and the end of *ended_kinds*; what waited for it goes."""
    unwanted = table.c.kind.in_(kinds) | (table.c.tombstone & table.c.kind.in_(ended_kinds))
    keeps = table.c.tombstone | sa.exists().where(leaving.table.c.resource_id == table.c.resource_id)
    kept = sa.select(table.c.network_id).where(table.c.driver == driver, unwanted, keeps).distinct()
    network_ids = [*(await tables.connection.execute(kept)).scalars()]
    ends = EndTable(tables.connection, attributed)
    if network_ids:
        await ends.hold(network_ids)
    await tables.connection.execute(sa.delete(table).where(table.c.driver == driver, unwanted))
    if network_ids:
        await ends.settle_updates()
        await ends.purge(network_ids)


class _Forgotten(Struct, frozen=True):
    """A debt that was dropped; *tombstone* if it was for the end of a resource."""

    kind: str
    resource_id: str
    network_id: str
    tombstone: bool


_FORGOTTEN = [table.c[name] for name in _Forgotten.__struct_fields__]
_DEBTS = table.c.owed | table.c.orphan
"""What a driver is owed, and what it would be owed if an operator agreed."""


async def _drop(
    connection: AsyncConnection, wanted: Sequence[sa.ColumnElement[bool]], network_ids: Collection[str]
) -> Sequence[_Forgotten]:
    """Drop what is wanted of the networks that are held: of others somebody may be settling the end."""
    here = among(table.c.network_id, "network_ids", connection.dialect.name)
    dropped = sa.delete(table).where(*wanted, here).returning(*_FORGOTTEN)
    return await _rows(connection, dropped, network_ids=[*network_ids])


async def _rows(connection: AsyncConnection, statement: sa.Executable, **values: object) -> Sequence[_Forgotten]:
    return [_Forgotten(*row) for row in await connection.execute(statement, values)]

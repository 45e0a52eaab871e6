"""Debts that are given up: by an operator, because a device is gone for good, or by a driver that does not want them.

What only such a debt has kept in the database goes with it: the rows of deleted
resources, and with them the segments, addresses and MAC addresses that they
held, and what updates took away. Ports that waited for nobody else become
ACTIVE. What the device may still hold is nobody's business any more, until an
audit finds it.

A resource that lives keeps its row in the ledger: nothing is owed, and what the
driver has acknowledged and asked to keep stays known. It is owed to the driver
again with its next change, its end above all, when the driver introduces
itself, and by an audit.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import delivery, leaving
from jackfield_core.db.delivery import FORGOTTEN, NOTICE_RANK, PAID, named, table
from jackfield_core.db.ending import EndTable
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.statement import Statement, among
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import Kind

ACTION = "forget"
"""Name of what was done, among the actions of operators."""
GIVEN_UP: dict[str, Any] = {
    **PAID,
    "disposition": FORGOTTEN,
    "reason": "DEBT_FORGOTTEN",
    "message": "an operator gave up what was owed; the next change, an audit or a handshake owes it again",
}
"""What stands in the ledger instead of a failed attempt."""
Place = tuple[str, str]
"""Kind and id: where a walk through the ledger of a driver stands."""
START: Place = "", ""


class Given(Struct, frozen=True):
    """What was given up: *debts*, of which *ends* were for deleted resources, *orphans* for what nobody knew."""

    debts: int = 0
    ends: int = 0
    orphans: int = 0

    def __add__(self, other: "Given") -> "Given":
        return Given(self.debts + other.debts, self.ends + other.ends, self.orphans + other.orphans)

    def __str__(self) -> str:
        orphans = f" and {self.orphans} for what nobody knew" if self.orphans else ""
        return f"{self.debts} debts, {self.ends} of them for what was deleted{orphans}"


async def count_debts(connection: AsyncConnection, driver: str, *, kind: str = "", resource_id: str = "") -> int:
    """Return how many debts :func:`force_forget` would find."""
    wanted = [_DEBTS, *named(driver, kind or None, resource_id or None)]
    return (await connection.execute(sa.select(sa.func.count()).select_from(table).where(*wanted))).scalar_one()


async def force_forget(
    tables: Tables,
    driver: str,
    *,
    required: Collection[str],
    kind: str = "",
    resource_id: str = "",
    request_id: str = "",
    after: Place = START,
) -> tuple[Given, Place | None]:
    """Forget a page of what *driver* is owed, and note that in the same transaction.

    All of it, or that of one *kind* or resource, behind *after*. *required* are
    the drivers without whose acknowledgement a port is not ACTIVE.

    Returns:
        What was given up, and where the next page begins; None if this was the last one.
    """
    wanted = [_DEBTS, *named(driver, kind or None, resource_id or None)]
    known = await _page(tables.connection, wanted, after)
    given = await _forget(tables, driver, known, required)
    # An operator who found nothing to forget has asked for it all the same.
    if known or after == START:
        await tables.operator_actions.add(
            ACTION, driver, kind=kind, resource_id=resource_id, request_id=request_id, detail=str(given)
        )
    return given, (known[-1].kind, known[-1].resource_id) if len(known) == delivery.PAGE else None


async def forget_kinds(
    tables: Tables,
    driver: str,
    kinds: Collection[str],
    ended_kinds: Collection[str],
    attributed: Collection[Kind],
    required: Collection[str] = (),
) -> None:
    """Forget what a driver turned out not to want: *kinds*, and the end of *ended_kinds*; what waited for it goes.

    Ports that waited for nobody else become ACTIVE, and what only this driver
    refused is in ERROR no more. *required* are the drivers that count for that.
    """
    unwanted = table.c.kind.in_(kinds) | (table.c.tombstone & table.c.kind.in_(ended_kinds))
    keeps = table.c.tombstone | sa.exists().where(leaving.table.c.network_id == table.c.network_id)
    kept = sa.select(table.c.network_id).where(table.c.driver == driver, unwanted, keeps).distinct()
    network_ids = [*(await tables.connection.execute(kept)).scalars()]
    ends = EndTable(tables.connection, attributed)
    if network_ids:
        await ends.hold(network_ids)
    # A port that is about to take back what it let go of is waited for.
    letting_go = await tables.leaving.ports(network_ids) if network_ids else set()
    never_had = table.c.acknowledged_revision.is_(None) & ~table.c.tombstone
    judged = sa.select(table.c.kind, table.c.resource_id).where(table.c.driver == driver, unwanted, never_had)
    waited = [(kind, id) for kind, id in await tables.connection.execute(judged)]
    ids = {kind: [id for of, id in waited if of == kind] for kind in Kind}
    await tables.ports.hold(letting_go.union(ids[Kind.PORT]))
    await tables.connection.execute(sa.delete(table).where(table.c.driver == driver, unwanted))
    if network_ids:
        await ends.settle_updates(letting_go.union(network_ids))
        await ends.purge(network_ids)
    await _judge(tables, ids, required)


class _Debt(Struct, frozen=True):
    """A debt that is given up; *tombstone* if it is for the end of a resource, or of an *orphan*."""

    kind: str
    resource_id: str
    network_id: str
    tombstone: bool
    orphan: bool
    rank: int

    @property
    def is_dropped(self) -> bool:
        """True if no row stays: of an end, and of a notice, which begins anew with what is true by then."""
        return self.tombstone or self.rank == NOTICE_RANK


_COLUMNS = [table.c[name] for name in _Debt.__struct_fields__]
_DEBTS = table.c.owed | table.c.orphan
"""What a driver is owed, and what it would be owed if an operator agreed."""
_key = sa.tuple_(table.c.kind, table.c.resource_id)


async def _page(connection: AsyncConnection, wanted: Sequence[sa.ColumnElement[bool]], after: Place) -> Sequence[_Debt]:
    page = sa.select(*_COLUMNS).where(*wanted, _key > sa.tuple_(*after))
    page = page.order_by(table.c.kind, table.c.resource_id).limit(delivery.PAGE)
    return [_Debt(*row) for row in await connection.execute(page)]


async def _forget(tables: Tables, driver: str, known: Sequence[_Debt], required: Collection[str]) -> Given:
    ends = EndTable(tables.connection, tuple(Kind))
    ids = {kind: [one.resource_id for one in known if one.kind == kind and not one.tombstone] for kind in Kind}
    # Networks before ports before the ledger, in the order of everybody else.
    await ends.hold({one.network_id for one in known})
    await tables.ports.hold(ids[Kind.PORT])
    gone = [*await _drop(tables.connection, driver, known), *await _call_quits(tables.connection, driver, known)]
    left = await ends.settle_updates({id for one in gone for id in (one.resource_id, one.network_id)})
    await ends.purge(left.union(one.network_id for one in gone if one.tombstone))
    await _judge(tables, ids, required)
    return Given(len(gone), sum(one.tombstone and not one.orphan for one in gone), sum(one.orphan for one in gone))


async def _judge(tables: Tables, ids: Mapping[Kind, Sequence[str]], required: Collection[str]) -> None:
    """Judge resources anew that may have waited for a driver; ports of them are held."""
    if ids[Kind.PORT]:
        await tables.ports.refresh_status(ids[Kind.PORT], [*required])
    for kind in (Kind.NETWORK, Kind.PORT):
        if ids[kind]:
            await FaultTable(tables.connection, [*required]).refresh(kind, ids[kind])


async def _drop(connection: AsyncConnection, driver: str, known: Sequence[_Debt]) -> Sequence[_Debt]:
    """Drop the debts for ends, and notices; one that was paid meanwhile is left alone."""
    return await _run(connection, _DROP, driver, [one for one in known if one.is_dropped])


async def _call_quits(connection: AsyncConnection, driver: str, known: Sequence[_Debt]) -> Sequence[_Debt]:
    """Owe nothing for what lives, but keep what the driver knows of it."""
    return await _run(connection, QUITS, driver, [one for one in known if not one.is_dropped])


async def _run(
    connection: AsyncConnection, statement: Statement, driver: str, debts: Sequence[_Debt]
) -> Sequence[_Debt]:
    if not debts:
        return ()
    network_ids = [*{one.network_id for one in debts}]
    values = {"a_driver": driver, "ids": [one.resource_id for one in debts], "network_ids": network_ids}
    return [_Debt(*row) for row in await statement.rows(connection, values)]


def _among(dialect: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.driver == sa.bindparam("a_driver"),
        # Kinds have no ids in common.
        table.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in Kind]),
        among(table.c.resource_id, "ids", dialect),
        # Somebody may be settling the end of what is on others.
        among(table.c.network_id, "network_ids", dialect),
    )


_is_dropped = table.c.tombstone | (table.c.rank == NOTICE_RANK)
_DROP = Statement(lambda dialect: sa.delete(table).where(_among(dialect), _DEBTS, _is_dropped).returning(*_COLUMNS))
QUITS = Statement(
    lambda dialect: (
        sa.update(table)
        # In words that no partial index has: of all that is owed each row would be looked for among the page.
        .where(_among(dialect), ~table.c.tombstone, table.c.owed.is_not(sa.false()))
        .values({**GIVEN_UP, "owed": False, "owed_since": None, "claim": None, "leased_until": None})
        .returning(*_COLUMNS)
    )
)
"""Owes a page of what lives no more."""

"""Debts for what is no longer true on a device.

The same revision is owed once more. The resource has not changed and its status
neither: what was lost is only made again.

An audit compares rows of the ledger with a listing that takes its time, and
meanwhile the ledger goes on. So it names what it has compared by revision, and
the moment at which the listing began; what has been owed since then is not
touched, because what the listing says of it may be old.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import now
from jackfield_core.db.claim import Due
from jackfield_core.db.delivery import FORGOTTEN, PAID, table
from jackfield_core.db.driver_audit import LEAP
from jackfield_core.db.statement import Statement, among

Compared = tuple[str, int]
"""Id of a resource, and the revision that a driver had acknowledged when it was compared."""


class LedgerRow(Struct, frozen=True, gc=False):
    """What the ledger says of one resource and one driver, as an audit needs it.

    *is_clean* is true if the driver has acknowledged the desired revision and is
    owed nothing; *is_held* of an orphan that waits for an operator.
    """

    kind: str
    resource_id: str
    network_id: str
    desired_revision: int
    is_clean: bool
    is_held: bool


async def list_ledger(
    connection: AsyncConnection, driver: str, *, after: tuple[str, str], limit: int
) -> Sequence[LedgerRow]:
    """Return rows of a driver in the order of kind and id, those behind *after*; ``("", "")`` is before all."""
    values = {"a_driver": driver, "after_kind": after[0], "after_id": after[1], "a_limit": limit}
    return [LedgerRow(*row) for row in await _LEDGER.rows(connection, values)]


async def list_debts(connection: AsyncConnection, driver: str, kind: str, ids: Sequence[str]) -> Sequence[Due]:
    """Return rows of a driver as if they were to be paid now, by nobody's claim."""
    rows = await _DEBTS.rows(connection, {"a_driver": driver, "a_kind": kind, "ids": [*ids]})
    return [Due(*row) for row in rows]


async def list_owed(connection: AsyncConnection, driver: str) -> Sequence[tuple[str, str]]:
    """Return kind and id of all that a driver is owed, parents first."""
    return [(kind, id) for kind, id in await _OWED.rows(connection, {"a_driver": driver})]


async def owe_again(
    connection: AsyncConnection, driver: str, kind: str, ids: Sequence[str], *, as_new: bool = False
) -> int:
    """Owe a driver resources that it has acknowledged; return how many.

    The driver hears of them as updates, or, with *as_new*, as if it had never
    heard of them.
    """
    values = {"a_driver": driver, "a_kind": kind, "ids": [*ids], "at": now(), "as_new": as_new}
    return await _AGAIN.run(connection, values)


async def owe_differing(
    connection: AsyncConnection,
    driver: str,
    kind: str,
    compared: Sequence[Compared],
    *,
    since: datetime,
    as_new: bool = False,
) -> int:
    """Owe a driver again what was compared with a listing that began at *since*; return how many."""
    values = {**_compared(driver, kind, compared, since), "at": now(), "as_new": as_new}
    return await _DIFFERING.run(connection, values)


async def find_unchanged(
    connection: AsyncConnection, driver: str, kind: str, compared: Sequence[Compared], *, since: datetime
) -> set[str]:
    """Return the ids of what :func:`owe_differing` would owe again."""
    return {id for (id,) in await _UNCHANGED.rows(connection, _compared(driver, kind, compared, since))}


def _compared(driver: str, kind: str, compared: Sequence[Compared], since: datetime) -> dict[str, object]:
    return {
        "a_driver": driver,
        "a_kind": kind,
        "ids": [id for id, _ in compared],
        "revisions": [f"{id} {revision}" for id, revision in compared],
        "since": since,
        "later": now() + LEAP,
    }


_KEY = (table.c.kind, table.c.resource_id, table.c.driver)
_of_driver = table.c.driver == sa.bindparam("a_driver")
_of_kind = table.c.kind == sa.bindparam("a_kind")
# What an operator gave up may be on the device all the same, or not: it is compared as if it were acknowledged.
_is_known = (table.c.acknowledged_revision == table.c.desired_revision) | (table.c.disposition == FORGOTTEN)
_is_clean = ~table.c.owed & ~table.c.orphan & _is_known
_at = sa.bindparam("at", type_=sa.DateTime)
_since = sa.bindparam("since", type_=sa.DateTime)


def _is_unchanged(dialect: str) -> sa.ColumnElement[bool]:
    revision = table.c.resource_id + " " + sa.cast(table.c.desired_revision, sa.Text)
    return sa.and_(
        _of_driver,
        _of_kind,
        _is_clean,
        # The ids alone find the rows by an index.
        among(table.c.resource_id, "ids", dialect),
        among(revision, "revisions", dialect),
        # What is acknowledged in the future was so by a clock that has been set back since then.
        sa.or_(
            table.c.acknowledged_at.is_(None),
            table.c.acknowledged_at < _since,
            table.c.acknowledged_at > sa.bindparam("later", type_=sa.DateTime),
        ),
    )


def _once_more(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    # In one order, as everybody who takes many: two of them never wait in a circle.
    rows = sa.select(*_KEY).where(*conditions).order_by(*_KEY).with_for_update()
    known = sa.case(
        (sa.bindparam("as_new", type_=sa.Boolean), sa.null()),
        else_=table.c.acknowledged_revision,
    )
    return (
        sa.update(table)
        .where(sa.tuple_(*_KEY).in_(rows))
        .values(owed=True, owed_since=_at, due_at=_at, acknowledged_revision=known, **PAID)
    )


_AGAIN = Statement(
    lambda dialect: _once_more(
        _of_driver,
        _of_kind,
        among(table.c.resource_id, "ids", dialect),
        # What is owed already has its own pace, and its failures are not forgotten. An orphan's
        # end is not owed because something tells of it, but because an operator agrees.
        ~table.c.owed,
        ~table.c.orphan,
    )
)
_DIFFERING = Statement(lambda dialect: _once_more(_is_unchanged(dialect)))
_UNCHANGED = Statement(lambda dialect: sa.select(table.c.resource_id).where(_is_unchanged(dialect)))
_LEDGER = Statement(
    sa.select(
        table.c.kind,
        table.c.resource_id,
        table.c.network_id,
        table.c.desired_revision,
        sa.type_coerce(_is_clean, sa.Boolean),
        sa.type_coerce(table.c.orphan & ~table.c.owed, sa.Boolean),
    )
    .where(
        _of_driver,
        sa.tuple_(table.c.kind, table.c.resource_id) > sa.tuple_(sa.bindparam("after_kind"), sa.bindparam("after_id")),
    )
    .order_by(table.c.kind, table.c.resource_id)
    .limit(sa.bindparam("a_limit"))
)


def _debts(dialect: str) -> sa.Select[Any]:
    columns = (sa.null().label(name) if name == "age" else table.c[name] for name in Due.__struct_fields__)
    return sa.select(*columns).where(_of_driver, _of_kind, among(table.c.resource_id, "ids", dialect))


_DEBTS = Statement(_debts)
_OWED = Statement(
    sa.select(table.c.kind, table.c.resource_id)
    .where(_of_driver, table.c.owed)
    .order_by(table.c.rank, table.c.resource_id)
)

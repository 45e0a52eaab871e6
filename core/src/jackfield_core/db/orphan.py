"""Orphans: what is found on a device, bears our mark, and is known to nobody.

An orphan has a row in the ledger like everything that a driver is owed, a
tombstone without a resource, so its removal is retried, counted and shown like
any other. While an operator has yet to agree, the row is there and nothing is
owed: the orphan is held. He agrees to those that are held at that moment, and
to no others. When a driver is put in quarantine, what it is owed of this sort is
held again, because nobody knows any more whether it told the truth.
"""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import network, port, subnet
from jackfield_core.db.base import now
from jackfield_core.db.delivery import PAID, RANK, table
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import Kind

_TABLES = {Kind.NETWORK: network.table, Kind.SUBNET: subnet.table, Kind.PORT: port.table}
_STEP = timedelta(milliseconds=1)


class Orphan(Struct, frozen=True):
    """Something on a device that nobody knows, at the highest revision that is listed."""

    kind: Kind
    id: str
    revision: int


class OrphanTable:
    """Orphans of all drivers, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find_unknown(self, driver: str, kind: Kind, ids: Sequence[str]) -> set[str]:
        """Return which of *ids* neither exist nor are known to the ledger as something of this driver's."""
        mine = {"a_driver": driver, "a_kind": kind, "ids": [*ids]}
        told = {id for (id,) in await _TOLD.rows(self._connection, mine)}
        alive = {id for (id,) in await _ALIVE[kind].rows(self._connection, {"ids": [*ids]})}
        return {*ids} - told - alive

    async def add(self, driver: str, orphans: Sequence[Orphan], *, owed: bool) -> None:
        """Owe a driver the end of orphans, or, if they are not *owed*, note them for the operator."""
        at = now()
        rows = [
            {
                "kind": orphan.kind,
                "resource_id": orphan.id,
                "driver": driver,
                "rank": RANK[orphan.kind],
                # Nobody knows on which network it is.
                "network_id": orphan.id,
                "desired_revision": orphan.revision + 1,
                "tombstone": True,
                "owed": owed,
                "owed_since": at if owed else None,
                # Ports before what they stand on, as far as that can be known.
                "due_at": at - RANK[orphan.kind] * _STEP,
                "orphan": True,
                **PAID,
            }
            for orphan in orphans
        ]
        if rows:
            await _INSERT.run(self._connection, rows)

    async def agree(self, driver: str) -> int:
        """Owe a driver the end of all orphans that are held now; return how many there were."""
        return await _AGREE.run(self._connection, {"a_driver": driver, "at": now()})

    async def hold(self, driver: str) -> int:
        """Hold all orphans whose end a driver is owed, until an operator agrees; return how many there were."""
        return await _HOLD.run(self._connection, {"a_driver": driver})

    async def raise_held(self, driver: str, orphans: Sequence[Orphan]) -> None:
        """Note that held orphans are listed at higher revisions than before: their end has to be higher still."""
        rows = [{"a_driver": driver, "a_kind": one.kind, "an_id": one.id, "above": one.revision + 1} for one in orphans]
        await _RAISE.run_many(self._connection, rows)

    async def held_by_driver(self) -> dict[str, int]:
        """Return how many orphans wait for an operator now, of each driver that has any."""
        return {row[0]: row[1] for row in await _HELD.rows(self._connection, {})}

    async def drop_held(self, driver: str, kind: Kind, ids: Sequence[str]) -> None:
        """Forget orphans that wait for an operator and are not there any more."""
        await DROP.run(self._connection, {"a_driver": driver, "a_kind": kind, "ids": [*ids]})


_of_driver = table.c.driver == sa.bindparam("a_driver")
_of_kind = table.c.kind == sa.bindparam("a_kind")
_is_held = table.c.orphan & ~table.c.owed
_at = sa.bindparam("at", type_=sa.DateTime)

_COLUMNS = (
    *("kind", "resource_id", "driver", "rank", "network_id", "desired_revision", "tombstone", "owed", "owed_since"),
    *("due_at", "orphan", *PAID),
)
_INSERT = Insert(table, lambda insert: insert.on_conflict_do_nothing(), columns=_COLUMNS)
_TOLD = Statement(
    lambda dialect: sa.select(table.c.resource_id).where(
        _of_driver, _of_kind, among(table.c.resource_id, "ids", dialect)
    )
)


def _alive(resources: sa.Table) -> Statement:
    return Statement(
        lambda dialect: sa.select(resources.c.id).where(
            among(resources.c.id, "ids", dialect), resources.c.deleted_at.is_(None)
        )
    )


_ALIVE = {kind: _alive(resources) for kind, resources in _TABLES.items()}
_AGREE = Statement(sa.update(table).where(_of_driver, _is_held).values(owed=True, owed_since=_at, **PAID))
_KEY = (table.c.kind, table.c.resource_id, table.c.driver)
# In one order, as everybody who takes many: two of them never wait in a circle.
_owed = sa.select(*_KEY).where(_of_driver, table.c.orphan, table.c.owed).order_by(*_KEY).with_for_update()
_HOLD = Statement(
    sa.update(table)
    .where(sa.tuple_(*_KEY).in_(_owed))
    .values(owed=False, owed_since=sa.null(), claim=sa.null(), leased_until=sa.null(), **PAID)
)
_above = sa.bindparam("above", type_=sa.BigInteger)
_RAISE = Statement(
    sa.update(table)
    .where(
        _of_driver,
        _of_kind,
        table.c.resource_id == sa.bindparam("an_id"),
        _is_held,
        table.c.desired_revision < _above,
    )
    .values(desired_revision=_above)
)


def _held(dialect: str) -> sa.Select[tuple[str, int]]:
    # To the letter the condition of the partial index: nothing else is looked at.
    is_orphan: sa.ColumnElement[bool] = sa.literal_column("orphan" if dialect == "postgresql" else "orphan = 1")
    return sa.select(table.c.driver, sa.func.count()).where(is_orphan, ~table.c.owed).group_by(table.c.driver)


_HELD = Statement(_held)
# In words that no partial index has: of all orphans each would be looked for among the ids.
_is_held_one = table.c.orphan.is_not(sa.false()) & ~table.c.owed
DROP = Statement(
    lambda dialect: sa.delete(table).where(
        _of_driver, _of_kind, _is_held_one, among(table.c.resource_id, "ids", dialect)
    )
)

"""The change feed that node services follow.

Every transaction that changes what a host has to carry adds a row that names
the network and, if a port came or went, its host. Identifiers are drawn before
the commit, so a lower one may appear after a higher one: readers remember the
numbers that they missed, and ask for them again for a minute.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, Json, Name, metadata, now
from jackfield_core.db.statement import Insert, Statement

table = sa.Table(
    "change_feed",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("network_id", Id, nullable=False),
    # Empty for a change of the network itself.
    sa.Column("host", Name, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, index=True),
)


class FeedEntry(Struct, frozen=True):
    """Something changed on a network, on *host* if one is named."""

    id: int
    network_id: str
    host: str
    created_at: datetime


_INSERT = Insert(table, lambda insert: insert, columns=("network_id", "host", "created_at"))
_LAST = Statement(sa.select(sa.func.max(table.c.id)))
_IN_ORDER = sa.select(table).order_by(table.c.id)
_AFTER = Statement(_IN_ORDER.where(table.c.id > sa.bindparam("id")))


def _within(dialect: str) -> sa.Select[Any]:
    """Return the statement for the entries in some ranges, each of which is looked up in the index."""
    ranges: sa.BindParameter[Any] = sa.bindparam("ranges", type_=Json(tuple[tuple[int, int], ...]))
    first: sa.ColumnElement[Any]
    last: sa.ColumnElement[Any]
    if dialect == "postgresql":
        each = sa.func.json_array_elements(sa.cast(ranges, postgresql.JSON)).column_valued("range")
        first, last = (sa.cast(each.op("->>")(sa.literal_column(end)), sa.BigInteger) for end in ("0", "1"))
    else:
        value = sa.func.json_each(ranges).table_valued("value", name="range").c.value
        first, last = (sa.func.json_extract(value, sa.literal_column(f"'$[{end}]'")) for end in ("0", "1"))
    return _IN_ORDER.where(table.c.id.between(first, last))


_WITHIN = Statement(_within)


class FeedTable:
    """The feed, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, touched: Iterable[tuple[str, str]]) -> None:
        """Announce changes: pairs of network id and host."""
        at = now()
        rows = [{"network_id": network_id, "host": host, "created_at": at} for network_id, host in touched]
        await _INSERT.run(self._connection, rows)

    async def after(self, id: int, late: Sequence[tuple[int, int]] = ()) -> list[FeedEntry]:
        """Return the entries above *id*, and those that are there by now in the ranges *late*, ends included."""
        rows = await _WITHIN.rows(self._connection, {"ranges": late}) if late else ()
        return [FeedEntry(*row) for row in (*rows, *await _AFTER.rows(self._connection, {"id": id}))]

    async def last(self) -> int:
        """Return the highest id, or 0."""
        return await _LAST.value(self._connection, {}) or 0

    async def prune(self, age: timedelta) -> None:
        """Remove entries that every reader has seen."""
        # SQLite would begin again at 1 if the last one went too.
        newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        await self._connection.execute(sa.delete(table).where(table.c.created_at < now() - age, table.c.id < newest))

"""The change feed that node services follow.

Every transaction that changes what a host has to carry adds a row that names
the network and, if a port came or went, its host. Identifiers are drawn before
the commit, so a lower one may appear after a higher one: readers remember the
numbers that they missed, and ask for them again for a minute.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, Name, metadata, now
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


class FeedTable:
    """The feed, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, touched: Iterable[tuple[str, str]]) -> None:
        """Announce changes: pairs of network id and host."""
        at = now()
        rows = [{"network_id": network_id, "host": host, "created_at": at} for network_id, host in touched]
        await _INSERT.run(self._connection, rows)

    async def after(self, id: int, late: Iterable[int] = ()) -> list[FeedEntry]:
        """Return the entries above *id*, and those of *late* that are there by now, in order."""
        news = table.c.id > id
        missing = [*late]
        if missing:
            news |= table.c.id.in_(missing)
        statement = sa.select(table).where(news).order_by(table.c.id)
        return [FeedEntry(*row) for row in await self._connection.execute(statement)]

    async def last(self) -> int:
        """Return the highest id, or 0."""
        return await _LAST.value(self._connection, {}) or 0

    async def prune(self, age: timedelta) -> None:
        """Remove entries that every reader has seen."""
        # SQLite would begin again at 1 if the last one went too.
        newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        await self._connection.execute(sa.delete(table).where(table.c.created_at < now() - age, table.c.id < newest))

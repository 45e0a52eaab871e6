"""Which backends held what, at the last audit that could read them.

A driver may hold one resource on several backends, as a network on two switches.
Only the driver knows where it belongs, and only the listing before tells that it
was on both. Most is on one backend, and there is no row for it: what is missing
there is missing altogether.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, Json, metadata
from jackfield_core.db.statement import Insert, Statement, among

table = sa.Table(
    "driver_spread",
    metadata,
    sa.Column("driver", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("resource_id", Id, primary_key=True),
    # The acknowledged revision of which that was so.
    sa.Column("revision", sa.BigInteger, nullable=False),
    # Names of backends, sorted; two at least.
    sa.Column("backends", Json(tuple[str, ...]), nullable=False),
)


class Spread(Struct, frozen=True):
    """A resource that was on several *backends*, in the order of their names, at its acknowledged *revision*."""

    kind: str
    resource_id: str
    revision: int
    backends: tuple[str, ...]


class SpreadTable:
    """Resources on several backends, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self, driver: str) -> Sequence[Spread]:
        """Return what a driver held on several backends."""
        return [Spread(*row) for row in await _LIST.rows(self._connection, {"a_driver": driver})]

    async def save(self, driver: str, spreads: Sequence[Spread]) -> None:
        """Store where resources are now."""
        rows = [
            {
                "driver": driver,
                "kind": one.kind,
                "resource_id": one.resource_id,
                "revision": one.revision,
                "backends": one.backends,
            }
            for one in spreads
        ]
        if rows:
            await _SAVE.run(self._connection, rows)

    async def drop(self, driver: str, kind: str, ids: Sequence[str]) -> None:
        """Forget resources that are on one backend now, or on none."""
        await _DROP.run(self._connection, {"a_driver": driver, "a_kind": kind, "ids": [*ids]})


_of_driver = table.c.driver == sa.bindparam("a_driver")
_LIST = Statement(sa.select(table.c.kind, table.c.resource_id, table.c.revision, table.c.backends).where(_of_driver))
_SAVE = Insert(
    table,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["driver", "kind", "resource_id"],
        set_={"revision": insert.excluded.revision, "backends": insert.excluded.backends},
    ),
)
_DROP = Statement(
    lambda dialect: sa.delete(table).where(
        _of_driver, table.c.kind == sa.bindparam("a_kind"), among(table.c.resource_id, "ids", dialect)
    )
)

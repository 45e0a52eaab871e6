"""States that drivers keep in the ledger, all those of one driver.

Whoever rewrites them walks through them by key and exchanges each only if it
still is what was read: a driver that has written a newer one meanwhile is right.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.delivery import table
from jackfield_core.db.statement import Statement


class StoredState(Struct, frozen=True):
    """What a driver asked to keep for one resource."""

    kind: str
    resource_id: str
    version: int
    data: bytes


class StateTable:
    """States, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count_other(self, driver: str, version: int) -> int:
        """Return how many states of a driver are of another version than *version*."""
        statement = sa.select(sa.func.count()).select_from(table).where(_is_other(driver, version))
        return (await self._connection.execute(statement)).scalar_one()

    async def list_other(
        self, driver: str, version: int, *, after: StoredState | None, limit: int
    ) -> Sequence[StoredState]:
        """Return states of a driver that are of another version than *version*, those behind *after* in their order."""
        statement = (
            sa.select(table.c.kind, table.c.resource_id, table.c.state_version, table.c.state)
            .where(_is_other(driver, version))
            .order_by(table.c.kind, table.c.resource_id)
            .limit(limit)
        )
        if after is not None:
            place = sa.tuple_(table.c.kind, table.c.resource_id)
            statement = statement.where(place > sa.tuple_(sa.literal(after.kind), sa.literal(after.resource_id)))
        return [StoredState(*row) for row in await self._connection.execute(statement)]

    async def exchange(self, driver: str, old: StoredState, version: int, data: bytes) -> bool:
        """Put a rewritten state in the place of *old*; return False if that is not there any more."""
        values = {
            "a_driver": driver,
            "a_kind": old.kind,
            "a_resource_id": old.resource_id,
            "old_version": old.version,
            "old_state": old.data,
            "a_version": version,
            "a_state": data,
        }
        return await _EXCHANGE.run(self._connection, values) == 1


def _is_other(driver: str, version: int) -> sa.ColumnElement[Any]:
    return (table.c.driver == driver) & table.c.state.is_not(None) & (table.c.state_version != version)


_EXCHANGE = Statement(
    sa.update(table)
    .where(
        table.c.driver == sa.bindparam("a_driver"),
        table.c.kind == sa.bindparam("a_kind"),
        table.c.resource_id == sa.bindparam("a_resource_id"),
        table.c.state_version == sa.bindparam("old_version"),
        table.c.state == sa.bindparam("old_state"),
    )
    .values(state_version=sa.bindparam("a_version"), state=sa.bindparam("a_state"))
)

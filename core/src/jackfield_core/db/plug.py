"""Ports, as the driver that plugs them sees them.

The driver of the last binding level is the one that plugs the port; those above
it only carry it there, and what they see of it says nothing about its host.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.port import binding_table, level_table, table
from jackfield_core.db.statement import Statement, among


class Plug(Struct, frozen=True):
    """A live port, the newest revision of it, and what its wiring is known to be."""

    port_id: str
    host: str
    revision_number: int
    wiring: str
    wiring_reason: str


_below = level_table.alias("below")
_is_last = ~sa.exists().where(
    _below.c.port_id == level_table.c.port_id,
    _below.c.host == level_table.c.host,
    _below.c.level > level_table.c.level,
)
_PLUGGED = Statement(
    lambda dialect: (
        sa.select(
            table.c.id,
            binding_table.c.host,
            table.c.revision_number,
            binding_table.c.wiring,
            binding_table.c.wiring_reason,
        )
        .join(binding_table, binding_table.c.port_id == table.c.id)
        .join(level_table, (level_table.c.port_id == table.c.id) & (level_table.c.host == binding_table.c.host))
        .where(
            among(table.c.id, "ids", dialect),
            table.c.deleted_at.is_(None),
            level_table.c.driver == sa.bindparam("a_driver"),
            _is_last,
        )
    )
)


async def plugged_by(connection: AsyncConnection, driver: str, ids: Iterable[str]) -> Sequence[Plug]:
    """Return those of the ports *ids* that *driver* plugs."""
    return [Plug(*row) for row in await _PLUGGED.rows(connection, {"ids": [*ids], "a_driver": driver})]

"""How the ports of a network are plugged, host by host, and not port by port."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.port import binding_table, level_table, table
from jackfield_core.db.query import storable
from jackfield_core.types import BINDING_FAILED, UNBOUND


class Plugging(Struct, frozen=True):
    """One way in which ports of a network are plugged on a host; *vif_details* are those of one of them."""

    host: str
    driver: str
    segment_id: str
    vif_type: str
    vif_details: dict[str, Any]


_below = level_table.alias("below")
_is_last = ~sa.exists().where(
    _below.c.port_id == level_table.c.port_id,
    _below.c.host == level_table.c.host,
    _below.c.level > level_table.c.level,
)
_WAYS = (binding_table.c.host, level_table.c.driver, level_table.c.segment_id, binding_table.c.vif_type)
_PLUGGED = (
    sa.select(*_WAYS, sa.func.min(binding_table.c.vif_details))
    .join_from(table, binding_table, binding_table.c.port_id == table.c.id)
    .join(level_table, (level_table.c.port_id == table.c.id) & (level_table.c.host == binding_table.c.host))
    .where(table.c.deleted_at.is_(None), binding_table.c.vif_type.not_in((UNBOUND, BINDING_FAILED)), _is_last)
    .group_by(*_WAYS)
    .order_by(*_WAYS)
)


async def pluggings(connection: AsyncConnection, network_id: str, host: str | None) -> Sequence[Plugging]:
    """Return how ports of a network are plugged on *host*, or everywhere."""
    statement = _PLUGGED.where(table.c.network_id == storable(network_id))
    if host is not None:
        statement = statement.where(binding_table.c.host == storable(host))
    return [Plugging(*row) for row in await connection.execute(statement)]

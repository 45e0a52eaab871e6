"""Bindings that wait: where a port may live next, or has lived until a moment ago.

A port has one active binding, and it is read with the port. For the time of a
migration there is a second one, on the host that the server moves to. Those are
few and live short, so they have a table of their own, and nothing that reads
ports, tells drivers or tells hosts has to know of them.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import port
from jackfield_core.db.base import Id, Json, Name, metadata
from jackfield_core.db.port import Binding
from jackfield_core.db.query import storable
from jackfield_core.db.statement import Insert, Statement
from jackfield_core.types import BindingLevel

table = sa.Table(
    "inactive_binding",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", Name, primary_key=True),
    sa.Column("binding", Json(Binding), nullable=False),
    sa.Column("levels", Json(tuple[BindingLevel, ...]), nullable=False),
)


class InactiveBinding(Struct, frozen=True):
    """A binding that is complete, and does not count."""

    port_id: str
    binding: Binding
    levels: tuple[BindingLevel, ...]


_ADD = Insert(table, lambda insert: insert.on_conflict_do_nothing().returning(table.c.host))
_OF_PORT = Statement(
    sa.select(table.c.port_id, table.c.binding, table.c.levels)
    .where(table.c.port_id == sa.bindparam("a_port_id"))
    .order_by(table.c.host)
)
_REMOVE = Statement(
    sa.delete(table).where(table.c.port_id == sa.bindparam("a_port_id"), table.c.host == sa.bindparam("a_host"))
)
_LEVELS_ON_NETWORK = Statement(
    sa.select(table.c.levels)
    .join(port.table, port.table.c.id == table.c.port_id)
    .where(port.table.c.network_id == sa.bindparam("a_network_id"), port.table.c.deleted_at.is_(None))
)


class InactiveBindingTable:
    """Inactive bindings, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_port(self, port_id: str) -> Sequence[InactiveBinding]:
        """Return the inactive bindings of a port, in order of their hosts."""
        rows = await _OF_PORT.rows(self._connection, {"a_port_id": storable(port_id)})
        return [InactiveBinding(*row) for row in rows]

    async def add(self, one: InactiveBinding) -> bool:
        """Insert a binding; return False if the port has one on that host."""
        values: dict[str, Any] = {"host": one.binding.host, **{name: getattr(one, name) for name in _FIELDS}}
        return bool(await _ADD.rows(self._connection, [values]))

    async def remove(self, port_id: str, host: str) -> bool:
        """Remove a binding; return False if there is none."""
        return bool(await _REMOVE.run(self._connection, {"a_port_id": port_id, "a_host": storable(host)}))

    async def uses_segment(self, network_id: str, segment_id: str) -> bool:
        """Return whether a live port of the network has an inactive binding to the segment."""
        rows = await _LEVELS_ON_NETWORK.rows(self._connection, {"a_network_id": network_id})
        return any(level.segment_id == segment_id for (levels,) in rows for level in levels)


_FIELDS = InactiveBinding.__struct_fields__

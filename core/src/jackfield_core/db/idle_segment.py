"""Dynamic segments that no binding counts on any more.

Nobody keeps a count, so none can be wrong: the rows that name a segment are the
count. Four kinds of binding do. One that is active; that of a deleted port,
until the last driver has let go of it, because it is told where the port was;
one that waits for a migration; and one that failed on the segment, because it
is tried again and would want it again. Besides, a port that moved away is still
on the devices of who has not heard of that, so nothing is idle while drivers
are owed ports of the network that they may have.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import inactive_binding, network, port
from jackfield_core.db.leaving import ports_are_owed, segment_is_leaving
from jackfield_core.db.port_tables import binding_table, level_table
from jackfield_core.db.segment import Segment, table
from jackfield_core.db.statement import Statement
from jackfield_core.types import BINDING_FAILED

_is_unbound = (
    table.c.is_dynamic
    & (table.c.updated_at < sa.bindparam("unused_since", type_=sa.DateTime))
    & ~sa.exists().where(level_table.c.segment_id == table.c.id)
    & ~segment_is_leaving(table)
)
_NETWORKS = Statement(
    sa.select(table.c.network_id)
    .join(network.table, network.table.c.id == table.c.network_id)
    .where(_is_unbound, network.table.c.deleted_at.is_(None))
    .distinct()
    .order_by(table.c.network_id)
)
_of_network = table.c.network_id == sa.bindparam("a_network_id")
_UNBOUND = Statement(
    sa.select(table).where(_of_network, _is_unbound, ~ports_are_owed(table.c.network_id)).order_by(table.c.position)
)
_lives_on_network = port.table.c.deleted_at.is_(None) & (port.table.c.network_id == sa.bindparam("a_network_id"))
_WAITING = Statement(
    sa.select(inactive_binding.table.c.levels)
    .join(port.table, port.table.c.id == inactive_binding.table.c.port_id)
    .where(_lives_on_network)
)
_FAILED = Statement(
    sa.select(binding_table.c.failures)
    .join(port.table, port.table.c.id == binding_table.c.port_id)
    .where(_lives_on_network, binding_table.c.vif_type == sa.literal_column(f"'{BINDING_FAILED}'"))
)


class IdleSegmentTable:
    """Dynamic segments and who counts on them, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def networks(self, unused_since: datetime) -> Sequence[str]:
        """Return the networks with dynamic segments that no port is bound to; :meth:`of_network` knows the rest."""
        return [id for (id,) in await _NETWORKS.rows(self._connection, {"unused_since": unused_since})]

    async def of_network(self, network_id: str, unused_since: datetime) -> Sequence[Segment]:
        """Return the dynamic segments that nothing counts on and that were allocated before *unused_since*.

        Who acts on that holds the network for update before: then nobody can be binding to one of them.
        """
        values = {"a_network_id": network_id, "unused_since": unused_since}
        unbound = [Segment(*row) for row in await _UNBOUND.rows(self._connection, values)]
        counted = await self._counted_on(network_id) if unbound else set()
        return [segment for segment in unbound if segment.id not in counted]

    async def _counted_on(self, network_id: str) -> set[str]:
        """Return the segments named by bindings that wait, and by those that failed."""
        values = {"a_network_id": network_id}
        levels = [level for (levels,) in await _WAITING.rows(self._connection, values) for level in levels]
        failures = [one for (failures,) in await _FAILED.rows(self._connection, values) for one in failures]
        return {level.segment_id for level in levels} | {one["segment_id"] for one in failures if "segment_id" in one}

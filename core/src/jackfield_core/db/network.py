"""Networks.

A network's revision is also the version of what hangs on it: subnets and
segments raise it when they change. So whoever read a network with its subnets
at one revision may go on working with that copy as long as the revision still
stands, and :meth:`NetworkTable.lock` is how a transaction asks.
"""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from jackfield_core.db.base import Id, Name, metadata, now
from jackfield_core.db.query import storable
from jackfield_core.db.resource import ResourceTable
from jackfield_core.db.statement import Statement

table = sa.Table(
    "network",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project_id", Name, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Name, nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("external", sa.Boolean, nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("revision_number", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("deleted_at", sa.DateTime),
    sa.Index("ix_network_project_id_id", "project_id", "id"),
    sa.Index("ix_network_name_id", "name", "id"),
)


class Network(Struct, frozen=True):
    """A network as it is stored; *mtu* is in bytes."""

    id: str
    project_id: str
    name: str
    description: str
    admin_state_up: bool
    status: str
    mtu: int
    shared: bool
    external: bool
    port_security_enabled: bool
    revision_number: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


_LOCK_SHARED = Statement(
    sa.select(table.c.revision_number)
    .where(table.c.id == sa.bindparam("id"), table.c.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True)
)


class NetworkTable(ResourceTable[Network]):
    """Networks, seen through one connection."""

    kind = "network"
    table = table
    row = Network
    selection = sa.select(table)
    filters = {column.name: column for column in table.c if column.name not in ("external", "deleted_at")}

    async def lock(self, id: str) -> int | None:
        """Keep the network and its subnets from changing; return its revision, or None if it is gone.

        Any number of transactions may hold this lock at once: it is what a
        port takes on its network. Whoever changes what hangs on the network
        calls :meth:`find_for_update`, which waits for all of them.
        """
        revision: int | None = await _LOCK_SHARED.value(self._connection, {"id": storable(id)})
        return revision

    async def touch(self, id: str) -> None:
        """Raise the revision because a subnet or segment changed."""
        await self._connection.execute(
            sa.update(table)
            .where(table.c.id == id)
            .values(revision_number=table.c.revision_number + 1, updated_at=now())
        )

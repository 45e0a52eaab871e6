"""Values of vendor attributes, one row for each attribute of a resource.

The three kinds of resources share the table, so no foreign key removes a row:
values are purged together with their resource. JSON ``null`` stands for no
value and is never stored.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, metadata
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import Kind

table = sa.Table(
    "vendor_attribute",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("resource_id", Id, primary_key=True),
    sa.Column("driver", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    # JSON, as the user or the driver gave it.
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Index("ix_vendor_attribute_kind_resource_id", "kind", "resource_id"),
)

NOTHING = b"null"
"""What takes a value away."""

Values = Mapping[tuple[str, str], bytes]
"""JSON by driver and attribute name."""
NO_VALUES: Values = MappingProxyType({})


class VendorAttributeTable:
    """Values of vendor attributes, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self, kind: Kind, ids: Iterable[str]) -> dict[str, dict[tuple[str, str], bytes]]:
        """Return the values of resources by id; a resource without any is missing."""
        found: dict[str, dict[tuple[str, str], bytes]] = {}
        for id, driver, name, value in await _LIST.rows(self._connection, {"a_kind": kind, "ids": [*ids]}):
            found.setdefault(id, {})[driver, name] = value
        return found

    async def save(self, values: Mapping[tuple[Kind, str], Values]) -> None:
        """Write values by kind and id of their resource; all others stay."""
        rows = [
            {"kind": kind, "resource_id": id, "driver": driver, "name": name, "value": value}
            # One order for everybody, so that two transactions never wait in a circle.
            for (kind, id), given in sorted(values.items())
            for (driver, name), value in sorted(given.items())
        ]
        if kept := [row for row in rows if row["value"] != NOTHING]:
            await _SAVE.run(self._connection, kept)
        if gone := [row for row in rows if row["value"] == NOTHING]:
            await _REMOVE.run_many(self._connection, gone)

    async def purge(self, kind: Kind, ids: Collection[str]) -> None:
        """Remove all values of resources that are no more."""
        await _PURGE.run(self._connection, {"a_kind": kind, "ids": [*ids]})

    async def kinds(self) -> Collection[Kind]:
        """Return the kinds of which any resource has values."""
        found = [sa.select(sa.literal(kind.value)).where(sa.exists().where(table.c.kind == kind)) for kind in Kind]
        return [Kind(kind) for kind in (await self._connection.execute(sa.union_all(*found))).scalars()]


_of_kind = table.c.kind == sa.bindparam("a_kind")

_LIST = Statement(
    lambda dialect: sa.select(table.c.resource_id, table.c.driver, table.c.name, table.c.value).where(
        _of_kind, among(table.c.resource_id, "ids", dialect)
    )
)
_SAVE = Insert(
    table,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[*table.primary_key], set_={"value": insert.excluded.value}
    ),
)
_REMOVE = Statement(
    sa.delete(table).where(*(table.c[name] == sa.bindparam(name) for name in ("kind", "resource_id", "driver", "name")))
)
_PURGE = Statement(lambda dialect: sa.delete(table).where(_of_kind, among(table.c.resource_id, "ids", dialect)))

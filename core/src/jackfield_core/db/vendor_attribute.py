"""Values of vendor attributes, one row for each attribute of a resource.

The three kinds of resources share the table, so no foreign key removes a row:
values are purged together with their resource.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, metadata
from jackfield_core.db.statement import Statement, among
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

Values = Mapping[tuple[str, str], bytes]
"""JSON by driver and attribute name."""


class VendorAttributeTable:
    """Values of vendor attributes, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self, kind: Kind, ids: Iterable[str]) -> dict[str, dict[tuple[str, str], bytes]]:
        """Return the values of resources by id; a resource without any is missing."""
        found: dict[str, dict[tuple[str, str], bytes]] = {}
        for id, driver, name, value in await _LIST.rows(self._connection, {"kind": kind, "ids": [*ids]}):
            found.setdefault(id, {})[driver, name] = value
        return found

    async def save(self, kind: Kind, id: str, values: Values) -> None:
        """Insert or replace *values* of one resource; the others stay."""
        if not values:
            return
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).values(
            [
                {"kind": kind, "resource_id": id, "driver": driver, "name": name, "value": value}
                for (driver, name), value in values.items()
            ]
        )
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[*table.primary_key], set_={"value": statement.excluded.value}
            )
        )


_LIST = Statement(
    lambda dialect: sa.select(table.c.resource_id, table.c.driver, table.c.name, table.c.value).where(
        table.c.kind == sa.bindparam("kind"), among(table.c.resource_id, "ids", dialect)
    )
)

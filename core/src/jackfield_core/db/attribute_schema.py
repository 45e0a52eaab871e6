"""Schemas of vendor attributes, as drivers last declared them.

The API validates with them also while the driver is down, so they are kept
here, all of one driver together, under the digest that the ``driver`` table
remembers.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Json, metadata
from jackfield_core.types import Kind

table = sa.Table(
    "attribute_schema",
    metadata,
    sa.Column("driver", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("json_schema", sa.Text, nullable=False),
    # Whether users may change a value after the create.
    sa.Column("mutable", sa.Boolean, nullable=False),
    # JSON pointers into the value; what they point at is never shown or logged.
    sa.Column("sensitive_paths", Json(tuple[str, ...]), nullable=False),
    # Only the driver sets it.
    sa.Column("read_only", sa.Boolean, nullable=False),
    # Users who are no operators neither see nor set it.
    sa.Column("operator_only", sa.Boolean, nullable=False),
)


class AttributeSchema(Struct, frozen=True):
    """One attribute that a driver adds to a kind of resource; users know it as ``driver:name``."""

    driver: str
    kind: Kind
    name: str
    version: int
    json_schema: str
    mutable: bool
    sensitive_paths: tuple[str, ...]
    read_only: bool
    operator_only: bool


class AttributeSchemaTable:
    """Schemas of vendor attributes, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> Sequence[AttributeSchema]:
        """Return the schemas of all drivers."""
        rows = await self._connection.execute(sa.select(table))
        return [AttributeSchema(row.driver, Kind(row.kind), *row[2:]) for row in rows]

    async def save(self, driver: str, schemas: Sequence[AttributeSchema]) -> None:
        """Replace all schemas of *driver* by *schemas*."""
        await self._connection.execute(sa.delete(table).where(table.c.driver == driver))
        if schemas:
            rows = [{name: getattr(schema, name) for name in schema.__struct_fields__} for schema in schemas]
            await self._connection.execute(sa.insert(table), rows)

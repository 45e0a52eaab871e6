"""What the tables of networks, subnets and ports have in common.

A deleted resource leaves in two steps. First it is hidden from users: its row
keeps ``deleted_at``, and with it everything scarce that it holds (its VLAN, its
addresses, its MAC) and everything a driver must be told to undo it. When the
last driver that was owed its end has acknowledged, the row is purged and all
of that is free again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import now
from jackfield_core.db.query import ListQuery, select_page, storable

RowT = TypeVar("RowT", bound=Struct)


class ResourceTable(Generic[RowT]):
    """Resources of one kind, seen through one connection."""

    kind: ClassVar[str]
    table: ClassVar[sa.Table]
    row: ClassVar[type[Any]]
    """Struct whose fields are the columns of :attr:`selection`, in the same order."""
    selection: ClassVar[sa.Select[Any]]
    """What a row is made of."""
    filters: ClassVar[dict[str, sa.ColumnElement[Any]]]
    """Columns that a list can be filtered and sorted by, under the names of the API."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def __init_subclass__(cls) -> None:
        columns = cls.table.c
        cls._live = columns.deleted_at.is_(None)
        cls._find = cls.selection.where(columns.id == sa.bindparam("id"), cls._live)
        cls._lock = cls._find.with_for_update(of=cls.table)
        cls._get_any = cls.selection.where(columns.id.in_(sa.bindparam("ids", expanding=True)))
        cls._insert = sa.insert(cls.table)
        cls._names = tuple(column.name for column in columns)

    _live: ClassVar[sa.ColumnElement[bool]]
    _find: ClassVar[sa.Select[Any]]
    _lock: ClassVar[sa.Select[Any]]
    _get_any: ClassVar[sa.Select[Any]]
    _insert: ClassVar[sa.Insert]
    _names: ClassVar[tuple[str, ...]]

    @classmethod
    def from_row(cls, row: Any) -> RowT:
        """Turn one result row into the value."""
        value: RowT = cls.row(*row)
        return value

    @classmethod
    def values(cls, value: RowT) -> dict[str, Any]:
        """Return the columns of *value* by name."""
        return {name: getattr(value, name) for name in cls._names}

    async def find(self, id: str) -> RowT | None:
        """Return the resource, or None if there is none or it was deleted."""
        row = (await self._connection.execute(self._find, {"id": storable(id)})).one_or_none()
        return self.from_row(row) if row else None

    async def find_for_update(self, id: str) -> RowT | None:
        """Return the resource and keep everybody else from changing it until the commit."""
        row = (await self._connection.execute(self._lock, {"id": storable(id)})).one_or_none()
        return self.from_row(row) if row else None

    async def list(self, query: ListQuery) -> Sequence[RowT]:
        """Return one page of live resources.

        Raises:
            Invalid: A filter value or sort key does not fit, or the marker is unknown.
        """
        statement = await select_page(
            self._connection, self.selection.where(self._live), query, self.filters, self.table.c.id
        )
        rows = [self.from_row(row) for row in await self._connection.execute(statement)]
        return rows[::-1] if query.page_reverse else rows

    async def list_with_deleted(self, ids: Iterable[str]) -> dict[str, RowT]:
        """Return resources by id, those that only drivers still know included."""
        rows = await self._connection.execute(self._get_any, {"ids": [*ids]})
        return {row.id: self.from_row(row) for row in rows}

    async def add(self, *resources: RowT) -> Sequence[str]:
        """Insert *resources*; return their ids."""
        await self._connection.execute(self._insert, [self.values(resource) for resource in resources])
        return [resource.id for resource in resources]  # type: ignore[attr-defined]

    async def update(self, resource: RowT) -> None:
        """Write all columns of *resource*."""
        values = self.values(resource)
        await self._connection.execute(sa.update(self.table).where(self.table.c.id == values.pop("id")), values)

    async def mark_deleted(self, id: str) -> None:
        """Hide the resource from users; drivers are still owed its end."""
        await self._connection.execute(sa.update(self.table).where(self.table.c.id == id), {"deleted_at": now()})

    async def purge(self, ids: Sequence[str]) -> None:
        """Remove rows and what hangs on them; what they held is free again."""
        await self._connection.execute(sa.delete(self.table).where(self.table.c.id.in_(ids)))

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
from jackfield_core.db.query import Complete, ListQuery, select_page, storable
from jackfield_core.db.statement import Insert, Statement, among

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
    twins: ClassVar[Sequence[sa.ColumnElement[Any]]] = ()
    """Columns of tables that are joined by them to the id."""
    complete: ClassVar[Complete | None] = None
    """Makes of rows of :attr:`table` what :attr:`selection` is, where other tables have a part in that."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def __init_subclass__(cls) -> None:
        columns = cls.table.c
        own = {*columns}
        cls._joined = frozenset(name for name, column in cls.filters.items() if column not in own)
        cls._live = columns.deleted_at.is_(None)
        cls._names = tuple(column.name for column in columns)
        found = cls.selection.where(columns.id == sa.bindparam("id"), cls._live)
        cls._find = Statement(found)
        cls._lock = Statement(found.with_for_update(of=cls.table))
        cls._get_any = Statement(lambda dialect: cls.selection.where(among(columns.id, "ids", dialect)))
        cls._insert = Insert(cls.table, lambda insert: insert)
        cls._update = Statement(
            sa.update(cls.table).where(columns.id == sa.bindparam("an_id")),
            [name for name in cls._names if name != "id"],
        )
        cls._mark_deleted = Statement(sa.update(cls.table).where(columns.id == sa.bindparam("an_id")), ["deleted_at"])
        cls._purge = Statement(lambda dialect: sa.delete(cls.table).where(among(columns.id, "ids", dialect)))

    _joined: ClassVar[frozenset[str]]
    _live: ClassVar[sa.ColumnElement[bool]]
    _names: ClassVar[tuple[str, ...]]
    _find: ClassVar[Statement]
    _lock: ClassVar[Statement]
    _get_any: ClassVar[Statement]
    _insert: ClassVar[Insert]
    _update: ClassVar[Statement]
    _mark_deleted: ClassVar[Statement]
    _purge: ClassVar[Statement]

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
        row = await self._find.row(self._connection, {"id": storable(id)})
        return self.from_row(row) if row else None

    async def find_for_update(self, id: str) -> RowT | None:
        """Return the resource and keep everybody else from changing it until the commit."""
        row = await self._lock.row(self._connection, {"id": storable(id)})
        return self.from_row(row) if row else None

    async def list(self, query: ListQuery) -> Sequence[RowT]:
        """Return one page of live resources.

        Raises:
            Invalid: A filter value or sort key does not fit.
            NotFound: The marker is unknown.
        """
        statement = await self.page(query)
        rows = [self.from_row(row) for row in await self._connection.execute(statement)]
        return rows[::-1] if query.page_reverse else rows

    async def page(self, query: ListQuery) -> sa.Select[Any]:
        """Return the statement for one page of live resources; raises what :meth:`list` raises."""
        complete = type(self).complete if self._is_found_by_own_columns(query) else None
        selection, twins = (sa.select(self.table), ()) if complete else (self.selection, self.twins)
        live = selection.where(self._live)
        return await select_page(
            self._connection, live, query, self.filters, self.table.c.id, self.kind, twins, complete
        )

    def _is_found_by_own_columns(self, query: ListQuery) -> bool:
        """Return whether a list has pages, and no part in what is on them have joined tables."""
        asked = {*query.filters, *(name for name, _ in query.sorts)}
        # All there is, by id, stands side by side in all tables.
        is_sparse = bool(asked or query.conditions)
        return query.limit is not None and is_sparse and self._joined.isdisjoint(asked)

    async def list_with_deleted(self, ids: Iterable[str]) -> dict[str, RowT]:
        """Return resources by id, those that only drivers still know included."""
        # The first column of a resource is its id.
        return {row[0]: self.from_row(row) for row in await self._get_any.rows(self._connection, {"ids": [*ids]})}

    async def add(self, *resources: RowT) -> Sequence[str]:
        """Insert *resources*; return their ids."""
        await self._insert.run(self._connection, [self.values(resource) for resource in resources])
        return [resource.id for resource in resources]  # type: ignore[attr-defined]

    async def update(self, resource: RowT) -> None:
        """Write all columns of *resource*."""
        values = self.values(resource)
        await self._update.run(self._connection, {**values, "an_id": values["id"]})

    async def mark_deleted(self, id: str) -> None:
        """Hide the resource from users; drivers are still owed its end."""
        await self._mark_deleted.run(self._connection, {"an_id": id, "deleted_at": now()})

    async def purge(self, ids: Sequence[str]) -> None:
        """Remove rows and what hangs on them; what they held is free again."""
        await self._purge.run(self._connection, {"ids": [*ids]})

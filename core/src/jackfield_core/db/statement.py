"""Statements that run often, without the toll of executing them through SQLAlchemy.

SQLAlchemy is what statements are written with, and what compiles them. Running
one through it costs 50 to 80 µs of CPU, of which the database's own driver
needs 12, and a bound port takes about ten. So a :class:`Statement` is compiled
once per dialect; afterwards only the driver sees it, on the connection, and in
the transaction, that everything else of a unit of work uses. Errors come out
as SQLAlchemy's, so that nobody has to know which way a statement went.

Statements that are put together per request, such as lists, run through
SQLAlchemy as ever.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Json

Row = Sequence[Any]
Builder = Callable[[str], Any]
"""Makes a statement for a dialect: ``"postgresql"`` or ``"sqlite"``."""

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error)


class Statement:
    """One statement with named parameters, or what builds it where the dialects differ."""

    def __init__(self, statement: sa.sql.ClauseElement | Builder, columns: Sequence[str] | None = None) -> None:
        self._build: Builder = statement if not isinstance(statement, sa.sql.ClauseElement) else lambda _: statement
        self._columns = columns
        self._by_dialect: dict[str, _Compiled] = {}

    async def rows(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run the statement; return its rows, columns in order."""
        compiled = self.compiled(connection.dialect)
        return compiled.results(await _fetch(connection, compiled.text, compiled.arguments(values)))

    async def row(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Row | None:
        """Run the statement; return its first row, or None if it has none."""
        rows = await self.rows(connection, values)
        return rows[0] if rows else None

    async def value(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Any:
        """Run the statement; return the first column of its first row, or None if it has none."""
        rows = await self.rows(connection, values)
        return rows[0][0] if rows else None

    async def run(self, connection: AsyncConnection, values: Mapping[str, Any]) -> int:
        """Run the statement; return how many rows it changed."""
        compiled = self.compiled(connection.dialect)
        return await _execute(connection, compiled.text, compiled.arguments(values))

    async def run_many(self, connection: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run the statement once for each of *rows*, in few round trips."""
        compiled = self.compiled(connection.dialect)
        await _execute_many(connection, compiled.text, [compiled.arguments(values) for values in rows])

    def compiled(self, dialect: Dialect) -> "_Compiled":
        """Return the statement as it runs on *dialect*."""
        compiled = self._by_dialect.get(dialect.name)
        if compiled is None:
            compiled = self._by_dialect[dialect.name] = _Compiled(self._build(dialect.name), dialect, self._columns)
        return compiled


class Insert:
    """Inserts any number of rows, and returns columns of those that were inserted.

    On PostgreSQL several rows travel as one array per column, so that the text,
    and with it the prepared statement, is the same for any number.
    """

    def __init__(self, table: sa.Table, build: Callable[[Any], Any], *, columns: Sequence[str] | None = None) -> None:
        """Prepare the statement: *build* adds ``on_conflict_…`` and ``returning`` to a dialect's ``insert``."""
        names = columns or [column.name for column in table.c]
        self._one = Statement(lambda dialect: build(_insert(dialect, table).inline()), names)
        self._arrays = Statement(lambda dialect: build(_from_arrays(dialect, table, names)))
        self._plain = {dialect: build(_insert(dialect, table)) for dialect in ("postgresql", "sqlite")}
        self._names = names

    async def rows(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Insert *rows*; return what the statement returns, in no particular order."""
        if len(rows) == 1:
            return await self._one.rows(connection, rows[0])
        if connection.dialect.name == "postgresql":
            return await self._arrays.rows(connection, self._columns_of(rows, connection.dialect))
        result = await connection.execute(self._plain["sqlite"], rows)
        return result.all() if result.returns_rows else ()

    async def run(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*."""
        await self.rows(connection, rows)

    def _columns_of(self, rows: Sequence[Mapping[str, Any]], dialect: Dialect) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for name, convert in self._one.compiled(dialect).order:
            # Besides columns the text may hold constants, such as those that a conflict writes.
            if name in self._names:
                columns[name] = [convert(row[name]) if convert else row[name] for row in rows]
        return columns


def among(column: sa.ColumnElement[Any], name: str, dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that *column*, a text, is one of the list in parameter *name*.

    Unlike ``IN`` the text of the statement does not depend on how many there are.
    The list travels as JSON, also to PostgreSQL: its driver looks at every element
    of an array for half a microsecond, to find out whether that is a list itself.
    """
    return within(column, _listed(sa.bindparam(name, type_=Json(tuple[str, ...])), dialect), dialect)


def within(column: sa.ColumnElement[Any], rows: sa.SelectBase, dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that *column* is in the few *rows*, which are looked up in an index one by one."""
    if dialect == "postgresql":
        # As an array: it takes any for ten elements, and rows of a function for many.
        return column == sa.any_(sa.func.array(rows.scalar_subquery()))
    return column.in_(rows)


def elements(values: Sequence[str], dialect: str) -> sa.Select[tuple[str]]:
    """Return *values* as rows, for a statement that is put together per request: one parameter for any number."""
    return _listed(sa.literal(msgspec.json.encode(values).decode(), sa.Text), dialect)


def _listed(values: sa.BindParameter[Any], dialect: str) -> sa.Select[tuple[str]]:
    if dialect == "postgresql":
        return sa.select(sa.func.json_array_elements_text(sa.cast(values, postgresql.JSON)).column_valued())
    return sa.select(sa.func.json_each(values).table_valued("value").c.value)


class _Compiled:
    """The text of a statement for one dialect, and how values go in and come out."""

    def __init__(self, statement: Any, dialect: Dialect, columns: Sequence[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert not compiled.post_compile_params, f"the text depends on the values: {compiled}"
        self.text = str(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self.order = [(name, _bind_processor(binds[name].type, dialect)) for name in compiled.positiontup or ()]
        self._constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        types = [column.type for column in statement.exported_columns]
        processors = [type.dialect_impl(dialect).result_processor(dialect, None) for type in types]
        self._conversions = [(place, convert) for place, convert in enumerate(processors) if convert]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return *values* in the order of the text, as the driver takes them."""
        if self._constants:
            values = {**self._constants, **values}
        return [convert(values[name]) if convert else values[name] for name, convert in self.order]

    def results(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return *rows* as their columns' types have them."""
        return [self._result(row) for row in rows] if self._conversions else rows

    def _result(self, row: Row) -> Row:
        values = list(row)
        for place, convert in self._conversions:
            values[place] = convert(values[place])
        return values


def _bind_processor(type: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    processor: Callable[[Any], Any] | None = type.dialect_impl(dialect).bind_processor(dialect)
    return processor


def _insert(dialect: str, table: sa.Table) -> Any:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _from_arrays(dialect: str, table: sa.Table, names: Sequence[str]) -> Any:
    arrays = (sa.func.unnest(sa.bindparam(name, type_=sa.ARRAY(_unbounded(table.c[name].type)))) for name in names)
    return _insert(dialect, table).from_select(names, sa.select(*arrays), include_defaults=False)


def _unbounded(type: Any) -> Any:
    # An array is cast, and a cast to VARCHAR(36) would cut what is too long instead of refusing it.
    return sa.Text() if isinstance(type, sa.String | Json) else type


async def _fetch(connection: AsyncConnection, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
    driver = driver_connection(connection)
    try:
        if isinstance(driver, asyncpg.Connection):
            return await driver.fetch(text, *arguments)  # type: ignore[no-any-return]
        return list(await driver.execute_fetchall(text, arguments))
    except DRIVER_ERRORS as error:
        raise translated(error, text) from error


async def _execute(connection: AsyncConnection, text: str, arguments: Sequence[Any]) -> int:
    driver = driver_connection(connection)
    try:
        if isinstance(driver, asyncpg.Connection):
            # The status ends with the number of rows: "UPDATE 3", "INSERT 0 1".
            return int((await driver.execute(text, *arguments)).rpartition(" ")[2])
        cursor = await driver.execute(text, arguments)
        await cursor.close()
        return cursor.rowcount  # type: ignore[no-any-return]
    except DRIVER_ERRORS as error:
        raise translated(error, text) from error


async def _execute_many(connection: AsyncConnection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    driver = driver_connection(connection)
    try:
        await driver.executemany(text, rows)
    except DRIVER_ERRORS as error:
        raise translated(error, text) from error


def driver_connection(connection: AsyncConnection) -> Any:
    """Return the driver's own connection under *connection*: asyncpg's or aiosqlite's."""
    assert connection.sync_connection is not None
    return connection.sync_connection.connection.driver_connection


def translated(error: Exception, text: str) -> sqlalchemy.exc.DBAPIError:
    """Return the error that SQLAlchemy would have raised."""
    is_integrity = isinstance(error, asyncpg.IntegrityConstraintViolationError | sqlite3.IntegrityError)
    kind = sqlalchemy.exc.IntegrityError if is_integrity else sqlalchemy.exc.DBAPIError
    return kind(text, None, error)

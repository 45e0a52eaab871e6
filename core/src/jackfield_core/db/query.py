"""One page of a list: filters, sort order and marker, as SQL.

Neutron's lists take the same filter several times (any of the values matches),
sort by several keys, and page by a marker: the id of the last resource that
the client has seen. Pages follow the sort order, with the id as last key, so a
marker is one place in it even where all other keys are equal.

What a row is made of besides its own table is read when the page is known. Joined
before that, PostgreSQL may read the other table side by side with the list: all
that stands there between the first row of the page and the last, and the fewer
rows of a list there are among all rows, the more that is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.errors import Invalid, NotFound

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}


Order = Sequence[tuple[sa.ColumnElement[Any], bool]]
"""Columns to sort by, each with True for descending."""
Complete = Callable[[sa.FromClause], sa.Select[Any]]
"""Selects what rows are made of, of those rows of their own table that it is given."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a client asks of a list; names are those of the API."""

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sorts: Sequence[tuple[str, bool]] = ()
    """Sort keys in order, each with True for descending."""
    limit: int | None = None
    marker: str | None = None
    page_reverse: bool = False
    conditions: Sequence[sa.ColumnElement[bool]] = ()
    """Filters that are not a plain comparison with a column."""


async def select_page(
    connection: AsyncConnection,
    selection: sa.Select[Any],
    query: ListQuery,
    columns: Mapping[str, sa.ColumnElement[Any]],
    id_column: sa.ColumnElement[Any],
    kind: str,
    twins: Sequence[sa.ColumnElement[Any]] = (),
    complete: Complete | None = None,
) -> sa.Select[Any]:
    """Narrow *selection*, resources of a kind, to one page.

    With ``page_reverse`` the rows before the marker come out, nearest first.
    *twins* are columns of joined tables that are the same as *id_column*. With
    *complete* the selection is of the resources' own table, and the page is completed.

    Raises:
        Invalid: A filter value does not fit its column, or a sort key is unknown.
        NotFound: The marker names nothing, as when the last resource of a page is deleted meanwhile.
    """
    everything = selection
    for name, texts in query.filters.items():
        selection = selection.where(_any_of(name, columns[name], texts))
    selection = selection.where(*query.conditions)
    if query.limit is None and query.marker is None and not query.sorts:
        return selection.order_by(id_column)
    order = _order(query, columns, id_column)
    if query.marker is not None:
        place = await _place(connection, everything, order, query.marker, id_column)
        if place is None:
            raise NotFound.of(kind, query.marker)
        selection = selection.where(_after(order, place))
        if order[0][0] is id_column:
            # PostgreSQL does not conclude that, and would read the joined tables from their beginning.
            selection = selection.where(*(_beyond(twin, order[0][1], place[0]) for twin in twins))
    page = _ordered(selection, order)
    if query.limit is not None:
        page = page.limit(query.limit)
    return _completed(page, order, complete) if complete else page


def _order(query: ListQuery, columns: Mapping[str, sa.ColumnElement[Any]], id_column: sa.ColumnElement[Any]) -> Order:
    order = [(_sort_column(name, columns), descending) for name, descending in query.sorts]
    if not any(column is id_column for column, _ in order):
        order.append((id_column, False))
    return [(column, descending != query.page_reverse) for column, descending in order]


def _sort_column(name: str, columns: Mapping[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    if name not in columns:
        raise Invalid(f"'{name}' is not a sort key of this resource.", type="BadRequest")
    return columns[name]


def _ordered(selection: sa.Select[Any], order: Order) -> sa.Select[Any]:
    return selection.order_by(*(_sorted_by(column, descending) for column, descending in order))


def _sorted_by(column: sa.ColumnElement[Any], descending: bool) -> sa.ColumnElement[Any]:
    if not _may_be_null(column):
        # PostgreSQL would not see that an index has this order if it were told where nulls belong.
        return column.desc() if descending else column.asc()
    # PostgreSQL puts nulls last and SQLite first unless told; pages need one order.
    return column.desc().nulls_last() if descending else column.asc().nulls_first()


def _completed(page: sa.Select[Any], order: Order, complete: Complete) -> sa.Select[Any]:
    """Return the rows of *page* with all that they are made of, in the same order."""
    rows = page.subquery()
    # All columns of their own table are there, under their names.
    return _ordered(complete(rows), [(rows.c[str(column.key)], descending) for column, descending in order])


def _may_be_null(column: sa.ColumnElement[Any]) -> bool:
    return getattr(column, "nullable", True)


async def _place(
    connection: AsyncConnection,
    everything: sa.Select[Any],
    order: Order,
    marker: str,
    id_column: sa.ColumnElement[Any],
) -> Sequence[Any] | None:
    """Return the marker's values in *order*, whether or not a filter hides it; None if it is gone."""
    place = everything.with_only_columns(*(column for column, _ in order)).where(id_column == storable(marker))
    return (await connection.execute(place)).one_or_none()


def _after(order: Order, place: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return the condition for rows behind *place* in *order*."""
    behind: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for (column, descending), value in zip(order, place, strict=True):
        behind.append(sa.and_(*equal, _beyond(column, descending, value)))
        equal.append(column.is_(None) if value is None else column == value)
    (column, descending), value = order[0], place[0]
    if len(order) == 1 or _may_be_null(column):
        return sa.or_(*behind)
    # Follows from the rest; but an alternative is nothing that a database can begin to read an index at.
    return sa.and_(column <= value if descending else column >= value, sa.or_(*behind))


def _beyond(column: sa.ColumnElement[Any], descending: bool, value: Any) -> sa.ColumnElement[bool]:
    if value is None:
        return sa.false() if descending else column.is_not(None)
    if not descending:
        beyond: sa.ColumnElement[bool] = column > value
    elif _may_be_null(column):
        beyond = sa.or_(column < value, column.is_(None))
    else:
        beyond = column < value
    return beyond


def _any_of(name: str, column: sa.ColumnElement[Any], texts: Sequence[str]) -> sa.ColumnElement[bool]:
    values = [_value(name, column, text) for text in texts]
    return column == values[0] if len(values) == 1 else column.in_(values)


def _value(name: str, column: sa.ColumnElement[Any], text: str) -> Any:
    """Read *text* as the type of *column*."""
    try:
        if isinstance(column.type, sa.Boolean):
            return _boolean(text)
        if isinstance(column.type, sa.Integer):
            return _integer(text, bits=64 if isinstance(column.type, sa.BigInteger) else 32)
        if isinstance(column.type, sa.DateTime):
            return _time(text)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"'{text}' is not a value that '{name}' can have.", type="BadRequest") from error
    return storable(text)


def storable(text: str) -> str:
    """Return *text* as a database can compare it; what no database holds becomes U+FFFD.

    PostgreSQL refuses NUL, and UTF-8 has no surrogates. Names and ids that hold
    one are found nowhere, which is the right answer, and not an error.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _integer(text: str, *, bits: int) -> int:
    number = int(text)
    if number.bit_length() >= bits:
        raise ValueError(text)
    return number

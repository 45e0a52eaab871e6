"""Deliveries as operators see them: pages of the ledger, and what drivers hold of a few resources.

Every question is one statement. Pages are in the order of the primary key, so a
marker is a place and need not exist any more, and what most rows are is found at
once by walking along it. What few rows are has partial indexes, which cost what
is in order nothing. The network of a row has none: the resources on a network are
found in their own tables.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import driver_audit, port, subnet
from jackfield_core.db.delivery import table
from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.db.query import storable
from jackfield_core.db.statement import Statement, among, elements, within
from jackfield_core.types import Kind


class Place(NamedTuple):
    """The key of a row, and its place in a list."""

    kind: str
    resource_id: str
    driver: str


class Delivery(Struct, frozen=True):
    """One row of the ledger without what only the driver understands.

    *unreachable* is what the last audit of the driver could not read; None if there never was one.
    """

    kind: str
    resource_id: str
    driver: str
    network_id: str
    desired_revision: int
    acknowledged_revision: int | None
    acknowledged_at: datetime | None
    tombstone: bool
    orphan: bool
    owed: bool
    owed_since: datetime | None
    due_at: datetime
    leased_until: datetime | None
    attempts: int
    disposition: str
    reason: str
    message: str
    unreachable: tuple[UnreachableBackend, ...] | None


_audit = driver_audit.table
_unreachable = _audit.c.unreachable
_COLUMNS = (*(table.c[name] for name in Delivery.__struct_fields__[:-1]), _unreachable)
_WITH_AUDIT = table.outerjoin(_audit, _audit.c.driver == table.c.driver)
_SELECT: sa.Select[Any] = sa.select(*_COLUMNS).select_from(_WITH_AUDIT)
_KEY = tuple(table.c[name] for name in Place._fields)
_OF_RESOURCES = Statement(
    lambda dialect: _SELECT.where(table.c.kind == sa.bindparam("a_kind"), among(table.c.resource_id, "ids", dialect))
)


class StatusTable:
    """Deliveries, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_resources(self, kind: Kind, ids: Sequence[str]) -> list[Delivery]:
        """Return what each driver is owed, or has acknowledged, of some resources; in no order."""
        values = {"a_kind": kind, "ids": [*ids]}
        return [Delivery(*row) for row in await _OF_RESOURCES.rows(self._connection, values)]

    async def find(self, place: Place) -> Delivery | None:
        """Return one delivery, or None if there is none."""
        statement = _SELECT.where(*(column == storable(part) for column, part in zip(_KEY, place, strict=True)))
        row = (await self._connection.execute(statement)).one_or_none()
        return Delivery(*row) if row else None

    async def page(
        self,
        conditions: Sequence[sa.ColumnElement[bool]],
        *,
        limit: int | None = None,
        marker: Place | None = None,
        is_backwards: bool = False,
    ) -> list[Delivery]:
        """Return up to *limit* deliveries that fulfil all *conditions*, in order: behind *marker*, or before it."""
        statement = _SELECT.where(*conditions).limit(limit)
        if marker is not None:
            place = sa.tuple_(*(_text(storable(part)) for part in marker))
            statement = statement.where(sa.tuple_(*_KEY) < place if is_backwards else sa.tuple_(*_KEY) > place)
        statement = statement.order_by(*(column.desc() if is_backwards else column for column in _KEY))
        found = [Delivery(*row) for row in await self._connection.execute(statement)]
        return found[::-1] if is_backwards else found

    async def oldest(self, conditions: Sequence[sa.ColumnElement[bool]], *, limit: int) -> list[Delivery]:
        """Return up to *limit* deliveries that fulfil all *conditions*, the longest owed first."""
        since = table.c.owed_since
        statement = _SELECT.where(*conditions).order_by(since.is_(None), since, table.c.rank, table.c.resource_id)
        return [Delivery(*row) for row in await self._connection.execute(statement.limit(limit))]


def of_drivers(names: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is for one of some drivers."""
    return table.c.driver.in_([storable(name) for name in names])


def of_kinds(kinds: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is about one of some kinds."""
    return table.c.kind.in_([storable(kind) for kind in kinds])


def of_resource_ids(ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is about one of some resources."""
    # The primary key begins with the kind; with all of them named it is walked from place to place.
    return table.c.kind.in_([*Kind]) & table.c.resource_id.in_(_in_any_case(ids))


def on_networks(ids: Sequence[str], dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is about one of some networks, or about what stands on them."""
    networks = _in_any_case(ids)
    there = sa.union_all(
        elements(networks, dialect),
        *(sa.select(one.c.id).where(one.c.network_id.in_(networks)) for one in (subnet.table, port.table)),
    )
    is_there = within(table.c.resource_id, there, dialect)
    return table.c.kind.in_([*Kind]) & is_there & table.c.network_id.in_(networks)


def is_owed(wanted: Sequence[bool]) -> sa.ColumnElement[bool]:
    """Return the condition that something is owed, or that nothing is, or either."""
    return sa.or_(sa.false(), *(table.c.owed if one else ~table.c.owed for one in dict.fromkeys(wanted)))


def is_waiting() -> sa.ColumnElement[bool]:
    """Return the condition that a driver is owed something, or would be if an operator agreed."""
    return table.c.owed | (table.c.orphan & ~table.c.owed)


def _in_any_case(ids: Sequence[str]) -> Sequence[str]:
    """Return *ids* as given, and in lower case, as our own are written; those that only a device knows need not be."""
    given = [storable(id) for id in ids]
    return [*dict.fromkeys([*given, *map(str.lower, given)])]


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.literal(value, sa.String)

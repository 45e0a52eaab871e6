"""Debts for what existed before a driver did.

A driver that is new, or that wants to hear of more than before, is owed all
resources of a kind that it has no row for in the ledger, and those of which an
operator has given up what was owed.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import delivery, network, port, subnet
from jackfield_core.db.base import now
from jackfield_core.types import Kind

_TABLES = {Kind.NETWORK: network.table, Kind.SUBNET: subnet.table, Kind.PORT: port.table}


async def owe_what_exists(connection: AsyncConnection, driver: str, kinds: Collection[Kind]) -> int:
    """Owe a driver the live resources of *kinds* that it has no row for, or a forgotten one; return how many."""
    return sum([await _owe_kind(connection, driver, kind) for kind in kinds])


async def _owe_kind(connection: AsyncConnection, driver: str, kind: Kind) -> int:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    id, owed, after = _TABLES[kind].c.id, 0, ""
    while True:
        # One statement for a hundred thousand ports would be ended before it is through.
        edge = sa.select(id).where(id > after).order_by(id).offset(delivery.PAGE - 1).limit(1)
        last = (await connection.execute(edge)).scalar_one_or_none()
        page = _missing(driver, kind, after, last)
        columns = [column.name for column in page.selected_columns]
        # A change that is being recorded at this moment brings its own row.
        statement = insert(delivery.table).from_select(columns, page).on_conflict_do_nothing()
        owed += (await connection.execute(statement)).rowcount
        owed += await _owe_forgotten(connection, driver, kind, after, last)
        if last is None:
            return owed
        after = last


async def _owe_forgotten(connection: AsyncConnection, driver: str, kind: Kind, after: str, last: str | None) -> int:
    debts, at = delivery.table, now()
    forgotten = sa.update(debts).where(
        debts.c.driver == driver,
        debts.c.kind == kind,
        *_between(debts.c.resource_id, after, last),
        # The condition of the index of what has failed.
        debts.c.disposition != sa.literal_column("''"),
        debts.c.disposition == delivery.FORGOTTEN,
    )
    again = forgotten.values(owed=True, owed_since=at, due_at=at, **delivery.PAID)
    return (await connection.execute(again)).rowcount


def _missing(driver: str, kind: Kind, after: str, last: str | None) -> sa.Select[Any]:
    """Select rows of the ledger, as they have to be, for the resources of a page without one."""
    table, debts, at = _TABLES[kind], delivery.table, now()
    # The page is looked up once and hashed. For an EXISTS, a planner that has not yet counted the rows
    # of a new driver walks through all of them for each resource.
    known = sa.select(debts.c.resource_id).where(
        debts.c.kind == kind, debts.c.driver == driver, *_between(debts.c.resource_id, after, last)
    )
    network_id = table.c.id if kind is Kind.NETWORK else table.c.network_id
    constants: dict[str, object] = {
        "kind": kind,
        "driver": driver,
        "rank": delivery.RANK[kind],
        "tombstone": False,
        "owed": True,
        "owed_since": at,
        "due_at": at,
        "attempts": 0,
        "disposition": "",
        "reason": "",
        "message": "",
    }
    return sa.select(
        table.c.id.label("resource_id"),
        network_id.label("network_id"),
        table.c.revision_number.label("desired_revision"),
        *(sa.literal(value, delivery.table.c[name].type).label(name) for name, value in constants.items()),
    ).where(table.c.deleted_at.is_(None), table.c.id.not_in(known), *_between(table.c.id, after, last))


def _between(id: sa.Column[Any], after: str, last: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition of a page: above *after*, up to *last* if there is more behind it."""
    return (id > after,) if last is None else (id > after, id <= last)

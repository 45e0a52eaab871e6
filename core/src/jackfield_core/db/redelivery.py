"""Debts, however many, that are owed from the start or tried at once.

A driver may know a hundred thousand resources, and one statement for all of them
would be ended before it is through. So the ledger of a driver is gone through
page by page, in the order of its key: as everybody takes many rows in that
order, two of them never wait in a circle.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import delivery
from jackfield_core.db.base import now
from jackfield_core.db.delivery import NOT_FORGOTTEN, named, table

_KEY = (table.c.kind, table.c.resource_id, table.c.driver)


async def owe_all_again(connection: AsyncConnection, driver: str) -> int:
    """Owe a driver everything from the start, because its backend may have lost it; return how much.

    What it was owed already keeps its place in the line, and its failures are
    not forgotten: a resource in ERROR is judged anew when that ends. Orphans
    are left alone: what is still there, the next audit finds.
    """
    count = 0
    again = _owed_from_the_start(now())
    async for page in _pages(connection, (table.c.driver == driver, ~table.c.orphan)):
        rows = sa.select(*_KEY).where(*page).order_by(*_KEY).with_for_update()
        count += (await connection.execute(again.where(sa.tuple_(*_KEY).in_(rows)))).rowcount
    return count


async def retry(
    connection: AsyncConnection, driver: str | None = None, *, kind: str | None = None, resource_id: str | None = None
) -> int:
    """Make debts due now that wait for their next attempt; return how many.

    Of one *driver*, *kind* or resource, or all. What they failed of, and how
    often, stays on record until they are paid. Nobody is waited for: what
    somebody else has in hand at this moment is told or owed anew by that.
    """
    at, count = now(), 0
    waiting = (table.c.owed, table.c.due_at > at, *named(driver, kind, resource_id))
    async for page in _pages(connection, waiting):
        rows = sa.select(*_KEY).where(*page).order_by(*_KEY).with_for_update(skip_locked=True)
        statement = sa.update(table).where(sa.tuple_(*_KEY).in_(rows)).values(due_at=at)
        count += (await connection.execute(statement)).rowcount
    return count


async def _pages(
    connection: AsyncConnection, conditions: Sequence[sa.ColumnElement[bool]]
) -> AsyncIterator[Sequence[sa.ColumnElement[bool]]]:
    """Yield the conditions of one page after the other; what is behind a page is not looked at again."""
    after: tuple[str, ...] = ("", "", "")
    while True:
        page = (*conditions, sa.tuple_(*_KEY) > sa.tuple_(*after))
        edge = sa.select(*_KEY).where(*page).order_by(*_KEY).offset(delivery.PAGE - 1).limit(1)
        last = (await connection.execute(edge)).one_or_none()
        yield page if last is None else (*page, sa.tuple_(*_KEY) <= sa.tuple_(*last))
        if last is None:
            return
        after = tuple(last)


def _owed_from_the_start(at: datetime) -> sa.Update:
    return sa.update(table).values(
        acknowledged_revision=None,
        original=None,
        owed=True,
        **NOT_FORGOTTEN,
        due_at=sa.case((table.c.owed & (table.c.due_at < at), table.c.due_at), else_=at),
        claim=None,
        leased_until=None,
        owed_since=sa.case((table.c.owed, table.c.owed_since), else_=at),
    )

"""Debts for what is no longer true on a device.

The same revision is owed once more. The resource has not changed and its status
neither: what was lost is only made again.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import now
from jackfield_core.db.delivery import table
from jackfield_core.db.statement import Statement, among


def _again(dialect: str) -> sa.Update:
    is_theirs = (table.c.driver == sa.bindparam("a_driver")) & (table.c.kind == sa.bindparam("a_kind"))
    at = sa.bindparam("at", type_=sa.DateTime)
    known = sa.case(
        (sa.bindparam("as_new", type_=sa.Boolean), sa.null()),
        else_=table.c.acknowledged_revision,
    )
    return (
        sa.update(table)
        # What is owed already has its own pace, and its failures are not forgotten.
        .where(is_theirs, among(table.c.resource_id, "ids", dialect), ~table.c.owed)
        .values(owed=True, owed_since=at, due_at=at, acknowledged_revision=known)
    )


_AGAIN = Statement(_again)


async def owe_again(
    connection: AsyncConnection, driver: str, kind: str, ids: Sequence[str], *, as_new: bool = False
) -> int:
    """Owe a driver resources that it has acknowledged; return how many.

    The driver hears of them as updates, or, with *as_new*, as if it had never
    heard of them.
    """
    values = {"a_driver": driver, "a_kind": kind, "ids": [*ids], "at": now(), "as_new": as_new}
    return await _AGAIN.run(connection, values)

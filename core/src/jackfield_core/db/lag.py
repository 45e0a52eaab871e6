"""How far drivers are behind: the ledger, summed up for people and alerts."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.delivery import table

REFUSED = ("infeasible", "conflict")
"""Dispositions of debts that only a change can help; they are tried again rarely."""
WAITING = ("in_progress", "superseded")
"""Dispositions of debts of which nothing failed: the driver is at it."""


class Lag(Struct, frozen=True):
    """What one driver is owed.

    Of the *owed* debts, *failing* were tried in vain, *refused* were refused for
    good, *in_progress* is what the driver is at, and *ending* is the end of
    something that was deleted. *most_attempts* is that of the worst debt.
    """

    driver: str
    owed: int = 0
    owed_since: datetime | None = None
    """Since when the oldest debt is owed."""
    failing: int = 0
    refused: int = 0
    in_progress: int = 0
    ending: int = 0
    most_attempts: int = 0
    next_due_at: datetime | None = None
    """When the next debt is tried."""

    def age(self, at: datetime) -> float:
        """Return the age of the oldest debt in seconds; 0 without debts."""
        return max(0.0, (at - self.owed_since).total_seconds()) if self.owed_since else 0.0


class LagTable:
    """The ledger in numbers, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> dict[str, Lag]:
        """Return the lag of every driver that is owed something, by name."""
        return {row.driver: Lag(*row) for row in await self._connection.execute(_LAG)}

    async def held(self, driver: str) -> int:
        """Return how many orphans of a driver wait for an operator; looks at its whole ledger."""
        waiting = (table.c.driver == driver) & table.c.orphan & ~table.c.owed
        held = await self._connection.execute(sa.select(sa.func.count()).where(waiting))
        return int(held.scalar_one())


_count = sa.func.count()
_LAG = (
    sa.select(
        table.c.driver,
        _count,
        sa.func.min(table.c.owed_since),
        _count.filter(table.c.attempts > 0),
        _count.filter(table.c.disposition.in_(REFUSED)),
        _count.filter(table.c.disposition.in_(WAITING)),
        _count.filter(table.c.tombstone),
        sa.func.max(table.c.attempts),
        sa.func.min(table.c.due_at),
    )
    # To the letter the condition of the partial index: what is paid is not looked at.
    .where(table.c.owed)
    .group_by(table.c.driver)
)

"""What the last comparison of the ledger with a driver's devices found, and whether another one is asked for.

Several dispatchers may run, and one of them audits: the one that holds the
lease. Whoever's lease has run out finds that out when it writes, because the
lease that it names is not there any more.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Json, metadata, now
from jackfield_core.db.statement import Statement

LEAP = timedelta(minutes=1)
"""Clocks that agree less are wrong, and not only different."""


class UnreachableBackend(Struct, frozen=True):
    """A backend that could not be read: what it holds is unknown."""

    backend: str
    reason: str


table = sa.Table(
    "driver_audit",
    metadata,
    sa.Column("driver", sa.String(63), primary_key=True),
    # Somebody wants an audit now; null once it has begun.
    sa.Column("requested_at", sa.DateTime),
    # Whoever audits holds this, so that of several dispatchers one does.
    sa.Column("leased_until", sa.DateTime),
    sa.Column("started_at", sa.DateTime),
    sa.Column("finished_at", sa.DateTime),
    # "complete", "partial" (a backend was unreachable), "failed", or empty before the first one.
    sa.Column("outcome", sa.String(16), nullable=False, server_default=""),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("listed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("missing", sa.Integer, nullable=False, server_default="0"),
    sa.Column("changed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("orphans", sa.Integer, nullable=False, server_default="0"),
    # Orphans that are not removed until an operator agrees, because they are too many.
    sa.Column("held_orphans", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unreachable", Json(tuple[UnreachableBackend, ...]), nullable=False, server_default="[]"),
    # Said nothing since operators agree to what is held: only the release before this one looks at it.
    sa.Column("remove_orphans", sa.Boolean, nullable=False, server_default=sa.false()),
    # Kinds of which the driver has ever listed anything: of the others nothing is missed.
    sa.Column("listed_kinds", Json(tuple[str, ...]), nullable=False, server_default="[]"),
)


class DriverAudit(Struct, frozen=True):
    """The last audit of a driver; *leased_until* is set while one goes on, and over if it came to no end.

    Counts are those of the last audit that came to an end, *reason* says why
    the last one failed.
    """

    driver: str
    requested_at: datetime | None = None
    leased_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str = ""
    reason: str = ""
    listed: int = 0
    missing: int = 0
    changed: int = 0
    orphans: int = 0
    held_orphans: int = 0
    unreachable: tuple[UnreachableBackend, ...] = ()
    listed_kinds: tuple[str, ...] = ()

    def is_old(self, not_since: datetime, at: datetime) -> bool:
        """Return whether it was not brought to its end since *not_since*, as things are *at* this time."""
        if self.finished_at is None or (self.leased_until is not None and self.leased_until < at):
            return True
        return self.finished_at <= not_since or self.finished_at > at + LEAP


_SELECT = sa.select(*(table.c[name] for name in DriverAudit.__struct_fields__))
# Asked every second, for all drivers at once.
_LIST = Statement(_SELECT)
_FIND = Statement(_SELECT.where(table.c.driver == sa.bindparam("a_driver")))


class DriverAuditTable:
    """Audits, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> dict[str, DriverAudit]:
        """Return the last audit of each driver that was ever audited, by name."""
        audits = [DriverAudit(*row) for row in await _LIST.rows(self._connection, {})]
        return {audit.driver: audit for audit in audits}

    async def find(self, driver: str) -> DriverAudit | None:
        """Return the last audit of a driver, or None if none was ever asked for."""
        row = await _FIND.row(self._connection, {"a_driver": driver})
        return DriverAudit(*row) if row else None

    async def request(self, driver: str) -> None:
        """Ask for an audit as soon as possible."""
        wanted = {"requested_at": now()}
        await self._connection.execute(
            self._insert().values(driver=driver, **wanted).on_conflict_do_update(index_elements=["driver"], set_=wanted)
        )

    async def begin(self, driver: str, lease: float, not_since: datetime) -> datetime | None:
        """Lease the audit of a driver for *lease* seconds; return the end of the lease, by which it is known.

        None if somebody else holds it, or if nobody asks for an audit and the
        last one has finished after *not_since*.
        """
        at = now()
        await self._connection.execute(self._insert().values(driver=driver).on_conflict_do_nothing())
        is_free = table.c.leased_until.is_(None) | (table.c.leased_until < at)
        is_wanted = sa.or_(
            table.c.requested_at.is_not(None),
            table.c.finished_at.is_(None),
            table.c.finished_at <= not_since,
            # A clock was ahead, and has been set back.
            table.c.finished_at > at + LEAP,
            # Somebody has begun and not come to the end.
            table.c.leased_until.is_not(None),
        )
        ends_at = at + timedelta(seconds=lease)
        begun = await self._connection.execute(
            sa.update(table)
            .where(table.c.driver == driver, is_free, is_wanted)
            .values(leased_until=ends_at, started_at=at, requested_at=None)
        )
        return ends_at if begun.rowcount else None

    async def extend(self, driver: str, leased_until: datetime, lease: float) -> datetime | None:
        """Lease for *lease* seconds from now what is leased until *leased_until*; None if it is somebody else's."""
        ends_at = now() + timedelta(seconds=lease)
        extended = await self._connection.execute(
            sa.update(table).where(*_is_mine(driver, leased_until)).values(leased_until=ends_at)
        )
        return ends_at if extended.rowcount else None

    async def finish(self, driver: str, leased_until: datetime, **values: Any) -> bool:
        """Store what came of an audit, columns by name, and give the lease back; False if it was somebody else's."""
        finished = await self._connection.execute(
            sa.update(table)
            .where(*_is_mine(driver, leased_until))
            .values(finished_at=now(), leased_until=None, **values)
        )
        return bool(finished.rowcount)

    async def give_up(self, driver: str, leased_until: datetime) -> None:
        """End a lease without an outcome: whoever comes next begins at once."""
        await self._connection.execute(
            sa.update(table).where(*_is_mine(driver, leased_until)).values(leased_until=now())
        )

    async def end_leases(self) -> None:
        """End all leases; only for whoever is alone with the database."""
        await self._connection.execute(
            sa.update(table).where(table.c.leased_until.is_not(None)).values(leased_until=now())
        )

    def _insert(self) -> Any:
        return postgresql.insert(table) if self._connection.dialect.name == "postgresql" else sqlite.insert(table)


def _is_mine(driver: str, leased_until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.driver == driver, table.c.leased_until == leased_until

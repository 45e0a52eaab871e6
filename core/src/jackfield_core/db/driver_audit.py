"""What the last comparison of the ledger with a driver's devices found, and whether another one is asked for."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Json, metadata, now


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
)


class DriverAudit(Struct, frozen=True):
    """The last audit of a driver; *finished_at* is before *started_at* while one goes on."""

    driver: str
    requested_at: datetime | None
    leased_until: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str
    reason: str
    listed: int
    missing: int
    changed: int
    orphans: int
    held_orphans: int
    unreachable: tuple[UnreachableBackend, ...]


class DriverAuditTable:
    """Audits, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> dict[str, DriverAudit]:
        """Return the last audit of each driver that was ever audited, by name."""
        return {row.driver: DriverAudit(*row) for row in await self._connection.execute(sa.select(table))}

    async def request(self, driver: str) -> None:
        """Ask for an audit as soon as possible."""
        at = now()
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).values(driver=driver, requested_at=at)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["driver"], set_={"requested_at": at})
        )

"""What each mechanism driver said of itself in its last handshake, and what the core holds against it.

The core must know what a driver wants to hear while the driver is down, or it
could not write down what the driver is owed. So the answer is kept here, and
with it what has to outlive a process of the core: the version of state that is
written, and the garbage that was answered.
"""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Json, Name, metadata
from jackfield_core.db.statement import Statement


class Interest(Struct, frozen=True):
    """One kind of resource, with the actions and phases that a driver wants to hear."""

    kind: str
    actions: tuple[str, ...]
    phases: tuple[str, ...]


class BindCapability(Struct, frozen=True):
    """Which ports a driver can be asked to bind; an empty tuple means any."""

    network_types: tuple[str, ...] = ()
    vnic_types: tuple[str, ...] = ()
    max_levels: int = 1


table = sa.Table(
    "driver",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("version", Name, nullable=False),
    sa.Column("instance_id", Name, nullable=False),
    sa.Column("interests", Json(tuple[Interest, ...]), nullable=False),
    sa.Column("bind", Json(BindCapability | None)),
    # Epoch of each backend: when one changes, all that the backend held is owed again.
    sa.Column("epochs", Json(dict[str, str]), nullable=False),
    sa.Column("handshake_at", sa.DateTime, nullable=False),
    # The version in which the driver's state is written, until the operator finalises an upgrade.
    sa.Column("state_version", sa.Integer),
    # Digest of the schemas that `attribute_schema` holds of this driver.
    sa.Column("schema_digest", sa.LargeBinary),
    sa.Column("features", Json(tuple[str, ...]), nullable=False),
    sa.Column("quarantined_at", sa.DateTime),
    sa.Column("quarantine_reason", sa.Text),
    sa.Column("quarantined_version", Name),
    # When it last answered garbage; too often in a short time, and it is quarantined.
    sa.Column("garbage_at", Json(tuple[datetime, ...]), nullable=False),
    # Instance ids of processes that were succeeded: they never take over again from one that serves.
    sa.Column("predecessors", Json(tuple[str, ...]), nullable=False),
    # Epoch of the newest claim on what it is owed.
    sa.Column("claim_epoch", sa.BigInteger, nullable=False, server_default="0"),
)


class DriverRecord(Struct, frozen=True):
    """A driver as it last introduced itself."""

    name: str
    version: str
    instance_id: str
    interests: tuple[Interest, ...]
    bind: BindCapability | None
    epochs: dict[str, str]
    handshake_at: datetime
    state_version: int | None = None
    schema_digest: bytes | None = None
    features: tuple[str, ...] = ()
    quarantined_at: datetime | None = None
    quarantine_reason: str | None = None
    quarantined_version: str | None = None
    garbage_at: tuple[datetime, ...] = ()
    predecessors: tuple[str, ...] = ()


_SELECT = sa.select(*(table.c[name] for name in DriverRecord.__struct_fields__))
# Asked every second.
_LIST = Statement(_SELECT)


class DriverTable:
    """Drivers, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list(self) -> dict[str, DriverRecord]:
        """Return all drivers that ever introduced themselves, by name."""
        records = [DriverRecord(*row) for row in await _LIST.rows(self._connection, {})]
        return {record.name: record for record in records}

    async def find_for_update(self, name: str) -> DriverRecord | None:
        """Return the driver and keep other core processes from judging its handshake meanwhile."""
        statement = _SELECT.where(table.c.name == name).with_for_update()
        row = (await self._connection.execute(statement)).one_or_none()
        return DriverRecord(*row) if row else None

    async def save(self, record: DriverRecord) -> None:
        """Insert or replace the record of a driver."""
        values = {name: getattr(record, name) for name in record.__struct_fields__}
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        await self._connection.execute(
            insert(table).values(values).on_conflict_do_update(index_elements=["name"], set_=values)
        )

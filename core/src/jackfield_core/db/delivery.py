"""The ledger: what each mechanism driver is still owed.

One row per (resource, driver) says which revision is desired and which one the
driver has acknowledged. It is written in the transaction of the resource, so
there is never a change without its debt or a debt without its change. A row
carries no copy of the resource: whoever pays the debt reads the newest state,
and intermediate revisions are skipped by themselves.

How debts are paid is told in :mod:`jackfield_core.db.claim`, and how much is
owed once more in :mod:`jackfield_core.db.redelivery`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, metadata, now
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import Kind

RANK = {Kind.NETWORK: 0, Kind.SUBNET: 1, Kind.PORT: 2}
"""Parents have a lower rank than what stands on them."""
NOTICE_RANK = 9
"""Of what notifiers are owed (:mod:`jackfield_core.db.notice`): no resource stays for its sake."""

_KEY = ("kind", "resource_id", "driver")
_LANE = ("network_id", "driver", "rank")
_HAS_FAILED = sa.text("disposition <> ''")
_IS_PARENT = sa.text("rank < 2")
_NEVER_TOLD = "rank < 2 AND acknowledged_revision IS NULL"

table = sa.Table(
    "delivery",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("resource_id", Id, primary_key=True),
    sa.Column("driver", sa.String(63), primary_key=True),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("network_id", Id, nullable=False),
    sa.Column("desired_revision", sa.BigInteger, nullable=False),
    # Null until the driver has acknowledged any revision.
    sa.Column("acknowledged_revision", sa.BigInteger),
    # The resource was deleted; the driver is owed its end.
    sa.Column("tombstone", sa.Boolean, nullable=False),
    # False once the desired revision is acknowledged.
    sa.Column("owed", sa.Boolean, nullable=False),
    sa.Column("owed_since", sa.DateTime),
    # What the driver last acknowledged, while something newer is owed.
    sa.Column("original", sa.LargeBinary),
    sa.Column("state_version", sa.Integer),
    sa.Column("state", sa.LargeBinary),
    sa.Column("due_at", sa.DateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Name of the newest claim, and the revision that it carries to the driver.
    sa.Column("claim", Id),
    sa.Column("claimed_revision", sa.BigInteger),
    sa.Column("leased_until", sa.DateTime),
    sa.Column("disposition", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(63), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    # Found on a device and known to nobody: all that is owed is its end. Not owed, while an operator is to agree.
    sa.Column("orphan", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("acknowledged_at", sa.DateTime),
    # SQLite takes a partial index only for a query that has its condition to the letter.
    sa.Index(
        "ix_delivery_due",
        "driver",
        "due_at",
        "rank",
        sqlite_where=sa.text("owed = 1"),
        postgresql_where=sa.text("owed"),
    ),
    sa.Index(
        "ix_delivery_claim",
        "claim",
        sqlite_where=sa.text("claim IS NOT NULL"),
        postgresql_where=sa.text("claim IS NOT NULL"),
    ),
    # What a debt may have to wait for (payable.py): the network and subnets under it, or what is left on it.
    sa.Index("ix_delivery_parent", *_LANE, sqlite_where=_IS_PARENT, postgresql_where=_IS_PARENT),
    sa.Index(
        "ix_delivery_end",
        *_LANE,
        sqlite_where=sa.text("tombstone = 1"),
        postgresql_where=sa.text("tombstone"),
    ),
    # Networks and subnets that a driver has never acknowledged: what stands on them waits while they pause.
    sa.Index(
        "ix_delivery_never_told",
        "driver",
        "due_at",
        sqlite_where=sa.text(f"owed = 1 AND {_NEVER_TOLD}"),
        postgresql_where=sa.text(f"owed AND {_NEVER_TOLD}"),
    ),
    # Audits and operators go through what one driver knows.
    sa.Index("ix_delivery_driver", "driver", "kind", "resource_id"),
    # For lists of what is out of order, in the order of their pages; what is in order costs them nothing.
    sa.Index("ix_delivery_failed", *_KEY, sqlite_where=_HAS_FAILED, postgresql_where=_HAS_FAILED),
    sa.Index("ix_delivery_orphan", *_KEY, sqlite_where=sa.text("orphan = 1"), postgresql_where=sa.text("orphan")),
)


class Debt(Struct, frozen=True):
    """One row of the ledger."""

    kind: str
    resource_id: str
    driver: str
    rank: int
    network_id: str
    desired_revision: int
    acknowledged_revision: int | None
    tombstone: bool
    owed: bool
    owed_since: datetime | None
    original: bytes | None
    state_version: int | None
    state: bytes | None
    due_at: datetime
    attempts: int
    claim: str | None
    claimed_revision: int | None
    leased_until: datetime | None
    disposition: str
    reason: str
    message: str
    orphan: bool
    acknowledged_at: datetime | None


class Entry(Struct, frozen=True):
    """A change as the ledger notes it for one driver."""

    kind: Kind
    resource_id: str
    network_id: str
    driver: str
    revision: int
    original: bytes | None = None
    state_version: int | None = None
    state: bytes | None = None


PAGE = 5000
"""Rows that one statement changes at most, where it may have to change all that a driver knows."""
PAID: dict[str, Any] = {"attempts": 0, "disposition": "", "reason": "", "message": ""}
"""What no failed attempt has left anything in."""
FORGOTTEN = "forgotten"
"""Disposition of what lives and is not owed because somebody gave that up: the driver may know an older revision."""

_was_forgotten = table.c.disposition == FORGOTTEN
NOT_FORGOTTEN: dict[str, Any] = {
    name: sa.case((_was_forgotten, ""), else_=table.c[name]) for name in ("disposition", "reason", "message")
}
"""What a row says of its failures that is owed again: nothing if it had been given up."""


class DeliveryTable:
    """The ledger, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record_new(self, entries: Sequence[Entry]) -> None:
        """Note that drivers are owed resources that did not exist before."""
        at = now()
        await _INSERT.run(self._connection, [_new_row(entry, at) for entry in entries])

    async def record(self, entries: Sequence[Entry]) -> None:
        """Note that drivers are owed new revisions."""
        at = now()
        await _UPSERT.run(self._connection, [_new_row(entry, at) for entry in _coalesced(entries)])

    async def bury(self, kind: Kind, resource_id: str, revision: int, declined: Sequence[str] = ()) -> int:
        """Note that a resource is gone; return how many drivers are owed that.

        Drivers that never heard of the resource, or have *declined* to hear of
        its end, are owed nothing. One that this process does not call is: another one may.
        """
        mine = {"a_kind": kind, "a_resource_id": resource_id}
        if declined:
            await _LEAVE_OUT.run(self._connection, {**mine, "drivers": [*declined]})
        return await _BURY.run(self._connection, {**mine, "a_revision": revision, "at": now()})

    async def states(self, kind: Kind, resource_id: str) -> dict[str, tuple[int, bytes]]:
        """Return version and data of what each driver asked to keep for a resource."""
        rows = await _STATES.rows(self._connection, {"a_kind": kind, "a_resource_id": resource_id})
        return {driver: (version, data) for driver, version, data in rows}

    async def desired_revisions(self, driver: str, resource_ids: Sequence[str]) -> dict[str, int]:
        """Return the newest revision of each resource that the driver is told of, by id."""
        wanted = sa.select(table.c.resource_id, table.c.desired_revision).where(
            table.c.driver == driver, table.c.kind.in_([*Kind]), table.c.resource_id.in_(resource_ids)
        )
        return {row.resource_id: row.desired_revision for row in await self._connection.execute(wanted)}

    async def knows(self, driver: str) -> bool:
        """Return whether there is any row of a driver."""
        wanted = sa.select(sa.exists().where(table.c.driver == driver))
        return bool((await self._connection.execute(wanted)).scalar_one())

    async def list(
        self, *, driver: str | None = None, resource_id: str | None = None, owed: bool | None = True, limit: int = 1000
    ) -> Sequence[Debt]:
        """Return rows of the ledger, longest owed first."""
        statement = sa.select(table)
        if driver is not None:
            statement = statement.where(table.c.driver == driver)
        if resource_id is not None:
            statement = statement.where(table.c.resource_id == resource_id)
        if owed is not None:
            statement = statement.where(table.c.owed.is_(owed))
        statement = statement.order_by(table.c.owed_since, table.c.rank, table.c.resource_id).limit(limit)
        return [Debt(*row) for row in await self._connection.execute(statement)]

    async def lag(self) -> dict[str, tuple[int, datetime | None]]:
        """Return, per driver with debts, how many there are and since when the oldest is owed."""
        statement = (
            sa.select(table.c.driver, sa.func.count(), sa.func.min(table.c.owed_since))
            .where(table.c.owed)
            .group_by(table.c.driver)
        )
        return {driver: (count, since) for driver, count, since in await self._connection.execute(statement)}


def named(driver: str | None, kind: str | None, resource_id: str | None) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions for rows of a driver, of a kind, and of a resource, as far as they are named."""
    wanted = {"driver": driver, "kind": kind, "resource_id": resource_id}
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def _coalesced(entries: Sequence[Entry]) -> Collection[Entry]:
    """Return one entry per debt, in order: the last revision, and the original that was there before the first."""
    coalesced: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        key = (entry.kind, entry.resource_id, entry.driver)
        coalesced[key] = replace(entry, original=coalesced[key].original) if key in coalesced else entry
    # One order for everybody, so that two transactions never wait in a circle.
    return [coalesced[key] for key in sorted(coalesced)]


def _new_row(entry: Entry, at: datetime) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "resource_id": entry.resource_id,
        "driver": entry.driver,
        "rank": RANK[entry.kind],
        "network_id": entry.network_id,
        "desired_revision": entry.revision,
        "tombstone": False,
        "owed": True,
        "owed_since": at,
        "original": entry.original,
        "state_version": entry.state_version,
        "state": entry.state,
        "due_at": at,
        **PAID,
    }


_COLUMNS = (
    *("kind", "resource_id", "driver", "rank", "network_id", "desired_revision", "tombstone", "owed", "owed_since"),
    *("original", "state_version", "state", "due_at", "attempts", "disposition", "reason", "message"),
)
_INSERT = Insert(table, lambda insert: insert, columns=_COLUMNS)


def _upsert(insert: Any) -> Any:
    new = insert.excluded
    # A driver that was clean starts from what it acknowledged; one that was
    # behind stays where it is, however many revisions it will skip.
    was_behind = table.c.owed | (table.c.disposition == FORGOTTEN)
    return insert.on_conflict_do_update(
        index_elements=["kind", "resource_id", "driver"],
        set_={
            "desired_revision": new.desired_revision,
            "original": sa.case((was_behind, table.c.original), else_=new.original),
            "owed_since": sa.case((table.c.owed, table.c.owed_since), else_=new.owed_since),
            "owed": True,
            "due_at": new.due_at,
            "state_version": sa.func.coalesce(new.state_version, table.c.state_version),
            "state": sa.func.coalesce(new.state, table.c.state),
            **PAID,
        },
    )


_UPSERT = Insert(table, _upsert, columns=_COLUMNS)

_at = sa.bindparam("at", type_=sa.DateTime)
_of_resource = (
    (table.c.kind == sa.bindparam("a_kind"))
    & (table.c.resource_id == sa.bindparam("a_resource_id"))
    & (table.c.rank < NOTICE_RANK)
)

_LEAVE_OUT = Statement(lambda dialect: sa.delete(table).where(_of_resource, among(table.c.driver, "drivers", dialect)))
_BURY = Statement(
    sa.update(table)
    .where(_of_resource)
    .values(
        desired_revision=sa.bindparam("a_revision"),
        tombstone=True,
        owed=True,
        owed_since=sa.case((table.c.owed, table.c.owed_since), else_=_at),
        due_at=_at,
        **PAID,
    )
)
_STATES = Statement(
    sa.select(table.c.driver, table.c.state_version, table.c.state).where(_of_resource, table.c.state.is_not(None))
)

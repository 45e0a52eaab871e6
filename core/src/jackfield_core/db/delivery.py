"""The ledger: what each mechanism driver is still owed.

One row per (resource, driver) says which revision is desired and which one the
driver has acknowledged. It is written in the transaction of the resource, so
there is never a change without its debt or a debt without its change. A row
carries no copy of the resource: whoever pays the debt reads the newest state,
and intermediate revisions are skipped by themselves.

A claim is a lease on a batch, with a name of its own. An acknowledgement counts
only under the name of the newest claim: a dispatcher that slept while its lease
ran out changes nothing when it wakes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
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
    # SQLite takes a partial index only for a query that has its condition to the letter.
    sa.Index("ix_delivery_due", "driver", "due_at", sqlite_where=sa.text("owed = 1"), postgresql_where=sa.text("owed")),
    sa.Index("ix_delivery_claim", "claim"),
    sa.Index(
        "ix_delivery_order",
        "network_id",
        "driver",
        "rank",
        sqlite_where=sa.text("owed = 1"),
        postgresql_where=sa.text("owed"),
    ),
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


class Failure(Struct, frozen=True):
    """Why a debt was not paid, and after how many seconds to try again."""

    resource_id: str
    retry_in: float
    disposition: str = ""
    reason: str = ""
    message: str = ""
    is_attempt: bool = True
    """False for a driver that is still at it: nothing failed."""


class Settled(Struct, frozen=True):
    """What an acknowledgement left: *owed* is true if the debt has grown meanwhile."""

    kind: str
    resource_id: str
    tombstone: bool
    owed: bool


_PAID: dict[str, Any] = {"attempts": 0, "disposition": "", "reason": "", "message": ""}


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

    async def bury(self, kind: Kind, resource_id: str, revision: int, drivers: Sequence[str]) -> int:
        """Note that a resource is gone; return how many drivers are owed that.

        Drivers that never heard of the resource, or do not want to hear of its
        end, are owed nothing.
        """
        mine = {"a_kind": kind, "a_resource_id": resource_id}
        await _LEAVE_OUT.run(self._connection, {**mine, "drivers": [*drivers]})
        return await _BURY.run(self._connection, {**mine, "a_revision": revision, "at": now()})

    async def claim(
        self,
        driver: str,
        *,
        name: str,
        limit: int,
        lease: float,
        earlier: Sequence[str],
        later: Sequence[str],
        hold: float,
    ) -> list[Debt]:
        """Lease up to *limit* debts of a driver that may be paid now, under the claim *name*.

        Left for later are: what stands on a parent that the driver never
        acknowledged; the end of a parent that something still stands on; and,
        for at most *hold* seconds, what an *earlier* driver of the configured
        order has yet to do (for a deletion: a *later* one), unless that driver
        has failed at it already.
        """
        at = now()
        values = {
            "a_driver": driver,
            "at": at,
            "a_limit": limit,
            "earlier": [*earlier],
            "later": [*later],
            "fresh_since": at - timedelta(seconds=hold),
            "a_claim": name,
            "lease_ends": at + timedelta(seconds=lease),
        }
        return [Debt(*row) for row in await _CLAIM.rows(self._connection, values)]

    async def keep_states(self, claim: str, states: Sequence[tuple[str, int, bytes]]) -> None:
        """Store driver states: resource id, version and data of each."""
        await _KEEP_STATE.run_many(
            self._connection,
            [
                {"a_claim": claim, "a_resource_id": id, "a_version": version, "a_state": data}
                for id, version, data in states
            ],
        )

    async def states(self, kind: Kind, resource_id: str) -> dict[str, tuple[int, bytes]]:
        """Return version and data of what each driver asked to keep for a resource."""
        rows = await _STATES.rows(self._connection, {"a_kind": kind, "a_resource_id": resource_id})
        return {driver: (version, data) for driver, version, data in rows}

    async def acknowledge(self, claim: str, except_ids: Sequence[str] = ()) -> list[Settled]:
        """Settle the debts of a claim, except those named, at the revision that was claimed.

        A debt that has grown since then stays owed. A paid tombstone is gone.
        What another dispatcher has claimed meanwhile is left alone.
        """
        mine = {"a_claim": claim, "except_ids": [*except_ids]}
        gone = await _ACKNOWLEDGE_END.rows(self._connection, mine)
        kept = await _ACKNOWLEDGE.rows(self._connection, mine)
        return [
            *(Settled(kind, id, tombstone=True, owed=False) for kind, id in gone),
            *(Settled(*row) for row in kept),
        ]

    async def keep_originals(self, driver: str, originals: Sequence[tuple[str, str, bytes]]) -> None:
        """Store what a driver acknowledged for debts that have grown: kind, id, encoded resource."""
        rows = [
            {"a_kind": kind, "a_resource_id": id, "a_driver": driver, "a_original": original}
            for kind, id, original in originals
        ]
        await _KEEP_ORIGINAL.run_many(self._connection, rows)

    async def postpone(self, claim: str, failures: Sequence[Failure]) -> None:
        """Give debts of a claim back, each with its reason and its pause."""
        at = now()
        rows = [
            {
                "a_claim": claim,
                "a_resource_id": failure.resource_id,
                "a_due_at": at + timedelta(seconds=failure.retry_in),
                "a_attempts": int(failure.is_attempt),
                "a_disposition": failure.disposition,
                "a_reason": failure.reason,
                "a_message": failure.message,
            }
            for failure in failures
        ]
        await _POSTPONE.run_many(self._connection, rows)

    async def still_owed(self, ids: Sequence[str]) -> set[str]:
        """Return which of the resources have rows left in the ledger."""
        statement = sa.select(table.c.resource_id).where(table.c.resource_id.in_(ids)).distinct()
        return set((await self._connection.execute(statement)).scalars())

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

    async def next_due(self, driver: str) -> datetime | None:
        """Return when the next debt of a driver is due, or None if nothing is owed."""
        due: datetime | None = await _NEXT_DUE.value(self._connection, {"a_driver": driver})
        return due

    async def owe_all_again(self, driver: str) -> int:
        """Owe a driver everything from the start, because its backend may have lost it."""
        at = now()
        result = await self._connection.execute(
            sa.update(table)
            .where(table.c.driver == driver)
            .values(
                acknowledged_revision=None,
                original=None,
                owed=True,
                due_at=at,
                claim=None,
                leased_until=None,
                owed_since=sa.case((table.c.owed, table.c.owed_since), else_=at),
                **_PAID,
            )
        )
        return result.rowcount

    async def drop_kinds(self, driver: str, kinds: Sequence[str], ended_kinds: Sequence[str] = ()) -> set[str]:
        """Forget what a driver turned out not to want: *kinds*, and the end of *ended_kinds*.

        Returns:
            The networks on which somebody's end was forgotten.
        """
        unwanted = table.c.kind.in_(kinds) | (table.c.tombstone & table.c.kind.in_(ended_kinds))
        statement = (
            sa.delete(table).where(table.c.driver == driver, unwanted).returning(table.c.network_id, table.c.tombstone)
        )
        return {row.network_id for row in await self._connection.execute(statement) if row.tombstone}

    async def forget(self, claim: str, resource_ids: Sequence[str]) -> None:
        """Drop debts of a claim for resources whose rows are gone: nothing is left to tell."""
        mine = (table.c.claim == claim) & table.c.resource_id.in_(resource_ids)
        await self._connection.execute(sa.delete(table).where(mine))

    async def end_leases(self) -> None:
        """Free all debts that somebody has claimed; only for whoever is alone with the database."""
        await self._connection.execute(
            sa.update(table).where(table.c.claim.is_not(None)).values(claim=None, leased_until=None)
        )


def _coalesced(entries: Sequence[Entry]) -> Collection[Entry]:
    """Return one entry per debt: the last revision, and the original that was there before the first."""
    coalesced: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        key = (entry.kind, entry.resource_id, entry.driver)
        coalesced[key] = replace(entry, original=coalesced[key].original) if key in coalesced else entry
    return coalesced.values()


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
        **_PAID,
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
    return insert.on_conflict_do_update(
        index_elements=["kind", "resource_id", "driver"],
        set_={
            "desired_revision": new.desired_revision,
            "original": sa.case((table.c.owed, table.c.original), else_=new.original),
            "owed_since": sa.case((table.c.owed, table.c.owed_since), else_=new.owed_since),
            "owed": True,
            "due_at": new.due_at,
            "state_version": sa.func.coalesce(new.state_version, table.c.state_version),
            "state": sa.func.coalesce(new.state, table.c.state),
            **_PAID,
        },
    )


_UPSERT = Insert(table, _upsert, columns=_COLUMNS)

_at = sa.bindparam("at", type_=sa.DateTime)
_of_driver = table.c.driver == sa.bindparam("a_driver")
_of_resource = (table.c.kind == sa.bindparam("a_kind")) & (table.c.resource_id == sa.bindparam("a_resource_id"))
_of_claim = table.c.claim == sa.bindparam("a_claim")
_claimed_resource = _of_claim & (table.c.resource_id == sa.bindparam("a_resource_id"))
_grown = table.c.desired_revision > table.c.claimed_revision

_LEAVE_OUT = Statement(lambda dialect: sa.delete(table).where(_of_resource, ~among(table.c.driver, "drivers", dialect)))
_BURY = Statement(
    sa.update(table)
    .where(_of_resource)
    .values(
        desired_revision=sa.bindparam("a_revision"),
        tombstone=True,
        owed=True,
        owed_since=sa.case((table.c.owed, table.c.owed_since), else_=_at),
        due_at=_at,
        **_PAID,
    )
)


def _same_lane(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Same driver, same network: where parents and children of a debt are found."""
    return (other.c.network_id == table.c.network_id) & (other.c.driver == table.c.driver) & other.c.owed


def _parent_missing() -> sa.ColumnElement[bool]:
    parent = table.alias("parent")
    never_told = parent.c.acknowledged_revision.is_(None) & ~parent.c.tombstone
    return ~table.c.tombstone & sa.exists().where(_same_lane(parent), parent.c.rank < table.c.rank, never_told)


def _child_left() -> sa.ColumnElement[bool]:
    child = table.alias("child")
    return table.c.tombstone & sa.exists().where(_same_lane(child), child.c.rank > table.c.rank, child.c.tombstone)


def _turn_of_others(dialect: str) -> sa.ColumnElement[bool]:
    other = table.alias("other")
    same = (other.c.kind == table.c.kind) & (other.c.resource_id == table.c.resource_id)
    fresh = same & other.c.owed & (other.c.attempts == 0) & (other.c.owed_since > sa.bindparam("fresh_since"))
    before = sa.exists().where(fresh, among(other.c.driver, "earlier", dialect))
    behind = sa.exists().where(fresh, among(other.c.driver, "later", dialect))
    return (~table.c.tombstone & before) | (table.c.tombstone & behind)


def _claim(dialect: str) -> sa.Update:
    due = (
        sa.select(table.c.kind, table.c.resource_id)
        .where(
            _of_driver,
            table.c.owed,
            table.c.due_at <= _at,
            sa.or_(table.c.leased_until.is_(None), table.c.leased_until < _at),
            ~(_parent_missing() | _child_left() | _turn_of_others(dialect)),
        )
        .order_by(table.c.due_at, table.c.rank)
        .limit(sa.bindparam("a_limit"))
        .with_for_update(skip_locked=True, of=table)
        .cte("due")
    )
    return (
        sa.update(table)
        .where(_of_driver, sa.tuple_(table.c.kind, table.c.resource_id).in_(sa.select(due.c.kind, due.c.resource_id)))
        .values(
            leased_until=sa.bindparam("lease_ends"),
            claim=sa.bindparam("a_claim"),
            claimed_revision=table.c.desired_revision,
        )
        .returning(table)
    )


_CLAIM = Statement(_claim)
_KEEP_STATE = Statement(
    sa.update(table)
    .where(_claimed_resource)
    .values(state_version=sa.bindparam("a_version"), state=sa.bindparam("a_state"))
)
_STATES = Statement(
    sa.select(table.c.driver, table.c.state_version, table.c.state).where(_of_resource, table.c.state.is_not(None))
)
_ACKNOWLEDGE_END = Statement(
    lambda dialect: (
        sa.delete(table)
        .where(
            _of_claim,
            ~among(table.c.resource_id, "except_ids", dialect),
            table.c.tombstone,
            table.c.desired_revision == table.c.claimed_revision,
        )
        .returning(table.c.kind, table.c.resource_id)
    )
)
_ACKNOWLEDGE = Statement(
    lambda dialect: (
        sa.update(table)
        .where(_of_claim, ~among(table.c.resource_id, "except_ids", dialect))
        .values(
            acknowledged_revision=table.c.claimed_revision,
            owed=_grown,
            owed_since=sa.case((_grown, table.c.owed_since), else_=sa.null()),
            original=sa.null(),
            claim=sa.null(),
            leased_until=sa.null(),
            **_PAID,
        )
        .returning(table.c.kind, table.c.resource_id, table.c.tombstone, table.c.owed)
    )
)
_KEEP_ORIGINAL = Statement(sa.update(table).where(_of_resource, _of_driver).values(original=sa.bindparam("a_original")))
_POSTPONE = Statement(
    sa.update(table)
    .where(_claimed_resource)
    .values(
        claim=sa.null(),
        leased_until=sa.null(),
        # A change that arrived meanwhile is due at once: it may be the cure.
        due_at=sa.case((_grown, table.c.due_at), else_=sa.bindparam("a_due_at", type_=sa.DateTime)),
        attempts=table.c.attempts + sa.bindparam("a_attempts", type_=sa.Integer),
        disposition=sa.bindparam("a_disposition"),
        reason=sa.bindparam("a_reason"),
        message=sa.bindparam("a_message"),
    )
)
_ready_at = sa.case((table.c.leased_until > table.c.due_at, table.c.leased_until), else_=table.c.due_at)
_NEXT_DUE = Statement(sa.select(sa.func.min(_ready_at)).where(_of_driver, table.c.owed))

"""Claims: who pays a debt, and what becomes of it.

A claim is a lease on a batch, with a name of its own. An acknowledgement counts
only under the name of the newest claim: a dispatcher that slept while its lease
ran out changes nothing when it wakes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import now
from jackfield_core.db.delivery import PAID, RANK, table
from jackfield_core.db.statement import Statement, among

_RANKS = {kind.value: rank for kind, rank in RANK.items()}


class Due(Struct, frozen=True, gc=False):
    """A debt as whoever pays it has to know it."""

    kind: str
    resource_id: str
    network_id: str
    desired_revision: int
    acknowledged_revision: int | None
    tombstone: bool
    age: float | None
    """Seconds since the oldest change that is owed."""
    original: bytes | None
    state_version: int | None
    state: bytes | None
    attempts: int
    orphan: bool = False
    """Known to nobody but the driver, which is to remove it."""

    @property
    def rank(self) -> int:
        """Parents have a lower rank than what stands on them."""
        return _RANKS[self.kind]


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


class ClaimTable:
    """The ledger as those see it who pay, through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

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
    ) -> list[Due]:
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
        return [Due(*row) for row in await _CLAIM.rows(self._connection, values)]

    async def keep_states(self, claim: str, states: Sequence[tuple[str, int, bytes]]) -> None:
        """Store driver states: resource id, version and data of each."""
        await _KEEP_STATE.run_many(
            self._connection,
            [
                {"a_claim": claim, "a_resource_id": id, "a_version": version, "a_state": data}
                for id, version, data in states
            ],
        )

    async def acknowledge(self, claim: str, except_ids: Sequence[str] = ()) -> list[Settled]:
        """Settle the debts of a claim, except those named, at the revision that was claimed.

        A debt that has grown since then stays owed. A paid tombstone is gone.
        What another dispatcher has claimed meanwhile is left alone.
        """
        return await self._acknowledge(_ACKNOWLEDGE, claim, except_ids)

    async def acknowledge_tersely(self, claim: str, except_ids: Sequence[str] = ()) -> list[Settled]:
        """Do as :meth:`acknowledge`, and leave out of the answer what is simply paid: mostly that is all."""
        return await self._acknowledge(_ACKNOWLEDGE_TERSELY, claim, except_ids)

    async def _acknowledge(self, statement: Statement, claim: str, except_ids: Sequence[str]) -> list[Settled]:
        mine = {"a_claim": claim, "except_ids": [*except_ids], "at": now()}
        gone = await _ACKNOWLEDGE_END.rows(self._connection, mine)
        kept = await statement.rows(self._connection, mine)
        return [
            *(Settled(kind, id, tombstone=True, owed=False) for kind, id in gone),
            *(Settled(*row) for row in kept),
        ]

    async def release(self, claim: str) -> None:
        """Give the debts of a claim back as they were: nobody tried to pay them."""
        await _RELEASE.run(self._connection, {"a_claim": claim, "at": now()})

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

    async def next_due(self, driver: str) -> datetime | None:
        """Return when the next debt of a driver is due, or None if nothing is owed."""
        due: datetime | None = await _NEXT_DUE.value(self._connection, {"a_driver": driver})
        return due

    async def forget(self, claim: str, resource_ids: Sequence[str]) -> None:
        """Drop debts of a claim for resources whose rows are gone: nothing is left to tell."""
        mine = (table.c.claim == claim) & table.c.resource_id.in_(resource_ids)
        await self._connection.execute(sa.delete(table).where(mine))

    async def end_leases(self) -> None:
        """Free all debts that somebody has claimed; only for whoever is alone with the database."""
        await self._connection.execute(
            sa.update(table).where(table.c.claim.is_not(None)).values(claim=None, leased_until=None)
        )


_at = sa.bindparam("at", type_=sa.DateTime)
_of_driver = table.c.driver == sa.bindparam("a_driver")
_of_resource = (table.c.kind == sa.bindparam("a_kind")) & (table.c.resource_id == sa.bindparam("a_resource_id"))
_of_claim = table.c.claim == sa.bindparam("a_claim")
_claimed_resource = _of_claim & (table.c.resource_id == sa.bindparam("a_resource_id"))
_grown = table.c.desired_revision > table.c.claimed_revision


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
        # A time costs as much as ten texts to read, so it is the database that reckons with it.
        .returning(*(_age(dialect) if name == "age" else table.c[name] for name in Due.__struct_fields__))
    )


def _age(dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "postgresql":
        # The driver returns it as it is; SQLAlchemy would have to see the answer to know that.
        return sa.type_coerce(sa.cast(sa.extract("epoch", _at - table.c.owed_since), sa.Double), sa.types.NullType())
    return (sa.func.julianday(_at) - sa.func.julianday(table.c.owed_since)) * sa.literal_column("86400.0")


_CLAIM = Statement(_claim)
_KEEP_STATE = Statement(
    sa.update(table)
    .where(_claimed_resource)
    .values(state_version=sa.bindparam("a_version"), state=sa.bindparam("a_state"))
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


def _acknowledge(dialect: str) -> Any:
    return (
        sa.update(table)
        .where(_of_claim, ~among(table.c.resource_id, "except_ids", dialect))
        .values(
            acknowledged_revision=table.c.claimed_revision,
            acknowledged_at=_at,
            owed=_grown,
            owed_since=sa.case((_grown, table.c.owed_since), else_=sa.null()),
            # A notice that was buried meanwhile keeps what its port was at the end.
            original=sa.case((table.c.tombstone, table.c.original), else_=sa.null()),
            claim=sa.null(),
            leased_until=sa.null(),
            **PAID,
        )
        .returning(table.c.kind, table.c.resource_id, table.c.tombstone, table.c.owed)
    )


def _acknowledge_tersely(dialect: str) -> Any:
    if dialect != "postgresql":
        # SQLite has no query around an update; there the rows do not travel either.
        return _acknowledge(dialect)
    settled = _acknowledge(dialect).cte("settled")
    return sa.select(settled).where(settled.c.owed)


_ACKNOWLEDGE = Statement(_acknowledge)
_ACKNOWLEDGE_TERSELY = Statement(_acknowledge_tersely)
_RELEASE = Statement(sa.update(table).where(_of_claim).values(claim=sa.null(), leased_until=sa.null(), due_at=_at))
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

"""Claims: who pays a debt, and what becomes of it.

A claim is a lease on a batch, with a name of its own. An acknowledgement counts
only under the name of the newest claim: a dispatcher that slept while its lease
ran out changes nothing when it wakes. Drivers can tell the older claim as well:
each carries an epoch, and that of one driver only grows, whatever the clocks of
dispatchers do.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import payable
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

    async def next_epoch(self, driver: str) -> int | None:
        """Return the epoch of the claim that follows in this transaction; None if there is nothing to claim.

        Dispatchers that claim for the same driver take turns from here on, and a
        handshake that is being judged is waited for: only afterwards is it known
        what may be claimed.
        """
        values = {"a_driver": driver, "at": now(), "clock": time.time_ns() // 1000}
        epoch: int | None = await _NEXT_EPOCH.value(self._connection, values)
        return epoch

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

        For at most *hold* seconds those are left for later that an *earlier*
        driver of the configured order has yet to pay (for a deletion: a *later*
        one), unless that driver has failed at it already.
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
        rows = await _CLAIM.rows(self._connection, values)
        if not rows and await _OWE_PARENTS.run(self._connection, {"a_driver": driver, "at": at}):
            rows = await _CLAIM.rows(self._connection, values)
        return [Due(*row) for row in rows]

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
        mine = {"a_claim": claim, "except_ids": [*except_ids], "at": now()}
        return [*await self._acknowledge_ends(mine), *await self._acknowledge_rest(mine)]

    async def acknowledge_tersely(self, claim: str, except_ids: Sequence[str] = ()) -> tuple[int, list[Settled]]:
        """Do as :meth:`acknowledge`; return how many, and of what is simply paid no more: mostly that is all."""
        mine = {"a_claim": claim, "except_ids": [*except_ids], "at": now()}
        ends = await self._acknowledge_ends(mine)
        if self._connection.dialect.name != "postgresql":
            # SQLite has no query around an update; there the rows do not travel either.
            rest = await self._acknowledge_rest(mine)
            return len(ends) + len(rest), [*ends, *rest]
        rows = await _ACKNOWLEDGE_TERSELY.rows(self._connection, mine)
        grown = [Settled(*row[1:]) for row in rows if row[1] is not None]
        return len(ends) + rows[0][0], [*ends, *grown]

    async def _acknowledge_ends(self, mine: dict[str, Any]) -> list[Settled]:
        rows = await _ACKNOWLEDGE_END.rows(self._connection, mine)
        return [Settled(kind, id, tombstone=True, owed=False) for kind, id in rows]

    async def _acknowledge_rest(self, mine: dict[str, Any]) -> list[Settled]:
        return [Settled(*row) for row in await _ACKNOWLEDGE.rows(self._connection, mine)]

    async def count(self, claim: str) -> int:
        """Return how many debts are still under a claim: those that neither were settled nor went to somebody else."""
        count: int = await _COUNT.value(self._connection, {"a_claim": claim})
        return count

    async def release(self, claim: str) -> int:
        """Give the debts of a claim back as they were, because nobody tried to pay them; return how many."""
        return await _RELEASE.run(self._connection, {"a_claim": claim, "at": now()})

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

    async def shorten_leases(self, longest: float) -> None:
        """End leases after *longest* seconds at the latest: the clock that they were made by was ahead."""
        latest = now() + timedelta(seconds=longest)
        too_long = sa.update(table).where(table.c.claim.is_not(None), table.c.leased_until > latest)
        await self._connection.execute(too_long.values(leased_until=latest))

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

_NEXT_EPOCH = Statement(payable.next_epoch)
_CLAIM = Statement(lambda dialect: payable.claim(dialect, Due.__struct_fields__))
_OWE_PARENTS = Statement(payable.owe_parents)
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
    settled = _acknowledge(dialect).cte("settled")
    count = sa.select(sa.func.count().label("count")).select_from(settled).subquery("counted")
    grown = count.outerjoin(settled, settled.c.owed)
    return sa.select(count, settled).select_from(grown)


_ACKNOWLEDGE = Statement(_acknowledge)
_ACKNOWLEDGE_TERSELY = Statement(_acknowledge_tersely)
_COUNT = Statement(sa.select(sa.func.count()).where(_of_claim))
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

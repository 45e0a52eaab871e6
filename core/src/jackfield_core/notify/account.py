"""What one notifier owes: claimed, compared with what is true, and settled.

What is read to compare may be newer than what was claimed. Whatever is owed of
it besides is then found to be told already, and costs nobody a request.

What is about to be told is written down before, as what may be known: whoever
dies, or hears no answer, leaves nobody sure.

Whoever settles holds the ports first, as those do who judge them: both go on to
the ledger, and must not wait for each other there.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import structlog
from msgspec import Struct

from jackfield_core.db.claim import Due, Failure
from jackfield_core.db.engine import Database
from jackfield_core.db.notice import NO_VIF, STATE_VERSION, Vif, decode, encode
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.notify.answer import Answer, NoAnswer, Verdict
from jackfield_core.notify.difference import Event, Step, doubted, last_steps, steps

log = structlog.get_logger()

LEASE_MARGIN = 15.0
"""Seconds that a lease lasts beyond the time limit of a request, to write down what came of it."""
WRITE_AGAIN = 0.5
"""Seconds between attempts to write that down."""

ResultT = TypeVar("ResultT")


class Claim(Struct, frozen=True):
    """Debts that are ours until *ends_at* (``time.monotonic()``)."""

    name: str
    ends_at: float
    debts: Sequence[Due]


class Item(Struct, frozen=True):
    """A debt, what was told of its port so far, what is true, and the steps from the one to the other."""

    debt: Due
    told: Vif
    true: Vif
    steps: Sequence[Step]

    def known(self, answers: Mapping[Event, Answer]) -> Vif:
        """Return what the compute service knows with *answers*: it got as far as the first that left something open."""
        known = self.told
        for step in self.steps:
            verdict = answers[step.event].verdict
            if not verdict.is_done:
                return doubted(known, self.true) if verdict is Verdict.UNKNOWN else known
            known = step.known
        return self.true

    def open(self, answers: Mapping[Event, Answer]) -> tuple[Event, Answer] | None:
        """Return the first event that is still to be told, and why; None if there is none."""
        left = ((step.event, answers[step.event]) for step in self.steps)
        return next((one for one in left if not one[1].verdict.is_done), None)


class Account:
    """The debts of one notifier."""

    def __init__(self, name: str, database: Database, backoff: Backoff) -> None:
        self._name = name
        self._database = database
        self._backoff = backoff

    async def claim(self, limit: int, timeout: float) -> Claim:
        """Lease debts for a request that takes *timeout* seconds at most."""
        name, lease = str(uuid.uuid4()), timeout + LEASE_MARGIN
        ends_at = time.monotonic() + lease
        async with self._database.writing() as connection:
            debts = await Tables(connection).claims.claim(
                self._name, name=name, limit=limit, lease=lease, earlier=(), later=(), hold=0.0
            )
        return Claim(name, ends_at, debts)

    async def load(self, claim: Claim) -> Sequence[Item]:
        """Find out what there is to tell."""
        ids = [debt.resource_id for debt in claim.debts if not debt.tombstone]
        async with self._database.reading() as connection:
            ports = await Tables(connection).ports.list_with_deleted(ids) if ids else {}
        return [_item(debt, ports[debt.resource_id].vif if debt.resource_id in ports else None) for debt in claim.debts]

    async def expect(self, claim: Claim, items: Sequence[Item]) -> None:
        """Write down that what is true may be known from now on."""
        await self._keep(claim, items, [doubted(item.told, item.true) for item in items])

    async def take_back(self, claim: Claim, items: Sequence[Item]) -> None:
        """Write down that nobody has heard of it."""
        await self._keep(claim, items, [item.told for item in items])

    async def settle(self, claim: Claim, items: Sequence[Item], answers: Mapping[Event, Answer]) -> None:
        """Write down what was told, and what is still open."""
        failures = [_failure(item, *left, self._backoff) for item in items if (left := item.open(answers))]
        states = [(item.debt.resource_id, STATE_VERSION, encode(item.known(answers))) for item in items]

        async def write(tables: Tables) -> int:
            await tables.ports.hold(item.debt.resource_id for item in items)
            held = await tables.claims.count(claim.name)
            await tables.claims.keep_states(claim.name, states)
            await tables.claims.acknowledge(claim.name, [failure.resource_id for failure in failures])
            if failures:
                await tables.claims.postpone(claim.name, failures)
            return len(items) - held

        if lost := await self._write(claim, write):
            # Whoever has claimed them since then tells them, and settles them.
            log.warning("notifier.lease_lost", notifier=self._name, claim=claim.name, ports=lost)

    async def refuse(self, claim: Claim, code: int, text: str) -> None:
        """Put debts into the slow lane: only a change can help."""
        pause = self._backoff.long_pause()
        failures = [Failure(debt.resource_id, pause, "infeasible", f"http_{code}", text) for debt in claim.debts]
        await self._postpone(claim, failures)

    async def postpone(self, claim: Claim, error: NoAnswer, pause: float) -> None:
        """Give debts back after a request that left open what became of them."""
        failures = [Failure(debt.resource_id, pause, "unknown", error.reason, error.text) for debt in claim.debts]
        await self._postpone(claim, failures)

    async def release(self, claim: Claim) -> None:
        """Give debts back that nobody tried to pay, as they were."""

        async def write(tables: Tables) -> None:
            await tables.ports.hold(debt.resource_id for debt in claim.debts)
            await tables.claims.release(claim.name)

        await self._write(claim, write)

    async def _keep(self, claim: Claim, items: Sequence[Item], known: Sequence[Vif]) -> None:
        states = [(item.debt.resource_id, STATE_VERSION, encode(vif)) for item, vif in zip(items, known, strict=True)]

        async def write(tables: Tables) -> None:
            await tables.ports.hold(item.debt.resource_id for item in items)
            await tables.claims.keep_states(claim.name, states)

        await self._write(claim, write)

    async def _postpone(self, claim: Claim, failures: Sequence[Failure]) -> None:
        async def write(tables: Tables) -> None:
            await tables.ports.hold(debt.resource_id for debt in claim.debts)
            await tables.claims.postpone(claim.name, failures)

        await self._write(claim, write)

    async def _write(self, claim: Claim, work: Callable[[Tables], Awaitable[ResultT]]) -> ResultT:
        """Do *work* in one transaction; try again while the claim lasts, because the events have been told."""
        while True:
            try:
                async with self._database.writing() as connection:
                    return await work(Tables(connection))
            except Exception:
                if time.monotonic() + WRITE_AGAIN > claim.ends_at:
                    raise
                log.exception("notifier.unwritten", notifier=self._name, ports=len(claim.debts))
            await asyncio.sleep(WRITE_AGAIN)


def _item(debt: Due, current: Vif | None) -> Item:
    told = decode(debt.state)
    if debt.tombstone:
        return Item(debt, told, NO_VIF, last_steps(debt.resource_id, told, decode(debt.original)))
    if current is None:
        # It was deleted a moment ago: that is a debt of its own by now.
        return Item(debt, told, told, ())
    return Item(debt, told, current, steps(debt.resource_id, told, current))


def _failure(item: Item, event: Event, answer: Answer, backoff: Backoff) -> Failure:
    """Return how a debt goes back into the ledger of which *event* is still open."""
    attempts, refused = item.debt.attempts, answer.verdict is Verdict.REFUSED
    pause = backoff.long_pause() if refused else backoff.pause(attempts)
    disposition = "infeasible" if refused else "unknown"
    reason = f"http_{answer.code}" if answer.code else "unanswered"
    message = f"{event.name} for server {event.server}: " + (
        f"answered with code {answer.code}" if answer.code else "not among the answers"
    )
    return Failure(item.debt.resource_id, pause, disposition, reason, message)

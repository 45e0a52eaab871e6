"""One batch of debts, paid: read what they are about, call the driver, write down what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

import structlog
from msgspec import Struct
from prometheus_client import Counter

from jackfield_core import config
from jackfield_core.db.claim import Due, Failure
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.dispatch.ahead import Overtaken
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.dispatch.settlement import Outcome, Settlement, give_back, settle
from jackfield_core.mechanism.answers import PLAINLY_DONE, Failed, Garbage, NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.loading import Item, Loaded, load
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.types import Action, Kind

log = structlog.get_logger()

DELIVERIES = Counter("jackfield_deliveries", "Changes told to mechanism drivers.", ["driver", "outcome"])
LEASES_LOST = Counter(
    "jackfield_delivery_lease_lost", "Outcomes that were not written down, because the lease had ended.", ["driver"]
)
WRITE_AGAIN = 0.5
"""Seconds between attempts to write down what came of a call."""

ResultT = TypeVar("ResultT")


class Claim(Struct, frozen=True):
    """Debts of one driver that are ours until *ends_at* (``time.monotonic()``).

    *epoch* is greater than that of any claim before it: what an older one still
    has under way is stale to the driver.
    """

    name: str
    epoch: int
    ends_at: float
    debts: Sequence[Due]


class Payments:
    """Pays what one driver is owed."""

    def __init__(
        self,
        entry: DriverEntry,
        manager: MechanismManager,
        database: Database,
        settings: config.Settings,
        required: Callable[[], Sequence[str]],
        attributed: Callable[[], Collection[Kind]],
    ) -> None:
        self._entry = entry
        self._manager = manager
        self._database = database
        self._agent_down_time = settings.nodes.agent_down_time
        self._required = required
        self._attributed = attributed
        self._backoff = Backoff(settings.dispatcher)
        self._overtaken = Overtaken(entry.name, database)

    async def pay(self, claim: Claim, timeout: float) -> Settlement:
        """Tell the driver and write down what came of it.

        Raises:
            NoVerdict: The driver gave no outcome; nothing is written yet.
        """
        loaded = await self._load(claim)
        items = loaded.items
        if not items:
            return Settlement()
        if time.monotonic() > claim.ends_at:
            # This process slept; by now somebody else may have told the driver something newer.
            self._note_refused(claim, len(items))
            return Settlement(refused=len(items))
        outcomes = await self._call(claim, loaded, timeout)
        await self._overtake(claim, items, outcomes)
        self._count(len(items), outcomes)
        settlement = await self._write(
            claim,
            lambda tables: settle(
                tables,
                self._entry.name,
                claim.name,
                items,
                outcomes,
                self._required(),
                self._attributed(),
                self._backoff,
            ),
        )
        self._note_refused(claim, settlement.refused)
        return settlement

    async def postpone(self, claim: Claim, error: NoVerdict) -> float:
        """Give debts back after a call that brought no outcome; return the shortest pause in seconds."""
        pauses = self._pauses([debt.attempts for debt in claim.debts], error.retry_after)
        await self._give_back(
            claim,
            [
                Failure(debt.resource_id, pauses[debt.attempts], "unknown", error.code[:63], error.text)
                for debt in claim.debts
            ],
        )
        return min(pauses.values())

    async def release(self, claim: Claim) -> None:
        """Give debts back that nobody tried to pay, as they were."""
        released = await self._write(claim, lambda tables: tables.claims.release(claim.name))
        self._note_refused(claim, len(claim.debts) - released)

    async def _load(self, claim: Claim) -> Loaded:
        creates = frozenset(
            interest.kind
            for interest in self._entry.interests or ()
            if "postcommit" in interest.phases and Action.CREATE in interest.actions
        )
        async with self._database.reading() as connection:
            loaded = await load(
                Tables(connection),
                self._entry.name,
                claim.debts,
                creates,
                self._entry.attributes,
                self._agent_down_time,
            )
        if loaded.lost:
            log.warning("delivery.resource_gone", driver=self._entry.name, ids=loaded.lost)
            await self._write(claim, lambda tables: tables.claims.forget(claim.name, loaded.lost))
        return loaded

    async def _call(self, claim: Claim, loaded: Loaded, timeout: float) -> dict[str, Outcome]:
        """Return the outcome of each item by resource id, but for those that are plainly done: mostly all are."""
        batch = Batch(claim.epoch, loaded.hosts)
        for index, item in enumerate(loaded.items):
            item.tell(batch, str(index))
        try:
            answers = await self._manager.postcommit(self._entry.name, batch, timeout)
        except asyncio.CancelledError:
            # The process stops; whoever comes next need not wait for the lease to end.
            await asyncio.shield(self.release(claim))
            raise
        # Answers come in the order of what was sent.
        return {
            item.debt.resource_id: outcome
            for item, outcome in zip(loaded.items, answers.values(), strict=True)
            if outcome is not PLAINLY_DONE
        }

    async def _overtake(self, claim: Claim, items: Sequence[Item], outcomes: Mapping[str, Outcome]) -> None:
        """Raise what the driver's devices hold a revision of that there never was, or raise Garbage."""
        if not (outcomes or self._overtaken.is_on_guard):
            return
        sent = {item.debt.resource_id: item for item in items}
        try:
            ahead = await self._overtaken.find(sent, outcomes)
        except Garbage as error:
            self._manager.note_garbage(error)
            raise
        if ahead:
            await self._write(claim, lambda tables: self._overtaken.overtake(tables, ahead))
            self._overtaken.note_overtaken(ahead)
        self._overtaken.note_done(sent, outcomes)

    def _pauses(self, attempts: Sequence[int], at_least: float | None) -> dict[int, float]:
        """Return the pause for each number of attempts in a batch.

        Debts that failed together stay together, or batches would wear down to
        single changes; smaller batches then find the one that does harm, and it
        is not the others' fault: in a batch only those pay for their past that
        have more of it than the rest.
        """
        blameless = min(attempts) if len(attempts) > 1 else 0
        return {count: self._backoff.pause(count - blameless, at_least) for count in {*attempts}}

    async def _give_back(self, claim: Claim, failures: Sequence[Failure]) -> None:
        written = await self._write(claim, lambda tables: give_back(tables, claim.name, failures))
        self._note_refused(claim, len(failures) - written)

    async def _write(self, claim: Claim, work: Callable[[Tables], Awaitable[ResultT]]) -> ResultT:
        """Do *work* in one transaction; try again while the claim lasts, because the driver has acted already."""
        while True:
            try:
                async with self._database.writing() as connection:
                    return await work(Tables(connection))
            except Exception:
                if time.monotonic() + WRITE_AGAIN > claim.ends_at:
                    raise
                log.exception("delivery.unwritten", driver=self._entry.name, changes=len(claim.debts))
            await asyncio.sleep(WRITE_AGAIN)

    def _note_refused(self, claim: Claim, changes: int) -> None:
        """Say that outcomes came too late to be written down; whoever has claimed the debts since then goes on."""
        if not changes:
            return
        late = time.monotonic() - claim.ends_at
        if late < 0:
            # Nobody was late: the driver was owed everything again, or an operator gave the debt up.
            log.info("delivery.claim_ended", driver=self._entry.name, claim=claim.name, changes=changes)
            return
        LEASES_LOST.labels(self._entry.name).inc(changes)
        log.warning(
            "delivery.lease_lost",
            driver=self._entry.name,
            claim=claim.name,
            epoch=claim.epoch,
            changes=changes,
            late=round(late, 3),
        )

    def _count(self, told: int, outcomes: Mapping[str, Outcome]) -> None:
        counts = {"done": told - len(outcomes)} if told > len(outcomes) else {}
        for outcome in outcomes.values():
            name = outcome.disposition if isinstance(outcome, Failed) else type(outcome).__name__.lower()
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            DELIVERIES.labels(self._entry.name, name).inc(count)

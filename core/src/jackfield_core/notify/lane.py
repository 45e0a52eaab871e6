"""One notifier's lane: claim what it owes, tell it, again.

A compute service that is away keeps nobody waiting but its own lane. That asks
for one batch at a time, and pauses longer after each request that brought no
answer, up to half a minute; what it owes waits in the ledger, whatever it comes
to. As one event among hundreds may be what the other side stumbles over, the
next batches are smaller, until one is answered. An event that is refused all
alone is tried again as rarely as what only a change can help.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog
from prometheus_client import Counter, Histogram

from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.notify.account import Account, Claim, Item
from jackfield_core.notify.answer import Answer, BatchRefused, NoAnswer, NotHeard
from jackfield_core.notify.compute import ComputeService
from jackfield_core.notify.difference import Event
from jackfield_core.observability.repeats import Repeats

log = structlog.get_logger()

EVENTS = Counter("jackfield_notifier_events", "Events told to compute services.", ["notifier", "event", "outcome"])
REQUESTS = Histogram("jackfield_notifier_request_seconds", "Requests to compute services.", ["notifier", "outcome"])
LONGEST_REST = 30.0
"""Seconds between attempts to reach a compute service that is away, at most."""

Told = Mapping[Event, Answer]


class Lane:
    """Tells one compute service."""

    def __init__(self, settings: config.Notifier, database: Database, dispatcher: config.Dispatcher) -> None:
        self.name = settings.name
        self._settings = settings
        self._poll_interval = dispatcher.poll_interval
        self._backoff = Backoff(dispatcher)
        self._account = Account(settings.name, database, self._backoff)
        self._service = ComputeService(settings)
        self._limit = settings.batch
        self._failures = 0
        self._repeats = Repeats()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look at the ledger soon."""
        self._wake.set()

    def stop(self) -> None:
        """End after the request that is under way."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Tell until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    goes_on = await self._deliver()
                except Exception:
                    # The database is away, or we have a fault; leases end by themselves.
                    log.exception("notifier.failed", notifier=self.name)
                    await self._pause(self._next_pause())
                    continue
                if not goes_on:
                    await self._rest()
        finally:
            await self._service.close()

    async def _rest(self) -> None:
        """Sleep until somebody commits what is owed, or it is time to look at the ledger anyway."""
        try:
            async with asyncio.timeout(self._poll_interval):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _pause(self, seconds: float) -> None:
        """Sleep, whatever is committed meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _deliver(self) -> bool:
        """Tell one batch; return whether there may be more to tell at once."""
        self._wake.clear()
        claim = await self._account.claim(self._limit, self._settings.timeout)
        if not claim.debts:
            return False
        size = len(claim.debts)
        try:
            await self._pay(claim)
        except NoAnswer as error:
            await self._retire(claim, error)
            return True
        except BatchRefused as error:
            await self._divide(claim, error)
            return True
        except asyncio.CancelledError:
            # The process stops; whoever comes next need not wait for the lease to end.
            await asyncio.shield(self._account.release(claim))
            raise
        if self._failures:
            log.info("notifier.answers_again", notifier=self.name)
        self._failures = 0
        goes_on = size == self._limit
        self._limit = min(self._settings.batch, self._limit * 2)
        return goes_on

    async def _pay(self, claim: Claim) -> None:
        items = await self._account.load(claim)
        if time.monotonic() + self._settings.timeout > claim.ends_at:
            # This process slept; by now somebody else may have told something newer.
            await self._account.release(claim)
            return
        answers = await self._tell_steps(claim, [item for item in items if item.steps])
        self._note(items, answers)
        await self._account.settle(claim, items, answers)

    async def _tell_steps(self, claim: Claim, items: Sequence[Item]) -> Told:
        if not items:
            return {}
        await self._account.expect(claim, items)
        try:
            return await self._tell([step.event for item in items for step in item.steps])
        except NotHeard:
            await self._account.take_back(claim, items)
            raise

    async def _tell(self, events: Sequence[Event]) -> Told:
        begun = time.monotonic()
        outcome = "no_answer"
        try:
            answers = await self._service.tell(events)
            outcome = "answered"
            return answers
        except BatchRefused:
            outcome = "refused"
            raise
        finally:
            REQUESTS.labels(self.name, outcome).observe(time.monotonic() - begun)

    async def _retire(self, claim: Claim, error: NoAnswer) -> None:
        """Give a batch back after a request without an answer, and leave the compute service alone for a while."""
        count = len(claim.debts)
        self._limit = max(1, count // 2)
        pause = self._next_pause(error.retry_after)
        repeated = self._repeats.count(error.reason)
        if repeated is not None:
            log.warning(
                "notifier.no_answer",
                notifier=self.name,
                ports=count,
                reason=error.reason,
                message=error.text,
                repeated=repeated,
            )
        # What failed alone may be itself to blame: it lets the others pass, further each time.
        alone = self._backoff.pause(claim.debts[0].attempts, pause) if count == 1 else pause
        await self._account.postpone(claim, error, alone)
        await self._pause(pause)

    async def _divide(self, claim: Claim, error: BatchRefused) -> None:
        """Find out by smaller batches which event a request was refused for."""
        count = len(claim.debts)
        self._limit = max(1, count // 2)
        if count > 1:
            await self._account.release(claim)
            return
        log.warning(
            "notifier.refused",
            notifier=self.name,
            port_id=claim.debts[0].resource_id,
            code=error.code,
            message=error.text,
        )
        await self._account.refuse(claim, error.code, error.text)

    def _next_pause(self, at_least: float | None = None) -> float:
        pause = min(self._backoff.pause(self._failures), LONGEST_REST)
        self._failures += 1
        return max(pause, at_least or 0.0)

    def _note(self, items: Sequence[Item], answers: Told) -> None:
        """Count what was told, and log the first time that something of it is refused."""
        for event, answer in answers.items():
            EVENTS.labels(self.name, event.name, answer.verdict).inc()
        for item in items:
            left = item.open(answers)
            if left and not item.debt.attempts:
                event, answer = left
                log.warning(
                    "notifier.not_told",
                    notifier=self.name,
                    event_name=event.name,
                    port_id=event.tag,
                    server=event.server,
                    code=answer.code,
                )

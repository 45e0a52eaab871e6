"""One driver's lane: claim what it is owed, pay it, again.

A lane has one batch under way at a time and knows nothing of other lanes, so a
driver that hangs holds up nobody but itself. While its driver is away a lane
sleeps, and no attempt is counted. A call that brings no outcome leaves every
debt of its batch to be paid after a pause; and as one change among hundreds may
be what breaks the call, the next batches are smaller, until calls succeed again.

Who comes back after an hour is owed thousands of changes, and a lane could keep a
processor busy with them. While users make changes as well it goes at a walk: it
rests between batches, and what they wait for is done meanwhile.
"""

import asyncio
import contextlib
import heapq
import time
import uuid
from collections.abc import Callable, Sequence

import structlog

from jackfield_core import config
from jackfield_core.db.claim import ClaimTable, Due
from jackfield_core.db.delivery import RANK
from jackfield_core.db.engine import Database
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.dispatch.payment import Claim, Payments
from jackfield_core.dispatch.settlement import Settlement
from jackfield_core.mechanism.answers import Garbage, NoVerdict
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.observability.repeats import Repeats
from jackfield_core.types import Kind

log = structlog.get_logger()

LEASE_MARGIN = 15.0
"""Seconds that a lease lasts beyond the deadline of the call, to write down what came of it."""
LONG_LOOK = 0.01
"""Seconds that a look at the ledger may take before lanes look less often."""
SHARE = 4.0
"""After a long look a lane rests so many times as long."""

Neighbours = Callable[[DriverEntry], tuple[Sequence[str], Sequence[str]]]
"""Returns the drivers before and behind one in the configured order that are worth waiting for."""


def call_timeout(changes: int) -> float:
    """Return the deadline of a call with so many changes, in seconds."""
    return min(60.0, 10.0 + 0.02 * changes)


class Lane:
    """Delivers to one driver; *on_settled* is called with what is settled, because others may wait for it."""

    def __init__(
        self,
        entry: DriverEntry,
        payments: Payments,
        database: Database,
        settings: config.Dispatcher,
        neighbours: Neighbours,
        on_settled: Callable[[DriverEntry, Settlement], None],
        users_are_served: Callable[[], bool],
        timeout: Callable[[int], float] = call_timeout,
    ) -> None:
        self.entry = entry
        self._payments = payments
        self._database = database
        self._settings = settings
        self._neighbours = neighbours
        self._on_settled = on_settled
        self._users_are_served = users_are_served
        self._timeout = timeout
        self._backoff = Backoff(settings)
        self._repeats = Repeats()
        self._wake = asyncio.Event()
        self._limit = settings.batch
        self._retries: list[float] = []
        self._calling_since: float | None = None
        self._look_took = 0.0
        self._stopping = asyncio.Event()

    @property
    def is_prompt(self) -> bool:
        """True if the driver can be expected to take its turn soon."""
        since = self._calling_since
        is_slow = since is not None and time.monotonic() - since > self._settings.order_hold
        return self.entry.is_ready and not is_slow

    def wake(self) -> None:
        """Look at the ledger soon."""
        self._wake.set()

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Deliver until stopped."""
        failures = 0
        while not self._stopping.is_set():
            await self._until_ready()
            try:
                goes_on = await self._deliver()
                failures = 0
            except Exception:
                # The database is away, or we have a fault; leases end by themselves.
                log.exception("lane.failed", driver=self.entry.name)
                await asyncio.sleep(self._backoff.pause(failures))
                goes_on, failures = True, failures + 1
            if not goes_on:
                await self._rest()

    async def _until_ready(self) -> None:
        """Sleep while the driver is away."""
        while not (self.entry.ready.is_set() or self._stopping.is_set()):
            waiting = [asyncio.ensure_future(event.wait()) for event in (self.entry.ready, self._wake)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            self._wake.clear()

    async def _rest(self) -> None:
        """Sleep until somebody commits, a pause is over, or it is time to look at the ledger anyway."""
        if self._look_took > LONG_LOOK:
            # Thousands of debts may wait for a parent, and each look passes them all: not at every commit.
            await self._sleep(min(self._look_took * SHARE, self._settings.poll_interval))
        pause = self._settings.poll_interval
        if self._retries:
            pause = min(pause, max(0.0, self._retries[0] - time.monotonic()))
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _deliver(self) -> bool:
        """Pay one batch; return whether there may be more to pay at once."""
        self._wake.clear()
        if self._stopping.is_set() or not self.entry.is_ready:
            return False
        while self._retries and self._retries[0] <= time.monotonic():
            heapq.heappop(self._retries)
        began, limit = time.monotonic(), min(self._limit, self.entry.limits.max_batch)
        claim = await self._claim(limit)
        self._look_took = time.monotonic() - began
        if not claim.debts:
            return False
        self._calling_since = time.monotonic()
        try:
            settlement = await self._payments.pay(claim, self._timeout(len(claim.debts)))
        except NoVerdict as error:
            return await self._give_back(claim, error)
        finally:
            self._calling_since = None
        self._limit = min(self._settings.batch, self._limit * 2)
        self._retry_in(settlement.soonest)
        self._on_settled(self.entry, settlement)
        if len(claim.debts) < limit:
            return _lets_others_go(claim.debts)
        await self._walk(len(claim.debts), began)
        return True

    async def _walk(self, changes: int, began: float) -> None:
        """Rest after a full batch, which hardly is the last one, as long as users are to have of what it took."""
        pause = began + changes / self._settings.pace - time.monotonic()
        if pause > 0 and self._users_are_served():
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not when it is time to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _claim(self, limit: int) -> Claim:
        earlier, later = self._neighbours(self.entry)
        lease = min(self._settings.lease, self._timeout(limit) + LEASE_MARGIN)
        name, ends_at = str(uuid.uuid4()), time.monotonic() + lease
        async with self._database.writing() as connection:
            claims = ClaimTable(connection)
            epoch = await claims.next_epoch(self.entry.name)
            if epoch is None:
                # What becomes due from now on has no epoch yet; who commits it wakes this lane.
                return Claim(name, 0, ends_at, ())
            debts = await claims.claim(
                self.entry.name,
                name=name,
                limit=limit,
                lease=lease,
                earlier=earlier,
                later=later,
                hold=self._settings.order_hold,
            )
        return Claim(name, epoch, ends_at, debts)

    async def _give_back(self, claim: Claim, error: NoVerdict) -> bool:
        """Return debts to the ledger after a call without outcome; return whether to go on at once."""
        if not error.attempted:
            await self._payments.release(claim)
            return False
        count = len(claim.debts)
        self._limit = max(1, count // 2)
        if error.code == "RESOURCE_EXHAUSTED" and not error.has_error_info and count > 1:
            # The message was too big for somebody: not a fault of any change in it.
            await self._payments.release(claim)
            return True
        self._log_no_outcome(error, count)
        self._retry_in(await self._payments.postpone(claim, error))
        return True

    def _log_no_outcome(self, error: NoVerdict, changes: int) -> None:
        """Log why a call brought nothing, unless that is known: garbage has its own line, and what repeats has one."""
        repeated = None if isinstance(error, Garbage) else self._repeats.count(error.code, error.reason)
        if repeated is not None:
            log.warning(
                "delivery.no_outcome",
                driver=self.entry.name,
                changes=changes,
                code=error.code,
                reason=error.text,
                repeated=repeated,
            )

    def _retry_in(self, pause: float | None) -> None:
        if pause is not None:
            heapq.heappush(self._retries, time.monotonic() + pause)


def _lets_others_go(debts: Sequence[Due]) -> bool:
    """Return whether something else may have waited for these: children for parents, or parents for the last child."""
    return any(debt.tombstone or debt.rank < RANK[Kind.PORT] for debt in debts)

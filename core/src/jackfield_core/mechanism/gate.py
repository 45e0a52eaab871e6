"""The gate that every call to one driver passes; it is the bulkhead.

It refuses at once what cannot succeed (no connection, breaker open, barred),
keeps the number of calls in flight below what the driver asked for, and tells
the breaker what came of each call. A call that a process refused because it
drains, or that was lost with it and did nothing, is repeated at once if another
process serves: an upgrade costs nobody an error.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

import structlog

from jackfield_core import config
from jackfield_core.db.base import now
from jackfield_core.mechanism.answers import Garbage, Limits, NoVerdict
from jackfield_core.mechanism.breaker import Breaker
from jackfield_core.mechanism.client import DriverClient, RequestT, ResponseT, Rpc
from jackfield_core.mechanism.connection import Connection
from jackfield_core.mechanism.doubt import UNKNOWN_OUTCOME, Doubt, Unanswered
from jackfield_core.mechanism.status import DRAINING
from jackfield_core.mechanism.wire import Encoded

log = structlog.get_logger()


class FindOther(Protocol):
    """Finds out whether another process takes the call that one did not."""

    async def __call__(self, refused: Connection, timeout: float, *, drains: bool) -> bool: ...


class Gate:
    """The gate of the driver called *name*."""

    def __init__(self, name: str, settings: config.Mechanism) -> None:
        self._name = name
        self.connection: Connection | None = None
        """The process that serves now."""
        self.barred = "it is connecting: not reached yet"
        """Why nobody may call, whatever the breaker says; empty if calls go through."""
        self.find_other: FindOther = _nobody
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_retry)
        self.ready = asyncio.Event()
        """Set while a delivery makes sense; a trial that the open breaker allows does."""
        self.silent_since: datetime | None = now()
        """Since when nobody answers; None while somebody does."""
        self._doubt = Doubt(self.breaker, settings.precommit_budget, self._silent, self._note_answer)
        self._trial: asyncio.TimerHandle | None = None
        self._limit = Limits().max_in_flight
        self._slots = asyncio.Semaphore(self._limit)
        self._may_deliver = asyncio.Event()
        self._may_deliver.set()

    def connect(self, connection: Connection | None) -> None:
        """Send calls to the process behind *connection*, or nowhere."""
        self.connection = connection
        # The breaker judged a connection that is gone.
        self._note_well()

    def bar(self, reason: str) -> None:
        """Let nobody through, for *reason*; or everybody again, if it is empty."""
        self.barred = reason
        self._heed()

    def limit(self, in_flight: int) -> None:
        """Bound the calls at the same time."""
        if in_flight != self._limit:
            self._limit, self._slots = in_flight, asyncio.Semaphore(in_flight)

    @contextmanager
    def deliveries_held(self) -> Iterator[None]:
        """Keep deliveries waiting while another process takes over."""
        self._may_deliver.clear()
        try:
            yield
        finally:
            self._may_deliver.set()

    async def call(self, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, timeout: float) -> ResponseT:
        """Call the driver if that makes sense.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or no answer in *timeout* seconds.
            Garbage: The answer cannot be decoded.
        """
        self._refuse_if_barred()
        deadline = time.monotonic() + timeout
        if not (rpc.is_harmless or self._may_deliver.is_set()):
            await self._until_deliveries(timeout)
        slots = self._slots
        await self._take_slot(slots, deadline - time.monotonic())
        try:
            return await self._attempt(rpc, request, deadline)
        finally:
            slots.release()

    async def _attempt(self, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, deadline: float) -> ResponseT:
        """Call the process that serves, and another one if that one did not take the call."""
        connection = self._admit(rpc)
        try:
            return await self._ask(connection, rpc, request, deadline - time.monotonic())
        except NoVerdict as error:
            if not await self._is_for_another(connection, rpc, error, deadline - time.monotonic()):
                raise
        return await self._ask(self._admit(rpc), rpc, request, deadline - time.monotonic())

    async def _ask(
        self, connection: Connection, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, timeout: float
    ) -> ResponseT:
        late = self._doubt.when_late(connection.client) if rpc.is_harmless else None
        began, work = time.monotonic(), rpc.work(request)
        self._doubt.work += work
        try:
            response = await connection.client.call(rpc, request, timeout)
        except Garbage:
            self._note_answer()
            raise
        except NoVerdict as error:
            if error.has_error_info or error.code not in UNKNOWN_OUTCOME:
                self._note_answer()
            elif error.attempted and connection is self.connection and not _may_be_one_items_fault(error, work):
                self._note_silence(error, began, Unanswered(rpc, request, timeout) if rpc.is_harmless else None)
            raise
        finally:
            self._doubt.work -= work
            if late is not None:
                late.cancel()
        self._note_answer()
        return response

    async def _is_for_another(
        self, refused: Connection, rpc: Rpc[RequestT, ResponseT], error: NoVerdict, left: float
    ) -> bool:
        """Return whether the call may be repeated, and another process is there for it."""
        drains = error.has_error_info and error.reason == DRAINING
        is_lost = error.code in ("UNAVAILABLE", "CANCELLED") and not error.has_error_info
        may_repeat = drains or (is_lost and (rpc.is_harmless or not error.attempted))
        return may_repeat and left > 0 and await self.find_other(refused, left, drains=drains)

    async def _until_deliveries(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._may_deliver.wait()
        except TimeoutError:
            raise NoVerdict(self._name, "another process takes over", attempted=False) from None

    def _admit(self, rpc: Rpc[RequestT, ResponseT]) -> Connection:
        connection = self._refuse_if_barred()
        # No user pays for a trial: a delivery may, or it is made in the background.
        if self.breaker.is_open and (rpc.is_harmless or not self.breaker.enter()):
            raise NoVerdict(self._name, "it does not answer (breaker open)", attempted=False)
        return connection

    def _refuse_if_barred(self) -> Connection:
        if self.connection is None or self.barred:
            raise NoVerdict(self._name, self.barred or "nobody serves", attempted=False)
        return self.connection

    async def _take_slot(self, slots: asyncio.Semaphore, timeout: float) -> None:
        """Take one of the driver's places for calls in flight."""
        if not slots.locked():
            await slots.acquire()
            return
        try:
            async with asyncio.timeout(timeout):
                await slots.acquire()
        except TimeoutError:
            raise NoVerdict(
                self._name, "it is busy with as many calls as it takes", code="DEADLINE_EXCEEDED", attempted=False
            ) from None

    def _note_answer(self) -> None:
        self._doubt.heard()
        if self.breaker.is_open:
            log.info("driver.breaker_closed", driver=self._name)
            self._note_well()
        else:
            self.breaker.succeed()

    def _note_well(self) -> None:
        self.silent_since = None if self.connection else self.silent_since or now()
        self.breaker.succeed()
        self._doubt.forget()
        self._cancel_trial()
        self._heed()

    def _note_silence(self, error: NoVerdict, began: float, unanswered: Unanswered | None) -> None:
        """Count a call without an answer; see to it that somebody tries again if that opened the breaker."""
        is_news = self.breaker.fail(began)
        if not is_news and not (self.breaker.is_open and unanswered is None):
            return
        if is_news:
            log.warning("driver.breaker_opened", driver=self._name, reason=error.text)
            self.silent_since = now()
        self.ready.clear()
        if unanswered is not None and self.connection is not None:
            self._doubt.await_recovery(self.connection.client, unanswered)
        else:
            self._cancel_trial()
            self._trial = asyncio.get_running_loop().call_later(self.breaker.pause, self._heed)

    def _silent(self, client: DriverClient) -> None:
        """Leave a process alone that gives no sign of life, and end what users wait for."""
        if self.connection is None or self.connection.client is not client or self.breaker.is_open:
            return
        self.breaker.open()
        self.silent_since = now()
        log.warning("driver.breaker_opened", driver=self._name, reason="it gives no sign of life")
        self.ready.clear()
        client.abandon()
        self._doubt.await_recovery(client, None)

    def _heed(self) -> None:
        """Let deliveries go on, or keep them back, as things are; one that is allowed as a trial may go on."""
        if self.connection is not None and not self.barred and not self.breaker.pause:
            self.ready.set()
        else:
            self.ready.clear()

    def _cancel_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None


async def _nobody(refused: Connection, timeout: float, *, drains: bool) -> bool:  # noqa: ARG001
    return False


def _may_be_one_items_fault(error: NoVerdict, work: int) -> bool:
    """Return whether a process that lives broke down over one of many changes; smaller batches find out which."""
    return work > 1 and error.code in ("UNKNOWN", "INTERNAL")

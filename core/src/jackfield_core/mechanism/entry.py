"""One configured driver: what is known of it, and the gate that every call passes.

The gate is the bulkhead. It refuses at once what cannot succeed (no connection,
no handshake, breaker open, quarantine), keeps the number of calls in flight below
what the driver asked for, and tells the breaker what came of each call. A call
that a process refused because it drains, or that never reached it, is repeated
at once if another process serves: an upgrade costs nobody an error.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

import structlog

from jackfield_core import config
from jackfield_core.attributes.catalogue import Attributes
from jackfield_core.db.base import now
from jackfield_core.db.driver import BindCapability, DriverRecord, Interest
from jackfield_core.mechanism.answers import Garbage, Handshake, Limits, NoVerdict
from jackfield_core.mechanism.breaker import Breaker
from jackfield_core.mechanism.client import DriverClient, RequestT, ResponseT, Rpc
from jackfield_core.mechanism.connection import Connection
from jackfield_core.mechanism.doubt import UNKNOWN_OUTCOME, Doubt, Unanswered
from jackfield_core.mechanism.kept import Terms
from jackfield_core.mechanism.record import introduced
from jackfield_core.mechanism.status import DRAINING
from jackfield_core.types import Kind

log = structlog.get_logger()

HANDOVER = 90.0
"""Seconds that states of the former version are still taken after an upgrade was finalised."""


class Condition(StrEnum):
    """Whether a driver can be asked, and if not, why."""

    CONNECTING = "connecting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    BREAKER_OPEN = "breaker-open"
    QUARANTINED = "quarantined"


class FindOther(Protocol):
    """Finds out whether another process takes the call that one did not."""

    async def __call__(self, refused: Connection, timeout: float, *, drains: bool) -> bool: ...


class DriverEntry:
    """One configured driver."""

    def __init__(self, driver: config.Driver, position: int, settings: config.Mechanism) -> None:
        self.name = driver.name
        self.endpoints = driver.addresses
        self.policy = driver.policy
        self.position = position
        self.record: DriverRecord | None = None
        """What the database knows of it; None if nothing."""
        self.handshake: Handshake | None = None
        """The last one of this process."""
        self.connection: Connection | None = None
        """The process that serves now."""
        self.find_other: FindOther = _nobody
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_retry)
        self.attributes: Mapping[Kind, Attributes] = {}
        """Its own attributes, by kind and name, of which it is told."""
        self.settable: Mapping[Kind, Attributes] = {}
        """Its own attributes that it may set."""
        self.ready = asyncio.Event()
        """Set while a delivery makes sense; a trial that the open breaker allows does."""
        self._condition = Condition.CONNECTING
        self._reason = "not reached yet"
        self._slots = asyncio.Semaphore(Limits().max_in_flight)
        self._may_deliver = asyncio.Event()
        self._may_deliver.set()
        self._former_state_version: tuple[int | None, float] = None, 0.0
        self._trial: asyncio.TimerHandle | None = None
        self._doubt = Doubt(self.breaker, self._silent, self._note_answer)

    @property
    def is_required(self) -> bool:
        """True if nothing may be decided without it."""
        return self.policy == "required"

    @property
    def is_ready(self) -> bool:
        """True while a delivery makes sense."""
        return self.ready.is_set()

    @property
    def condition(self) -> Condition:
        """Whether it can be asked, and if not, why."""
        if self.is_quarantined:
            return Condition.QUARANTINED
        if self._condition is Condition.READY and self.breaker.is_open:
            return Condition.BREAKER_OPEN
        return self._condition

    @property
    def reason(self) -> str:
        """Why it cannot be asked, for the operator; empty if it can."""
        if self.record is not None and self.is_quarantined:
            return f"three answers within ten minutes broke the contract, the last one: {self.record.quarantine_reason}"
        return "it does not answer" if self.condition is Condition.BREAKER_OPEN else self._reason

    @property
    def is_quarantined(self) -> bool:
        """True while nothing but its handshake and its health is asked for, because it answered garbage."""
        return self.record is not None and self.record.quarantined_at is not None

    @property
    def client(self) -> DriverClient | None:
        """The channel to the process that serves now."""
        return self.connection.client if self.connection else None

    @property
    def interests(self) -> tuple[Interest, ...] | None:
        """What it wants to hear; None if it never introduced itself."""
        known = self.handshake or self.record
        return known.interests if known else None

    @property
    def bind(self) -> BindCapability | None:
        """Which ports it binds; None if it binds none, or never introduced itself."""
        known = self.handshake or self.record
        return known.bind if known else None

    @property
    def limits(self) -> Limits:
        """Bounds on what it is sent."""
        return self.handshake.limits if self.handshake else Limits()

    @property
    def terms(self) -> Terms:
        """What its answers are held to."""
        return Terms(self.name, self.limits.max_state_bytes, self._state_versions(), self.settable)

    def known(self) -> DriverRecord | None:
        """Return what there is to remember of it, from the database or from its handshake."""
        if self.record is None and self.handshake is not None:
            return introduced(self.name, self.handshake, now(), None)
        return self.record

    def recalled(self, record: DriverRecord) -> None:
        """Take note of what the database knows."""
        if self.record is not None and self.record.state_version != record.state_version:
            self._former_state_version = self.record.state_version, time.monotonic() + HANDOVER
        was_quarantined, self.record = self.is_quarantined, record
        if self.is_quarantined and not was_quarantined:
            log.error("driver.quarantined", driver=self.name, version=record.version, reason=record.quarantine_reason)
        elif was_quarantined and not self.is_quarantined:
            log.info("driver.released", driver=self.name, version=record.version)
        self._heed()

    def introduced(self, handshake: Handshake) -> None:
        """Take note of how the running process introduced itself."""
        if self.limits.max_in_flight != handshake.limits.max_in_flight:
            self._slots = asyncio.Semaphore(handshake.limits.max_in_flight)
        self.handshake = handshake

    def connected(self, connection: Connection) -> None:
        """Let calls through to the process behind *connection*."""
        self.connection = connection
        self._condition = Condition.READY
        self._reason = ""
        # The breaker judged a connection that is gone.
        self._note_well()

    def disconnected(self, condition: Condition, reason: str) -> None:
        """Refuse calls until the next :meth:`connected`."""
        self.connection = None
        self._condition = condition
        self._reason = reason
        self._doubt.forget()
        self._cancel_trial()
        self._heed()

    @contextmanager
    def deliveries_held(self) -> Iterator[None]:
        """Keep deliveries waiting while another process takes over."""
        self._may_deliver.clear()
        try:
            yield
        finally:
            self._may_deliver.set()

    async def call(self, rpc: Rpc[RequestT, ResponseT], request: RequestT, timeout: float) -> ResponseT:
        """Call the driver if that makes sense.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or no answer in *timeout* seconds.
            Garbage: The answer cannot be decoded.
        """
        self._refuse_if_down()
        slots, deadline = self._slots, time.monotonic() + timeout
        await self._take_slot(slots, timeout)
        try:
            return await self._attempt(rpc, request, deadline)
        finally:
            slots.release()

    async def _attempt(self, rpc: Rpc[RequestT, ResponseT], request: RequestT, deadline: float) -> ResponseT:
        """Call the process that serves, and another one if that one did not take the call."""
        if not (rpc.is_harmless or self._may_deliver.is_set()):
            await self._until_deliveries(deadline)
        connection = self._admit(rpc)
        try:
            return await self._ask(connection, rpc, request, deadline - time.monotonic())
        except NoVerdict as error:
            if not await self._is_for_another(connection, rpc, error, deadline - time.monotonic()):
                raise
        return await self._ask(self._admit(rpc), rpc, request, deadline - time.monotonic())

    async def _ask(
        self, connection: Connection, rpc: Rpc[RequestT, ResponseT], request: RequestT, timeout: float
    ) -> ResponseT:
        late = self._doubt.when_late(connection.client) if rpc.is_harmless else None
        try:
            response = await connection.client.call(rpc, request, timeout)
        except Garbage:
            self._note_answer()
            raise
        except NoVerdict as error:
            if error.has_error_info or error.code not in UNKNOWN_OUTCOME:
                self._note_answer()
            elif error.attempted and connection is self.connection:
                self._note_silence(error, Unanswered(rpc, request, timeout) if rpc.is_harmless else None)
            raise
        finally:
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

    async def _until_deliveries(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._may_deliver.wait()
        except TimeoutError:
            raise NoVerdict(self.name, "another process takes over", attempted=False) from None

    def _admit(self, rpc: Rpc[RequestT, ResponseT]) -> Connection:
        connection = self._refuse_if_down()
        # No user pays for a trial: a delivery may, or it is made in the background.
        if self.breaker.is_open and (rpc.is_harmless or not self.breaker.enter()):
            raise NoVerdict(self.name, "it does not answer (breaker open)", attempted=False)
        return connection

    def _refuse_if_down(self) -> Connection:
        if self.connection is None or self.is_quarantined:
            raise NoVerdict(self.name, f"it is {self.condition}: {self.reason}", attempted=False)
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
                self.name, "it is busy with as many calls as it takes", code="DEADLINE_EXCEEDED", attempted=False
            ) from None

    def _note_answer(self) -> None:
        if self.breaker.is_open:
            log.info("driver.breaker_closed", driver=self.name)
            self._note_well()
        else:
            self.breaker.succeed()

    def _note_well(self) -> None:
        self.breaker.succeed()
        self._doubt.forget()
        self._cancel_trial()
        self._heed()

    def _note_silence(self, error: NoVerdict, unanswered: Unanswered | None) -> None:
        """Count a call without an answer; see to it that somebody tries again if that opened the breaker."""
        is_news = self.breaker.fail()
        if not is_news and not (self.breaker.is_open and unanswered is None):
            return
        if is_news:
            log.warning("driver.breaker_opened", driver=self.name, reason=error.text)
        self.ready.clear()
        if unanswered is not None and self.connection is not None:
            self._doubt.await_recovery(self.connection.client, unanswered)
        else:
            self._cancel_trial()
            self._trial = asyncio.get_running_loop().call_later(self.breaker.pause, self._allow_trial)

    def _silent(self, client: DriverClient) -> None:
        """Leave a process alone that gives no sign of life, and end what users wait for."""
        if self.client is not client or self.breaker.is_open:
            return
        self.breaker.open()
        log.warning("driver.breaker_opened", driver=self.name, reason="it gives no sign of life")
        self.ready.clear()
        client.abandon()
        self._doubt.await_recovery(client, None)

    def _state_versions(self) -> frozenset[int]:
        """Return the versions in which states may be written now.

        When the operator finalises an upgrade there are two for a while: the
        process hears of it later, and answers are under way.
        """
        former, until = self._former_state_version
        told = self.handshake.told_state_version if self.handshake else None
        pinned = self.record.state_version if self.record else None
        versions = (pinned, told, former if time.monotonic() < until else None)
        return frozenset(version for version in versions if version is not None)

    def _heed(self) -> None:
        """Let deliveries go on, or keep them back, as things are."""
        if self.condition is Condition.READY:
            self.ready.set()
        else:
            self.ready.clear()

    def _allow_trial(self) -> None:
        if self.connection is not None and not self.is_quarantined:
            self.ready.set()

    def _cancel_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None


async def _nobody(refused: Connection, timeout: float, *, drains: bool) -> bool:  # noqa: ARG001
    return False

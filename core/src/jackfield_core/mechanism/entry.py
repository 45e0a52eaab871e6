"""One configured driver: what is known of it, and the gate that every call passes.

The gate is the bulkhead. It refuses at once what cannot succeed (no connection,
no handshake, breaker open), keeps the number of calls in flight below what the
driver asked for, and tells the breaker what came of each call.
"""

import asyncio
import time
from collections.abc import Mapping
from enum import StrEnum

import structlog

from jackfield_core import config
from jackfield_core.attributes.catalogue import Attributes
from jackfield_core.db.driver import BindCapability, DriverRecord, Interest
from jackfield_core.mechanism.answers import Garbage, Handshake, Limits, NoVerdict
from jackfield_core.mechanism.breaker import Breaker
from jackfield_core.mechanism.client import DriverClient, RequestT, ResponseT, Rpc
from jackfield_core.mechanism.kept import Terms
from jackfield_core.types import Kind

log = structlog.get_logger()

UNKNOWN_OUTCOME = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"})
"""Codes that a broken connection or a dying process leave behind; the others are somebody's answer."""


class Condition(StrEnum):
    """Whether a driver can be asked, and if not, why."""

    CONNECTING = "connecting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    BREAKER_OPEN = "breaker-open"


class DriverEntry:
    """One configured driver."""

    def __init__(self, driver: config.Driver, position: int, settings: config.Mechanism) -> None:
        self.name = driver.name
        self.endpoint = driver.endpoint
        self.policy = driver.policy
        self.position = position
        self.record: DriverRecord | None = None
        """What the database knew of it at start."""
        self.handshake: Handshake | None = None
        """The last one of this process."""
        self.client: DriverClient | None = None
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_retry)
        self.attributes: Mapping[Kind, Attributes] = {}
        """Its own attributes, by kind and name, if it wants to be told of their values."""
        self.reason = "not reached yet"
        """Why it is not ready, for the operator; empty if it is."""
        self.ready = asyncio.Event()
        """Set while a call makes sense; a trial that the open breaker allows does."""
        self._condition = Condition.CONNECTING
        self._slots = asyncio.Semaphore(Limits().max_in_flight)
        self._trial: asyncio.TimerHandle | None = None

    @property
    def is_required(self) -> bool:
        """True if nothing may be decided without it."""
        return self.policy == "required"

    @property
    def is_ready(self) -> bool:
        """True while a call makes sense."""
        return self._condition is Condition.READY and not self.breaker.pause

    @property
    def condition(self) -> Condition:
        """Whether it can be asked, and if not, why."""
        if self._condition is Condition.READY and self.breaker.is_open:
            return Condition.BREAKER_OPEN
        return self._condition

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
        version = self.record.state_version if self.record else None
        return Terms(self.name, self.limits.max_state_bytes, version, self.attributes)

    def introduced(self, handshake: Handshake) -> None:
        """Take note of how the running process introduced itself."""
        if self.limits.max_in_flight != handshake.limits.max_in_flight:
            self._slots = asyncio.Semaphore(handshake.limits.max_in_flight)
        self.handshake = handshake

    def connected(self, client: DriverClient) -> None:
        """Let calls through to *client*."""
        self.client = client
        self._condition = Condition.READY
        self.reason = ""
        # The breaker judged a connection that is gone.
        self.breaker.succeed()
        self._cancel_trial()
        self.ready.set()

    def disconnected(self, condition: Condition, reason: str) -> None:
        """Refuse calls until the next :meth:`connected`."""
        self._condition = condition
        self.reason = reason
        self._cancel_trial()
        self.ready.clear()

    async def call(self, rpc: Rpc[RequestT, ResponseT], request: RequestT, timeout: float) -> ResponseT:
        """Call the driver if that makes sense.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or no answer in *timeout* seconds.
            Garbage: The answer cannot be decoded.
        """
        self._refuse_if_down()
        slots = self._slots
        timeout -= await self._take_slot(slots, timeout)
        try:
            return await self._attempt(rpc, request, timeout)
        finally:
            slots.release()

    async def _attempt(self, rpc: Rpc[RequestT, ResponseT], request: RequestT, timeout: float) -> ResponseT:
        client = self._refuse_if_down()
        if not self.breaker.enter():
            raise NoVerdict(self.name, "it does not answer (breaker open)", attempted=False)
        try:
            response = await client.call(rpc, request, timeout)
        except Garbage:
            self._note_answer()
            raise
        except NoVerdict as error:
            if error.has_error_info or error.code not in UNKNOWN_OUTCOME:
                self._note_answer()
            elif error.attempted and client is self.client:
                self._note_silence(error)
            raise
        self._note_answer()
        return response

    def _refuse_if_down(self) -> DriverClient:
        if self._condition is not Condition.READY or self.client is None:
            raise NoVerdict(self.name, f"it is {self._condition}: {self.reason}", attempted=False)
        return self.client

    async def _take_slot(self, slots: asyncio.Semaphore, timeout: float) -> float:
        """Take one of the driver's places for calls in flight; return the seconds spent in line."""
        if not slots.locked():
            await slots.acquire()
            return 0.0
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                await slots.acquire()
        except TimeoutError:
            raise NoVerdict(
                self.name, "it is busy with as many calls as it takes", code="DEADLINE_EXCEEDED", attempted=False
            ) from None
        return time.monotonic() - started

    def _note_answer(self) -> None:
        was_open = self.breaker.is_open
        self.breaker.succeed()
        if was_open:
            log.info("driver.breaker_closed", driver=self.name)
            self._cancel_trial()
            if self._condition is Condition.READY:
                self.ready.set()

    def _note_silence(self, error: NoVerdict) -> None:
        if self.breaker.fail():
            log.warning("driver.breaker_opened", driver=self.name, reason=error.text)
        if self.breaker.is_open:
            self.ready.clear()
            self._cancel_trial()
            self._trial = asyncio.get_running_loop().call_later(self.breaker.pause, self._allow_trial)

    def _allow_trial(self) -> None:
        if self._condition is Condition.READY:
            self.ready.set()

    def _cancel_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None

"""One configured driver: what is known of it, and the gate that every call passes.

What is known comes from the last handshake, and from the database, where other
processes of the core and operators note theirs. The gate is told what follows
from it for calls: who serves, how many at a time, and whether nobody may call.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import structlog

from jackfield_core import config
from jackfield_core.attributes.catalogue import Attributes
from jackfield_core.db.base import now
from jackfield_core.db.driver import BindCapability, DriverRecord, Interest
from jackfield_core.mechanism.answers import Handshake, Limits
from jackfield_core.mechanism.backends import Backends
from jackfield_core.mechanism.client import DriverClient, RequestT, ResponseT, Rpc
from jackfield_core.mechanism.connection import Connection
from jackfield_core.mechanism.gate import Gate
from jackfield_core.mechanism.kept import Terms
from jackfield_core.mechanism.record import introduced, why_quarantined
from jackfield_core.mechanism.wire import Encoded
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


class DriverEntry:
    """One configured driver."""

    def __init__(self, driver: config.Driver, position: int, settings: config.Mechanism) -> None:
        self.name = driver.name
        self.endpoints = driver.addresses
        self.tls = driver.tls
        """Files for TLS; None if it is called without."""
        self.policy = driver.policy
        self.position = position
        self.record: DriverRecord | None = None
        """What the database knows of it; None if nothing."""
        self.handshake: Handshake | None = None
        """The last one of this process."""
        self.gate = Gate(driver.name, settings)
        self.backends = Backends(driver.name)
        """Which of its backends are not well, as it says itself."""
        self.attributes: Mapping[Kind, Attributes] = {}
        """Its own attributes, by kind and name, of which it is told."""
        self.settable: Mapping[Kind, Attributes] = {}
        """Its own attributes that it may set."""
        self._condition = Condition.CONNECTING
        self._reason = "not reached yet"
        self._former_state_version: tuple[int | None, float] = None, 0.0
        self._turn = asyncio.Event()

    @property
    def is_required(self) -> bool:
        """True if nothing may be decided without it."""
        return self.policy == "required"

    @property
    def ready(self) -> asyncio.Event:
        """Set while a delivery makes sense."""
        return self.gate.ready

    @property
    def is_ready(self) -> bool:
        """True while a delivery makes sense."""
        return self.gate.ready.is_set()

    @property
    def condition(self) -> Condition:
        """Whether it can be asked, and if not, why."""
        if self.is_quarantined:
            return Condition.QUARANTINED
        if self._condition is Condition.READY and self.gate.breaker.is_open:
            return Condition.BREAKER_OPEN
        return self._condition

    @property
    def reason(self) -> str:
        """Why it cannot be asked, for the operator; empty if it can."""
        if self.record is not None and self.is_quarantined:
            return why_quarantined(self.record)
        return "it does not answer" if self.condition is Condition.BREAKER_OPEN else self._reason

    @property
    def is_quarantined(self) -> bool:
        """True while nothing but its handshake and its health is asked for, because it answered garbage."""
        return self.record is not None and self.record.quarantined_at is not None

    @property
    def connection(self) -> Connection | None:
        """The process that serves now."""
        return self.gate.connection

    @property
    def client(self) -> DriverClient | None:
        """The channel to the process that serves now."""
        return self.gate.connection.client if self.gate.connection else None

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

    @property
    def silent_since(self) -> datetime | None:
        """Since when it cannot be asked; None if it can."""
        if self.record is not None and self.record.quarantined_at is not None:
            return self.record.quarantined_at
        return self.gate.silent_since

    async def turned(self) -> None:
        """Return when something about it has changed: who serves, its condition, or what it said of itself."""
        await self._turn.wait()

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
        self._bar()
        self._announce()

    def introduced(self, handshake: Handshake) -> None:
        """Take note of how the running process introduced itself."""
        self.handshake = handshake
        self.backends.introduced(handshake.backends)
        self.gate.limit(handshake.limits.max_in_flight)
        self._announce()

    def connected(self, connection: Connection) -> None:
        """Let calls through to the process behind *connection*."""
        self._condition, self._reason = Condition.READY, ""
        self._bar()
        self.gate.connect(connection)
        self._announce()

    def disconnected(self, condition: Condition, reason: str) -> None:
        """Refuse calls until the next :meth:`connected`."""
        self._condition, self._reason = condition, reason
        self._bar()
        self.gate.connect(None)
        self._announce()

    async def call(self, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, timeout: float) -> ResponseT:
        """Call the driver if that makes sense.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or no answer in *timeout* seconds.
            Garbage: The answer cannot be decoded.
        """
        return await self.gate.call(rpc, request, timeout)

    def _announce(self) -> None:
        """Wake who waits for a turn; whoever waits from now on waits for the next one."""
        self._turn.set()
        self._turn = asyncio.Event()

    def _bar(self) -> None:
        """Tell the gate why nobody may call, if there is a reason other than silence."""
        is_open = self._condition is Condition.READY and not self.is_quarantined
        self.gate.bar("" if is_open else f"it is {self.condition}: {self.reason}")

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

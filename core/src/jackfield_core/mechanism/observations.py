"""What a driver observes, as it comes over the stream that the core keeps open.

The stream belongs to the driver, so nothing about it is trusted: texts are cut
and cleaned, what names no resource is left out, and what a newer driver may say
is ignored. And it is read at a bounded pace, counted in events and in bytes. A
driver that is faster fills its own buffers, because gRPC then stops taking from
it, and nobody else notices.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

from jackfield.driver.v1 import change_pb2, event_pb2
from msgspec import Struct

from jackfield_core.mechanism.answers import Backend
from jackfield_core.mechanism.client import WATCH, DriverClient
from jackfield_core.mechanism.handshake import BACKEND_HEALTH
from jackfield_core.mechanism.verdicts import clean
from jackfield_core.types import Kind

SILENCE = 30.0
"""Seconds without any event, not even a heartbeat, after which a stream counts as broken."""
RATE = 2000.0
"""Events a second that one driver is listened to for long; a kilobyte counts as one more."""
BURST = 500.0
"""Events that are taken at once after a quiet time."""
_NAP = 0.05
_ID_LENGTH = 36
_LONGEST = 255


class PortObserved(Struct, frozen=True):
    """State of a port on a device; *up* if frames can pass, otherwise *reason* says why not."""

    port_id: str
    revision: int
    up: bool
    reason: str = ""


class Drifted(Struct, frozen=True):
    """Something on a device differs from what was acknowledged."""

    kind: Kind
    id: str
    message: str = ""


class Cable(Struct, frozen=True):
    """Which interface of a host is plugged into which port of a switch."""

    host: str
    interface: str
    switch_id: str
    switch_port: str


class Heartbeat(Struct, frozen=True):
    """A sign of life; *queue_depth* changes wait inside the driver."""

    queue_depth: int


class InSync(Struct, frozen=True):
    """All that was the case at the beginning has been told."""


Observation = PortObserved | Backend | Drifted | Cable | Heartbeat | InSync

_KINDS = {
    change_pb2.RESOURCE_KIND_NETWORK: Kind.NETWORK,
    change_pb2.RESOURCE_KIND_SUBNET: Kind.SUBNET,
    change_pb2.RESOURCE_KIND_PORT: Kind.PORT,
}


async def observe(client: DriverClient) -> AsyncGenerator[Observation, None]:
    """Yield what a driver observes, until its stream ends.

    Raises:
        NoVerdict: The stream broke, or brought nothing for half a minute.
        Garbage: An event cannot be decoded.
    """
    pace = Pace()
    async with contextlib.aclosing(client.stream(WATCH, event_pb2.WatchRequest(), SILENCE)) as messages:
        async for message in messages:
            if observation := read(message):
                yield observation
            pause = pace.step(1 + message.ByteSize() / 1024)
            if pause > _NAP:
                await asyncio.sleep(pause)


class Pace:
    """A bound on what is taken in a second, with room for a burst after a quiet time."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._even_at = 0.0

    def step(self, cost: float) -> float:
        """Take *cost*; return after how many seconds more may be taken."""
        now = time.monotonic()
        self._even_at = max(self._even_at, now - self._burst / self._rate) + cost / self._rate
        return max(0.0, self._even_at - now)


def read(message: event_pb2.WatchResponse) -> Observation | None:
    """Return what an event says, or None if it says nothing that the core knows."""
    match message.WhichOneof("event"):
        case "port_status":
            return _port(message.port_status)
        case "backend":
            return _backend(message)
        case "drift":
            return _drift(message.drift)
        case "topology":
            cable = message.topology
            ends = (cable.host, cable.interface, cable.switch_id, cable.switch_port)
            return Cable(*(clean(end, _LONGEST) for end in ends))
        case "heartbeat":
            return Heartbeat(message.heartbeat.queue_depth)
        case "in_sync":
            return InSync()
    return None


def _port(status: event_pb2.PortStatus) -> PortObserved | None:
    if not _is_id(status.port_id):
        return None
    reason = "" if status.up else clean(status.reason, 1000)
    return PortObserved(status.port_id, status.observed_revision, status.up, reason)


def _backend(message: event_pb2.WatchResponse) -> Backend | None:
    backend = message.backend
    if not (0 < len(backend.id) <= _LONGEST and len(backend.epoch) <= _LONGEST):
        return None
    return Backend(
        backend.id, backend.epoch, BACKEND_HEALTH.get(backend.health, "unknown"), clean(backend.message, 1000)
    )


def _drift(drift: event_pb2.Drift) -> Drifted | None:
    if drift.kind not in _KINDS or not _is_id(drift.id):
        return None
    return Drifted(_KINDS[drift.kind], drift.id, clean(drift.message, 1000))


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _ID_LENGTH and text.isprintable()

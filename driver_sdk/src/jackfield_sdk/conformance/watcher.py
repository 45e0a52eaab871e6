"""A watch that is open for the whole run, so that heartbeats need no waiting of their own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass

import grpc.aio
from jackfield.driver.v1 import event_pb2

from jackfield_sdk.conformance.wire import Wire


@dataclass(frozen=True, slots=True)
class Event:
    """An event and when it came, on the clock of `time.monotonic()`."""

    at: float
    message: event_pb2.WatchResponse


class Watcher:
    """Reads one stream of events until it breaks."""

    def __init__(self, wire: Wire) -> None:
        """Begin to watch on the running loop."""
        self.began = time.monotonic()
        self.events: list[Event] = []
        self._task = asyncio.create_task(self._read(wire))

    @property
    def broken(self) -> bool:
        """Tell whether the stream has ended."""
        return self._task.done()

    def told(self) -> list[event_pb2.WatchResponse]:
        """Return what has come, in order."""
        return [event.message for event in self.events]

    def waits_for_heartbeats(self) -> list[float]:
        """Return the seconds without an event that went before each heartbeat."""
        times = [self.began, *[event.at for event in self.events]]
        beats = [event.message.WhichOneof("event") == "heartbeat" for event in self.events]
        return [
            later - earlier for (earlier, later), beat in zip(itertools.pairwise(times), beats, strict=True) if beat
        ]

    def longest_silence(self) -> float:
        """Return the longest time in seconds without an event, up to now."""
        times = [self.began, *[event.at for event in self.events], time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    async def close(self) -> None:
        """End the stream."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, wire: Wire) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for message in wire.stream("Watch", event_pb2.WatchRequest()):
                self.events.append(Event(time.monotonic(), message))

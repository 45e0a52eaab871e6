"""`EventService`: what the driver observes, streamed to every core that asks.

A watcher first gets what is known (backends and ports), then the mark that this was all, then
changes as they come, and a heartbeat when nothing comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count

from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.driver.v1 import change_pb2, event_pb2
from jackfield.driver.v1.event_pb2_grpc import EventServiceServicer

from jackfield_sdk._convert import encode
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.refusal import RpcContext, streamed
from jackfield_sdk.events import Drift, Event, Mailbox, Observed, PortStatus


class EventService(EventServiceServicer):
    """Streams the events of one driver."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def driver_name(self) -> str:
        """The domain of refusals."""
        return self._process.driver.name

    @streamed
    async def Watch(  # noqa: N802
        self,
        request: event_pb2.WatchRequest,
        context: RpcContext,
    ) -> AsyncIterator[event_pb2.WatchResponse]:
        """Stream until the watcher goes or the process ends."""
        self._process.require_loaded()
        driver, kinds, sequence = self._process.driver, frozenset(request.kinds), count(1)
        mailbox, ports = driver.events.subscribe()
        try:
            now = datetime.now(UTC)
            backends = [Observed(backend, now) for backend in await self._process.backends.tell(context)]
            for observed in [*backends, *ports]:
                if _wanted(observed.event, kinds):
                    yield encode.observed(observed, next(sequence))
            yield _sign(next(sequence), in_sync=event_pb2.InSync())
            while not mailbox.closed:
                news = await self._next(mailbox)
                if not news and not mailbox.closed:
                    yield self._heartbeat(next(sequence))
                for observed in news:
                    if _wanted(observed.event, kinds):
                        yield encode.observed(observed, next(sequence))
        finally:
            driver.events.unsubscribe(mailbox)

    async def _next(self, mailbox: Mailbox) -> list[Observed]:
        try:
            async with asyncio.timeout(self._process.settings.heartbeat_interval):
                return await mailbox.take()
        except TimeoutError:
            return []

    def _heartbeat(self, sequence: int) -> event_pb2.WatchResponse:
        return _sign(sequence, heartbeat=event_pb2.Heartbeat(queue_depth=self._process.changes_in_flight))


def _wanted(event: Event, kinds: frozenset[int]) -> bool:
    """Decide by the kind of the resource; backends and cables are no resources and always wanted."""
    match event:
        case PortStatus():
            return not kinds or change_pb2.RESOURCE_KIND_PORT in kinds
        case Drift(kind=kind):
            return not kinds or encode.KINDS[kind] in kinds
        case _:
            return True


def _sign(
    sequence: int, *, in_sync: event_pb2.InSync | None = None, heartbeat: event_pb2.Heartbeat | None = None
) -> event_pb2.WatchResponse:
    time = Timestamp()
    time.FromDatetime(datetime.now(UTC))
    return event_pb2.WatchResponse(sequence=sequence, observe_time=time, in_sync=in_sync, heartbeat=heartbeat)

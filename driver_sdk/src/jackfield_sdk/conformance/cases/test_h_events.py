"""Group H: what the driver reports while the core listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from jackfield.driver.v1 import change_pb2, event_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import Broken, require

_WATCH = ("watch",)
_HEARTBEAT_WITHIN = 12.0
# Seconds that a snapshot may take.
_SNAPSHOT_WITHIN = 5.0


@case(
    "H1",
    "snapshot",
    "A watch begins with what is the case, and in_sync says once that this was all.",
    "EventService, Watch",
    needs=_WATCH,
)
async def test_snapshot(core: Core) -> None:
    """Open two streams at the same time, one after the other to in_sync."""
    for events in await asyncio.gather(_snapshot(core), _snapshot(core)):
        marks = [each for each in events if each.WhichOneof("event") == "in_sync"]
        require(len(marks) == 1, f"{len(marks)} in_sync", "one, after the snapshot")
        backends = [each.backend for each in events if each.WhichOneof("event") == "backend"]
        for backend in backends:
            epoch = core.facts.epochs.get(backend.id)
            require(epoch == backend.epoch, f"epoch {backend.epoch} of {backend.id}", f"{epoch}, as in the handshake")


@case(
    "H2",
    "sequence",
    "The sequence grows by one with every event of a stream, and every event says when it was observed.",
    "EventService, Watch",
    needs=_WATCH,
)
async def test_sequence(core: Core) -> None:
    """Read the numbers of a snapshot, and of the stream that is open since the beginning."""
    since = [event.message for event in core.watcher.events] if core.watcher else []
    for events in (await _snapshot(core), since):
        numbers = [each.sequence for each in events]
        if not numbers:
            continue
        wanted = list(range(numbers[0], numbers[0] + len(numbers)))
        require(numbers == wanted, f"sequence {numbers[:10]}", "numbers that grow by one")
        for each in events:
            require(each.WhichOneof("event"), f"event {each.sequence} without an event", "an event")
            require(each.HasField("observe_time"), f"event {each.sequence} without observe_time", "when it was")


@case(
    "H3",
    "kinds-of-events",
    "A watch for some kinds hears of no others.",
    "EventService, Watch",
    needs=_WATCH,
)
async def test_kinds_of_events(core: Core) -> None:
    """Watch networks only."""
    for event in await _snapshot(core, [change_pb2.RESOURCE_KIND_NETWORK]):
        which = event.WhichOneof("event")
        require(which != "port_status", "port_status in a watch for networks", "no events of ports")
        kind = event.drift.kind if which == "drift" else change_pb2.RESOURCE_KIND_NETWORK
        require(kind == change_pb2.RESOURCE_KIND_NETWORK, f"drift of kind {kind}", "networks")


@case(
    "H4",
    "observed-revision",
    "The state of a port is told at a revision that was sent, and no older one once the newer is known.",
    "EventService, Watch",
    needs=("watch", "postcommit"),
)
async def test_observed_revision(core: Core) -> None:
    """Change a port, and look at what the stream says of it."""
    not_judged_without(core.takes("port"), "no interest in postcommit of port")
    watcher = core.watcher
    not_judged_without(watcher is not None and not watcher.broken, "the stream of the run is broken")
    assert watcher is not None
    port = await core.stand("port")
    for _ in range(3):
        await core.settle(port)
        port.edit()
    await asyncio.sleep(0.3)
    told = [event.message.port_status for event in watcher.events if event.message.port_status.port_id == port.id]
    not_judged_without(told, "the driver told nothing of a port")
    revisions = [status.observed_revision for status in told]
    require(max(revisions) <= port.highest_sent, f"revision {max(revisions)}", f"at most {port.highest_sent}")
    require(revisions == sorted(revisions), f"revisions {revisions}", "none that goes back")


@case(
    "H5",
    "heartbeat",
    "A watch is never silent for long: if nothing happens, a heartbeat comes every 10 s.",
    "EventService, Watch",
    needs=_WATCH,
)
async def test_heartbeat(core: Core) -> None:
    """Look at the longest silence of the stream that is open since the beginning; wait for one heartbeat."""
    watcher = core.watcher
    assert watcher is not None
    while not any(event.message.WhichOneof("event") == "heartbeat" for event in watcher.events):
        require(not watcher.broken, "the stream ended by itself", "a stream that stays open")
        silence = time.monotonic() - (watcher.events[-1].at if watcher.events else watcher.began)
        require(silence < _HEARTBEAT_WITHIN, f"silence for {silence:.0f} s", "a heartbeat every 10 s")
        await asyncio.sleep(0.1)
    require(watcher.longest_silence() < _HEARTBEAT_WITHIN, f"silence for {watcher.longest_silence():.0f} s", "10 s")


test_listing = listing_after("H")


async def _snapshot(
    core: Core, kinds: Sequence[change_pb2.ResourceKind.ValueType] = ()
) -> list[event_pb2.WatchResponse]:
    """Read a new stream up to in_sync, and a little longer."""
    events: list[event_pb2.WatchResponse] = []

    async def read() -> None:
        async for event in core.wire.stream("Watch", event_pb2.WatchRequest(kinds=kinds)):
            events.append(event)  # noqa: PERF401 - others look at the list while it grows

    reading, end = asyncio.create_task(read()), time.monotonic() + _SNAPSHOT_WITHIN
    try:
        while not any(event.WhichOneof("event") == "in_sync" for event in events):
            if reading.done():
                reading.result()
                raise Broken("the stream ended before in_sync", "a stream that stays open")
            require(time.monotonic() < end, f"no in_sync within {_SNAPSHOT_WITHIN:g} s", "the snapshot, then in_sync")
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
    return events

"""Group H: what the driver reports while the core listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from jackfield.driver.v1 import change_pb2, event_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import Broken, require
from jackfield_sdk.conformance.watcher import Watcher

_WATCH = ("watch",)
# Seconds of silence after which a heartbeat is due, with some for the way.
_HEARTBEAT_WITHIN = 12.0
# Heartbeats that may come late, one after the other, because this host has other work as well.
_LATE_ONES = 3
# Seconds of silence after which a core gives the stream up.
_GIVEN_UP_AFTER = 30.0
# Seconds that a snapshot may take.
_SNAPSHOT_WITHIN = 30.0
# Seconds to wait for what a snapshot told on a stream that is open already.
_ON_ITS_WAY = 20.0


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
    since = core.watcher.told() if core.watcher else []
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
    # What the driver knows of the port by now is in a new snapshot, and on its way in the open stream.
    known, end = _revisions_of(port, await _snapshot(core)), time.monotonic() + _ON_ITS_WAY
    while (told := _revisions_of(port, watcher.told()))[-1:] < known[-1:]:
        if time.monotonic() > end:
            break
        await asyncio.sleep(0.05)
    not_judged_without(known or told, "the driver told nothing of a port")
    for revisions in (known, told):
        highest = max(revisions, default=0)
        require(highest <= port.highest_sent, f"revision {highest}", f"at most {port.highest_sent}")
        require(revisions == sorted(revisions), f"revisions {revisions}", "none that goes back")


@case(
    "H5",
    "heartbeat",
    "A watch is never silent for long: if nothing happens, a heartbeat comes every 10 s.",
    "EventService, Watch",
    needs=_WATCH,
)
async def test_heartbeat(core: Core) -> None:
    """Look at the longest silence of the stream that is open since the beginning; wait for a heartbeat in time."""
    watcher = core.watcher
    assert watcher is not None
    while not (waits := watcher.waits_for_heartbeats()) or min(waits) >= _HEARTBEAT_WITHIN:
        require(not watcher.broken, "the stream ended by itself", "a stream that stays open")
        late = f"{len(waits)} heartbeats, the quickest after {min(waits, default=0.0):.0f} s of silence"
        require(len(waits) < _LATE_ONES, late, "a heartbeat every 10 s")
        _require_no_silence(watcher)
        await asyncio.sleep(0.1)
    _require_no_silence(watcher)


test_listing = listing_after("H")


def _require_no_silence(watcher: Watcher) -> None:
    silence = watcher.longest_silence()
    require(silence < _GIVEN_UP_AFTER, f"silence for {silence:.0f} s", "a heartbeat every 10 s")


def _revisions_of(port: Resource, events: Sequence[event_pb2.WatchResponse]) -> list[int]:
    """Return the revisions that a port was told at, in order."""
    return [each.port_status.observed_revision for each in events if each.port_status.port_id == port.id]


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

"""Group H, part two: several watchers, and one that comes later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from jackfield.driver.v1 import event_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import require
from jackfield_sdk.conformance.watcher import Watcher

# Seconds for what must come, also on a machine with other work.
_COMES_WITHIN = 30.0


@case(
    "H6",
    "every-watcher",
    "Every watcher is told everything, and one that comes later finds in its snapshot what is the case.",
    "EventService, Watch",
    needs=("watch", "postcommit"),
    since="1.2",
)
async def test_every_watcher(core: Core) -> None:
    """Change a port while two watch, and let a third one come."""
    not_judged_without(core.takes("port"), "no interest in postcommit of port")
    async with AsyncExitStack() as stack:
        watchers = [_open(core, stack) for _ in range(2)]
        port = await core.stand("port")
        await core.settle(port)
        port.edit()
        await core.settle(port)

        def told() -> list[tuple[int, bool]]:
            return [_told(watcher.told(), port.id) for watcher in watchers]

        # Events come in their order: what was observed before the second heartbeat from now is there with it.
        last = _beats(watchers) + 2
        await _comes(lambda: any(map(any, told())) or _beats(watchers) >= last, _COMES_WITHIN)
        not_judged_without(any(map(any, told())), "the driver tells nothing of a port")
        alike = await _comes(lambda: len(set(told())) == 1, _COMES_WITHIN)
        require(alike, f"two watchers are told {told()} of a port", "both are told the same")
        later = _open(core, stack)
        complete = await _comes(lambda: bool(_snapshot_of(later)), _COMES_WITHIN)
        require(complete, f"no in_sync within {_COMES_WITHIN:g} s", "the snapshot, then in_sync")
        found = _told(_snapshot_of(later), port.id)
        require(found == told()[0], f"the snapshot of a new watch says {found} of a port, told was {told()[0]}", "same")


def _open(core: Core, stack: AsyncExitStack) -> Watcher:
    watcher = Watcher(core.wire)
    stack.push_async_callback(watcher.close)
    return watcher


def _told(events: list[event_pb2.WatchResponse], port_id: str) -> tuple[int, bool]:
    """Return the last word on a port, its revision and whether it is up; 0 and False if there was none."""
    said = [event.port_status for event in events if event.port_status.port_id == port_id]
    return (said[-1].observed_revision, said[-1].up) if said else (0, False)


def _beats(watchers: list[Watcher]) -> int:
    """Return how many heartbeats each of them has had at least."""
    return min(sum(event.WhichOneof("event") == "heartbeat" for event in watcher.told()) for watcher in watchers)


def _snapshot_of(watcher: Watcher) -> list[event_pb2.WatchResponse]:
    """Return what came up to `in_sync`; nothing before that has come."""
    events = watcher.told()
    marks = [number for number, event in enumerate(events) if event.WhichOneof("event") == "in_sync"]
    return events[: marks[0] + 1] if marks else []


async def _comes(condition: Callable[[], bool], within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        await asyncio.sleep(0.02)
    return condition()

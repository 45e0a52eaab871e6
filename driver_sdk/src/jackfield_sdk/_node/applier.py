"""The host's views, made true one at a time.

Pushes and repeated tries share one lock, so an agent never sees two views at once. A view that
fails is remembered with the step that failed and tried again with growing pauses, whether or not
the core is there. A newer version or a removal of the same view takes its place.

Agents see whole views only. What changed of a network is put together here with the view that was
told last, whether or not that could be made true.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog
from jackfield.node.v1 import node_pb2

from jackfield_sdk._convert import decode, sync
from jackfield_sdk._convert.sync import Failure, ViewKey
from jackfield_sdk.errors import DriverError, Rejected, RetryLater
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.views import NetworkView, ViewKind

log = structlog.get_logger("jackfield_sdk")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to make true: a view of some version, or the absence of a view."""

    key: ViewKey
    version: str
    removal: bool
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failed:
    """A step that failed: how often, and when (on the loop's clock) it is tried again."""

    step: Step
    tries: int
    due: float


class Applier:
    """Applies pushes to one agent."""

    def __init__(self, agent: NodeAgent, reporter: Reporter, retry_max: float) -> None:
        """Pause at most `retry_max` seconds between two tries of a view."""
        self._agent = agent
        self._reporter = reporter
        self._retry_max = retry_max
        self._held: dict[ViewKey, str] = {}
        self._told: dict[str, NetworkView] = {}
        self._misses_views = False
        self._failed: dict[ViewKey, Failed] = {}
        self._sync_owed = False
        self._changed = asyncio.Event()
        self._stopping = False
        self.lock = asyncio.Lock()

    def adopt(self) -> None:
        """Take over the views that the agent found on the host."""
        for (kind, id), version in self._agent.known().items():
            self._hold((kind, id), version)

    def known(self) -> dict[ViewKey, str]:
        """Return what to tell the core; a view that is not surely true has no version."""
        return {**self._held, **dict.fromkeys(self._failed, "")}

    def distrust(self) -> None:
        """Want every view pushed again."""
        self._held = dict.fromkeys(self._held, "")

    def take_missing(self) -> bool:
        """Return True once if a change came of a view that nobody told; a new hello asks for all of it."""
        missing, self._misses_views = self._misses_views, False
        return missing

    def stop(self) -> None:
        """Finish the view at hand and start no other."""
        self._stopping = True

    async def apply(self, push: node_pb2.SyncResponse) -> list[Failure]:
        """Make all of a push true and return the views that did not become so."""
        async with self.lock:
            failures = [failure for step in self._steps(push) if (failure := await self._try(step, tries=0))]
            if push.in_sync and not self._stopping:
                await self._tell_in_sync()
        self._changed.set()
        return failures

    async def retry_for_ever(self) -> None:
        """Try failed views again as they become due."""
        while True:
            self._changed.clear()
            await self._wait_until_due()
            await self._retry_due()

    def _steps(self, push: node_pb2.SyncResponse) -> Iterator[Step]:
        for upsert in push.upserts:
            if self._stopping:
                return
            if upsert.WhichOneof("view") == "network":
                yield self._network_step(sync.network_view(upsert.version, upsert.network))
            elif upsert.WhichOneof("view") == "network_delta":
                yield from self._delta_steps(upsert.version, upsert.network_delta)
            elif upsert.WhichOneof("view") == "port":
                yield self._port_step(upsert.version, upsert.port)
        for removal in push.removals:
            if self._stopping:
                return
            if removal.kind in sync.KINDS:
                yield self._removal_step(sync.KINDS[removal.kind], removal.id)

    def _network_step(self, view: NetworkView) -> Step:
        self._told[view.id] = view

        async def run() -> None:
            await self._agent.apply_network(view)

        return Step((ViewKind.NETWORK, view.id), view.version, removal=False, run=run)

    def _delta_steps(self, version: str, message: node_pb2.NetworkDelta) -> Iterator[Step]:
        base = self._told.get(message.id)
        if base is not None and base.version == message.base_version:
            yield self._network_step(sync.changed_network_view(base, version, message))
            return
        log.warning("view.missing", id=message.id, version=message.base_version)
        self._held[ViewKind.NETWORK, message.id] = ""
        self._misses_views = True

    def _port_step(self, version: str, message: node_pb2.PortView) -> Step:
        async def run() -> None:
            self._reporter.applying(message.id, version)
            await self._agent.apply_port(sync.port_view(version, message))

        return Step((ViewKind.PORT, message.id), version, removal=False, run=run)

    def _removal_step(self, kind: ViewKind, id: str) -> Step:
        async def run() -> None:
            if kind is ViewKind.NETWORK:
                self._told.pop(id, None)
                await self._agent.remove_network(id)
                return
            await self._agent.remove_port(id)
            self._reporter.forget(id)

        return Step((kind, id), "", removal=True, run=run)

    async def _try(self, step: Step, tries: int) -> Failure | None:
        try:
            await step.run()
        except Exception as error:
            return self._remember_failure(step, error, tries + 1)
        self._failed.pop(step.key, None)
        if step.removal:
            self._held.pop(step.key, None)
        else:
            self._hold(step.key, step.version)
        return None

    def _remember_failure(self, step: Step, error: Exception, tries: int) -> Failure:
        kind, id = step.key
        reason = _reason(error)
        bug = error if not isinstance(error, (DriverError, Rejected, decode.Malformed)) else None
        log.warning(
            "view.failed", kind=kind.value, id=id, removal=step.removal, reason=reason, tries=tries, exc_info=bug
        )
        due = asyncio.get_running_loop().time() + self._pause(error, tries)
        self._failed[step.key] = Failed(step, tries, due)
        return Failure(kind, id, step.version, reason)

    def _pause(self, error: Exception, tries: int) -> float:
        # Half of the pause is fixed, so that a view that fails at once is not tried at once.
        bound = min(self._retry_max, 2.0 ** min(tries - 1, 16))
        pause = bound / 2 + random.uniform(0, bound / 2)
        asked = error.delay if isinstance(error, RetryLater) and error.delay is not None else 0.0
        return max(pause, asked)

    def _hold(self, key: ViewKey, version: str) -> None:
        self._held[key] = version
        if key[0] is ViewKind.PORT:
            self._reporter.applying(key[1], version)

    async def _tell_in_sync(self) -> None:
        try:
            await self._agent.in_sync()
            self._sync_owed = False
        except Exception as error:
            log.error("in_sync.failed", reason=_reason(error), exc_info=error)
            self._sync_owed = True

    async def _wait_until_due(self) -> None:
        now = asyncio.get_running_loop().time()
        dues = [failed.due for failed in self._failed.values()]
        if self._sync_owed:
            dues.append(now + self._retry_max)
        try:
            async with asyncio.timeout(max(0.0, min(dues) - now) if dues else None):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _retry_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for failed in [each for each in self._failed.values() if each.due <= now]:
            # One lock for each view, so that a push does not wait for all of them.
            async with self.lock:
                await self._retry(failed)
        if self._sync_owed:
            async with self.lock:
                await self._tell_in_sync()

    async def _retry(self, failed: Failed) -> None:
        kind, id = failed.step.key
        replaced = self._failed.get(failed.step.key) is not failed
        if not replaced and not await self._try(failed.step, failed.tries):
            log.info("view.recovered", kind=kind.value, id=id, tries=failed.tries)


def _reason(error: Exception) -> str:
    match error:
        case DriverError(reason=reason):
            return reason
        case Rejected(message=message):
            return message
        case decode.Malformed():
            return f"malformed view: {error}"
        case _:
            return f"the agent failed with {type(error).__name__}; its log has the trace"

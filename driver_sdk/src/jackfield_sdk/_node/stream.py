"""One stream to the core: hello, then pushes in and acknowledgements and reports out.

The stream ends when the core ends it, when it breaks, or when the agent wants everything pushed
again. A push that has arrived is applied to its end whatever becomes of the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import grpc.aio
import structlog
from jackfield.node.v1 import node_pb2
from jackfield.node.v1.node_pb2_grpc import NodeServiceStub

from jackfield_sdk._convert import sync
from jackfield_sdk._node.applier import Applier
from jackfield_sdk._transport import connect
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.settings import AgentSettings

log = structlog.get_logger("jackfield_sdk")

SyncCall = grpc.aio.StreamStreamCall[Any, Any]


class Stream:
    """Talks to the core for one agent, over one connection at a time."""

    def __init__(
        self, agent: NodeAgent, reporter: Reporter, applier: Applier, settings: AgentSettings, started: datetime
    ) -> None:
        self._agent = agent
        self._reporter = reporter
        self._applier = applier
        self._settings = settings
        self._started = started
        self._writing = asyncio.Lock()
        self.pushes = 0

    async def run(self) -> None:
        """Connect, and return or raise `AioRpcError` when the stream is over."""
        self.pushes = 0
        async with connect(self._settings) as channel:
            call: SyncCall = NodeServiceStub(channel).Sync()
            try:
                await self._converse(call)
            finally:
                call.cancel()

    async def _converse(self, call: SyncCall) -> None:
        known = self._applier.known()
        await self._write(call, sync.hello(self._agent, self._settings.host, self._started, known))
        self._reporter.forget_sent()
        talking = [asyncio.create_task(self._obey(call)), asyncio.create_task(self._report(call))]
        try:
            done, _ = await asyncio.wait(talking, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end(talking)
        for task in done:
            task.result()

    async def _obey(self, call: SyncCall) -> None:
        async for push in call:
            self.pushes += 1
            failures = await self._applier.apply(push)
            log.info(
                "push.applied",
                upserts=len(push.upserts),
                removals=len(push.removals),
                failures=len(failures),
                in_sync=push.in_sync,
            )
            if self._applier.take_missing():
                return
            await self._write(call, sync.ack(push.nonce, failures))

    async def _report(self, call: SyncCall) -> None:
        wake, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake_loop() -> None:
            loop.call_soon_threadsafe(wake.set)

        self._reporter.on_change(wake_loop)
        try:
            while not self._reporter.take_resync():
                wake.clear()
                await self._write(call, sync.report(self._reporter.take()))
                await self._wait(wake)
            self._applier.distrust()
        finally:
            self._reporter.on_change(lambda: None)

    async def _wait(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._settings.report_interval):
                await wake.wait()
        except TimeoutError:
            pass

    async def _write(self, call: SyncCall, message: node_pb2.SyncRequest) -> None:
        # gRPC takes one message at a time, and acknowledgements and reports come from two tasks.
        # What is said into a stream that is over is lost; reading it says why.
        async with self._writing:
            with contextlib.suppress(asyncio.InvalidStateError):
                await call.write(message)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        # Under the lock no view is half applied.
        async with self._applier.lock:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

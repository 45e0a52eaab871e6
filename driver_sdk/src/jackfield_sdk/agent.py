"""A node agent becomes a process: it dials the core, for ever, and keeps its host as it is meanwhile.

`run_agent` is all that an agent's `main` calls. When the core goes away the agent goes on with what
it was told, tries failed views again, and dials with growing, random pauses, so that a thousand
agents do not come back in the same second. An agent whose certificate is not that of its host is
refused until somebody mends that: it says so as an error, and dials as rarely as it may.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import grpc.aio
import structlog

from jackfield_sdk._logging import configure_logging
from jackfield_sdk._node.applier import Applier
from jackfield_sdk._node.stream import Stream
from jackfield_sdk._signals import on_stop_signals
from jackfield_sdk.errors import RetryLater
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reasons import NOT_ITS_HOST
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.settings import AgentSettings

log = structlog.get_logger("jackfield_sdk")


class RunningAgent:
    """An agent that keeps a host true."""

    def __init__(self, agent: NodeAgent, settings: AgentSettings) -> None:
        """Belong to `start_agent`."""
        self._agent = agent
        self._settings = settings
        self._started = datetime.now(UTC)
        self.reporter = Reporter()
        self._applier = Applier(agent, self.reporter, settings.retry_max)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the agent, adopt what it found, and begin to dial."""
        await self._start_agent()
        self._applier.adopt()
        self._tasks = [
            asyncio.create_task(self._applier.retry_for_ever()),
            asyncio.create_task(self._dial_for_ever()),
        ]

    @property
    def has_started(self) -> bool:
        """Whether `start` has come to its end."""
        return bool(self._tasks)

    async def run(self) -> None:
        """Start and go on for ever; ends only by being cancelled or by a fault of the runner."""
        await self.start()
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Finish the view at hand, leave the host as it is, and end."""
        self._applier.stop()
        async with self._applier.lock:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._agent.stop()

    async def _start_agent(self) -> None:
        attempt = 0
        while True:
            try:
                await self._agent.start(self.reporter)
                return
            except RetryLater as error:
                attempt += 1
                log.warning("agent.start_failed", reason=error.reason, attempt=attempt)
                await asyncio.sleep(max(error.delay or 0.0, self._pause(attempt)))

    async def _dial_for_ever(self) -> None:
        stream = Stream(self._agent, self.reporter, self._applier, self._settings, self._started)
        attempt = 0
        while True:
            try:
                await stream.run()
                log.info("core.stream_ended", core=self._settings.core)
            except grpc.aio.AioRpcError as error:
                if error.code() is NOT_ITS_HOST:
                    await self._bear_refusal(error)
                    continue
                log.warning("core.lost", core=self._settings.core, code=error.code().name, details=error.details())
            except Exception as error:
                log.error("core.stream_failed", core=self._settings.core, exc_info=error)
            attempt = 1 if stream.pushes else attempt + 1
            await asyncio.sleep(self._pause(attempt))

    async def _bear_refusal(self, error: grpc.aio.AioRpcError) -> None:
        settings = self._settings
        # The certificate is read again for every try, so whoever replaces it need not restart the agent.
        pause = random.uniform(settings.reconnect_max / 2, settings.reconnect_max)
        log.error(
            "core.refused", core=settings.core, host=settings.host, reason=error.details(), retry_in=round(pause, 1)
        )
        await asyncio.sleep(pause)

    def _pause(self, attempt: int) -> float:
        bound = min(self._settings.reconnect_max, self._settings.reconnect_min * 2.0 ** min(attempt - 1, 16))
        return random.uniform(0, bound)


def run_agent(agent: NodeAgent, settings: AgentSettings | None = None) -> None:
    """Run an agent until SIGTERM or SIGINT."""
    settings = settings or AgentSettings()
    configure_logging(settings.log_level, json=settings.log_json)
    asyncio.run(_run_until_told(agent, settings))


async def start_agent(agent: NodeAgent, settings: AgentSettings) -> RunningAgent:
    """Run an agent on the running loop; stop it with `await running.stop()`."""
    running = RunningAgent(agent, settings)
    await running.start()
    return running


async def _run_until_told(agent: NodeAgent, settings: AgentSettings) -> None:
    told = asyncio.Event()
    on_stop_signals(told.set)
    running = RunningAgent(agent, settings)
    life = asyncio.create_task(running.run())
    log.info("agent.running", agent=agent.binary, host=settings.host, core=settings.core)
    await asyncio.wait([life, asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not running.has_started:
        # A start that goes on would begin what nobody stops any more.
        life.cancel()
        await asyncio.wait([life])
    await running.stop()
    life.cancel()
    if not told.is_set():
        await life

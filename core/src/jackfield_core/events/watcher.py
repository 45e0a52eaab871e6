"""Listens to one driver, for as long as the core runs.

Whenever the driver serves calls, and named the feature, its stream is open on
the same connection: it is left when that connection is, and opened anew on the
next one. A stream that breaks is opened again after a pause that grows, and
nothing is concluded from its end. One part reads into mailboxes, the others
store what is there, a batch at a time and never back to back: a driver that
floods its events gets a part of one core's time, and not the time of others.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from jackfield_core.events.mailbox import ROOM, Mailbox, NewsT
from jackfield_core.events.recorder import Recorder
from jackfield_core.mechanism.answers import Backend, Garbage, NoVerdict
from jackfield_core.mechanism.client import DriverClient
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.observations import Cable, Drifted, Heartbeat, InSync, Observation, PortObserved, observe

log = structlog.get_logger()

EVENTS = Counter("jackfield_driver_events", "Events that mechanism drivers told.", ["driver", "event"])
WATCHING = Gauge("jackfield_driver_watching", "1 while a stream of events is in sync.", ["driver"])
QUEUED = Gauge("jackfield_driver_queue_depth", "Changes that wait inside of a driver, as it says.", ["driver"])

BATCH = 500
"""Ports in one transaction at most."""
GATHER = 0.05
"""Seconds in which a batch gathers."""
SHARE = 4.0
"""Storing pauses so many times as long as it took."""
REPAIR_INTERVAL = 10.0
"""Seconds in which a driver is owed things again once at most, however often it asks for that."""
PAUSE = 1.0
"""Seconds before a broken stream is opened again, doubled up to :data:`LONGEST_PAUSE`."""
LONGEST_PAUSE = 60.0
HEALTHY = 30.0
"""Seconds after which a stream that breaks is a new fact, and not the old one again."""

_NAMES = {
    PortObserved: "port_status",
    Backend: "backend",
    Drifted: "drift",
    Cable: "topology",
    Heartbeat: "heartbeat",
    InSync: "in_sync",
}


class Watcher:
    """Listens to one driver; *on_garbage* is told of events that break the contract."""

    def __init__(
        self,
        entry: DriverEntry,
        recorder: Recorder,
        on_garbage: Callable[[Garbage], None],
        *,
        repair_interval: float = REPAIR_INTERVAL,
    ) -> None:
        self._entry = entry
        self._recorder = recorder
        self._on_garbage = on_garbage
        self._repair_interval = repair_interval
        self._ports: Mailbox[PortObserved] = Mailbox()
        self._repairs: Mailbox[Drifted | Backend] = Mailbox()
        self._pause = PAUSE
        self._is_known_broken = False

    async def run(self) -> None:
        """Listen and store until cancelled."""
        await _first_of(self._listen_always(), self._store_ports(), self._store_repairs())

    async def _listen_always(self) -> None:
        while True:
            client = await self._connection()
            opened = time.monotonic()
            try:
                await _first_of(self._listen(client), self._until_left(client))
            except NoVerdict as error:
                lived = time.monotonic() - opened
                if isinstance(error, Garbage):
                    self._on_garbage(error)
                if await self._is_left_within(client, self._pause):
                    # The connection broke too; that has been told already, and the next one may do better.
                    self._pause, self._is_known_broken = PAUSE, False
                else:
                    self._note_break(error, lived)
            except Exception:
                # A fault of ours; the next stream may tell something that we understand.
                log.exception("driver.watch_failed", driver=self._entry.name)
                await asyncio.sleep(LONGEST_PAUSE)
            finally:
                WATCHING.labels(self._entry.name).set(0)

    async def _connection(self) -> DriverClient:
        """Wait until the driver serves calls and has something to tell."""
        while True:
            client = self._entry.client
            if client and self._may_listen(client):
                return client
            await self._entry.turned()

    async def _until_left(self, client: DriverClient) -> None:
        """Wait until the driver is called over another connection, or not at all."""
        while self._may_listen(client):
            await self._entry.turned()

    async def _is_left_within(self, client: DriverClient, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._until_left(client)
        except TimeoutError:
            return False
        return True

    def _may_listen(self, client: DriverClient) -> bool:
        entry = self._entry
        is_served = entry.client is client and entry.condition in (Condition.READY, Condition.BREAKER_OPEN)
        return is_served and entry.handshake is not None and "watch" in entry.handshake.features

    async def _listen(self, client: DriverClient) -> None:
        """Take what is told until the stream ends."""
        async with contextlib.aclosing(observe(client)) as observations:
            async for observation in observations:
                EVENTS.labels(self._entry.name, _NAMES[type(observation)]).inc()
                await self._take(observation)
        raise NoVerdict(self._entry.name, "it ended the stream", code="OK")

    async def _take(self, observation: Observation) -> None:
        match observation:
            case PortObserved():
                await self._ports.put(observation.port_id, observation)
            case Drifted():
                await self._repairs.put((observation.kind, observation.id), observation)
            case Backend():
                await self._repairs.put(observation.id, observation)
            case Heartbeat():
                QUEUED.labels(self._entry.name).set(observation.queue_depth)
            case InSync():
                WATCHING.labels(self._entry.name).set(1)
                log.debug("driver.watching", driver=self._entry.name)
            case Cable():
                # Nobody asks for cables yet.
                log.debug("driver.cable", driver=self._entry.name, host=observation.host, switch=observation.switch_id)

    def _note_break(self, error: NoVerdict, lived: float) -> None:
        """Log a break once, and not that it breaks again and again."""
        if lived >= HEALTHY:
            self._pause, self._is_known_broken = PAUSE, False
        elif self._is_known_broken:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        # Garbage has a line of its own.
        if not self._is_known_broken and not isinstance(error, Garbage):
            log.warning("driver.watch_broken", driver=self._entry.name, code=error.code, reason=error.text)
        self._is_known_broken = True

    async def _store_ports(self) -> None:
        while True:
            started, _ = await self._store(self._ports, BATCH, self._recorder.ports)
            await asyncio.sleep(SHARE * (time.monotonic() - started))

    async def _store_repairs(self) -> None:
        while True:
            started, is_news = await self._store(self._repairs, ROOM, self._recorder.repairs)
            await asyncio.sleep(self._repair_interval if is_news else SHARE * (time.monotonic() - started))

    async def _store(
        self, mailbox: Mailbox[NewsT], limit: int, record: Callable[[Sequence[NewsT]], Awaitable[bool]]
    ) -> tuple[float, bool]:
        """Store one batch; return when that began, and whether it was news."""
        await mailbox.filled()
        await asyncio.sleep(GATHER)
        started = time.monotonic()
        batch = mailbox.first(limit)
        try:
            is_news = await record([news for _, news in batch])
        except Exception:
            # The database is away: what was told waits, and with it whoever tells more.
            log.exception("driver.events_unwritten", driver=self._entry.name, events=len(batch))
            await asyncio.sleep(PAUSE)
            return started, False
        mailbox.done(batch)
        return started, is_news


async def _first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all *parts* until one ends, and end the others; raise what it raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()

"""The change feed, followed.

The feed is read when somebody of this process commits, when another process
rings, and at every poll for what nobody rang for. Numbers that were skipped are
asked for again, see :mod:`jackfield_core.nodes.gaps`. Entries live for ten
minutes; who could not read for almost as long may have missed some, and looks
at everything.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from jackfield_core.db.feed import FeedEntry
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.gaps import Gaps
from jackfield_core.nodes.patience import until_done

log = structlog.get_logger()

SPACING = 0.02
"""Seconds between two reads at least: under load, one read brings many changes."""
WINDOW = 10_000
"""Numbers before the start that may still be under way."""
KEEP = timedelta(minutes=10)
PRUNE_INTERVAL = 120.0
BLIND_FOR = KEEP.total_seconds() / 2
"""Seconds without reading after which entries may have gone unseen."""

Concern = Callable[[Sequence[FeedEntry]], None]


class Follower:
    """Reads the feed; hands on what is new to *concern*, and calls *lost* when entries may have been missed."""

    def __init__(
        self, unit_of_work: UnitOfWork, concern: Concern, lost: Callable[[], Awaitable[None]], *, poll_interval: float
    ) -> None:
        self._unit_of_work = unit_of_work
        self._concern = concern
        self._lost = lost
        self._poll_interval = poll_interval
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._gaps = Gaps(0)
        self._read_at = 0.0
        self._next_prune = 0.0

    def wake(self) -> None:
        """Look at the feed soon."""
        self._wake.set()

    async def catch_up(self) -> None:
        """Return once everything that is committed now has been handed on."""
        caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(caught_up)
        self.wake()
        await caught_up

    async def begin(self) -> None:
        """Start at the end of the feed; what is committed from now on will be handed on."""
        at = time.monotonic()
        async with self._unit_of_work.reading() as tables:
            gaps = Gaps(max(0, await tables.feed.last() - WINDOW))
            gaps.see([entry.id for entry in await tables.feed.after(gaps.last)], at)
        self._gaps, self._read_at = gaps, at

    async def run(self) -> None:
        """Follow the feed until cancelled."""
        while True:
            await until_done(self._read, "nodes.feed_unread")
            await asyncio.sleep(SPACING)
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next wake-up or poll."""
        try:
            async with asyncio.timeout(self._poll_interval):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _read(self) -> None:
        self._wake.clear()
        waiting, at = len(self._waiting), time.monotonic()
        if at - self._read_at > BLIND_FOR:
            await self._begin_again()
        await self._hand_on(at)
        caught_up, self._waiting = self._waiting[:waiting], self._waiting[waiting:]
        for one in caught_up:
            if not one.done():
                one.set_result(None)
        if time.monotonic() > self._next_prune:
            await self._prune()

    async def _hand_on(self, at: float) -> None:
        async with self._unit_of_work.reading() as tables:
            entries = await tables.feed.after(self._gaps.last, self._gaps.ranges)
        self._gaps.see([entry.id for entry in entries], at)
        self._read_at = at
        if entries:
            self._concern(entries)

    async def _begin_again(self) -> None:
        log.warning("nodes.feed_lost", seconds=round(time.monotonic() - self._read_at))
        # First the place to go on from, then the look: what is committed between the two is seen twice, not never.
        await self.begin()
        await self._lost()

    async def _prune(self) -> None:
        """Remove old entries; two processes doing so at once do no harm."""
        self._next_prune = time.monotonic() + PRUNE_INTERVAL * random.uniform(0.5, 1.5)
        async with self._unit_of_work() as tx:
            await tx.feed.prune(KEEP)

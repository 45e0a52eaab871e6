"""The change feed, followed.

The feed is read when somebody of this process commits, and at every poll for
what others committed. An identifier is drawn before its transaction commits, so
a number that is missing may turn up later: it is asked for again for a minute,
which is longer than any transaction lasts.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from jackfield_core.db.feed import FeedEntry
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.patience import until_done

SPACING = 0.02
"""Seconds between two reads at least: under load, one read brings many changes."""
WINDOW = 1000
"""Numbers before the start that may still be under way."""
LATE_FOR = 60.0
"""Seconds that a missing number is waited for."""
KEEP = timedelta(minutes=10)
PRUNE_INTERVAL = 120.0

Concern = Callable[[Sequence[FeedEntry]], None]


class Follower:
    """Reads the feed and hands on what is new."""

    def __init__(self, unit_of_work: UnitOfWork, concern: Concern, *, poll_interval: float) -> None:
        self._unit_of_work = unit_of_work
        self._concern = concern
        self._poll_interval = poll_interval
        self._wake = asyncio.Event()
        self._last = 0
        self._late: dict[int, float] = {}
        self._next_prune = 0.0

    def wake(self) -> None:
        """Look at the feed soon."""
        self._wake.set()

    async def begin(self) -> None:
        """Start at the end of the feed; what is committed from now on will be handed on."""
        async with self._unit_of_work.reading() as tables:
            first = max(0, await tables.feed.last() - WINDOW)
            entries = await tables.feed.after(first)
        self._last, self._late = first, {}
        self._note([entry.id for entry in entries])

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
        async with self._unit_of_work.reading() as tables:
            entries = await tables.feed.after(self._last, self._late)
        if entries:
            self._note([entry.id for entry in entries])
            self._concern(entries)
        if time.monotonic() > self._next_prune:
            await self._prune()

    def _note(self, ids: Iterable[int]) -> None:
        """Remember which numbers below the highest one are still missing."""
        now = time.monotonic()
        for id in ids:
            self._late.pop(id, None)
            # A jump this wide is not made by transactions that are under way.
            missing = range(max(self._last + 1, id - WINDOW), id)
            self._late.update(dict.fromkeys(missing, now + LATE_FOR))
            self._last = max(self._last, id)
        self._late = {id: until for id, until in self._late.items() if until > now}

    async def _prune(self) -> None:
        """Remove old entries; two processes doing so at once do no harm."""
        self._next_prune = time.monotonic() + PRUNE_INTERVAL * random.uniform(0.5, 1.5)
        async with self._unit_of_work() as tx:
            await tx.feed.prune(KEEP)

"""What one driver has told and nobody has stored yet: for each object the last state only.

A driver may tell the same thing a thousand times a second; it costs one place.
There is room for a bounded number of objects: whoever brings more waits, and
with him, by gRPC's flow control, the driver.
"""

import asyncio
import itertools
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

ROOM = 10_000
"""Objects that may wait."""

NewsT = TypeVar("NewsT")


class Mailbox(Generic[NewsT]):
    """A place for each object, in the order in which they were first told."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._waiting: dict[Hashable, NewsT] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, key: Hashable, news: NewsT) -> None:
        """Keep *news* in the place of what was told of the same object; wait while there is no place."""
        while key not in self._waiting and len(self._waiting) >= self._room:
            self._emptied.clear()
            await self._emptied.wait()
        self._waiting[key] = news
        self._filled.set()

    async def filled(self) -> None:
        """Wait until there is something."""
        await self._filled.wait()

    def first(self, limit: int) -> Sequence[tuple[Hashable, NewsT]]:
        """Return up to *limit* of what there is; it stays until it is done."""
        return [*itertools.islice(self._waiting.items(), limit)]

    def done(self, batch: Sequence[tuple[Hashable, NewsT]]) -> None:
        """Forget what has been stored, unless something newer was told of the same object meanwhile."""
        for key, news in batch:
            if self._waiting.get(key) is news:
                del self._waiting[key]
        if not self._waiting:
            self._filled.clear()
        self._emptied.set()

"""One lane per resource: who comes second waits, in order, and other resources do not notice.

The core already sends one call at a time for a resource. Still, a call that it gave up on may be
at work in a thread, and its successor must not touch the same device port meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class Lanes:
    """Exclusive turns per resource; a lane exists only while somebody is in it."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    async def enter(self, resource: Hashable) -> None:
        """Wait for the turn on a resource; pair it with `leave`."""
        queue = self._waiting.get(resource)
        if queue is None:
            self._waiting[resource] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have come in the same moment; then it goes on to the next one.
            if turn.done() and not turn.cancelled():
                self.leave(resource)
            raise

    def leave(self, resource: Hashable) -> None:
        """Hand the resource to who waits longest, or close its lane."""
        queue = self._waiting[resource]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[resource]

"""Facts that repeat themselves: said once, and then now and then with how often they came.

A driver that answers wrongly answers wrongly a hundred times a second. A line of
the log for each would bury what an operator is looking for.
"""

import time
from collections.abc import Callable

INTERVAL = 30.0
"""Seconds in which the same fact is said once."""
ROOM = 1000
"""Facts that are remembered; what is more is said as if it were new."""


class Repeats:
    """Remembers which facts have been said."""

    def __init__(self, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._said: dict[tuple[str, ...], float] = {}
        self._unsaid: dict[tuple[str, ...], int] = {}

    def count(self, *fact: str) -> int | None:
        """Return how often *fact* was kept quiet since it was last said, or None if it is to be kept quiet now."""
        now = self._clock()
        said_at = self._said.get(fact)
        if said_at is not None and now - said_at < self._interval:
            self._unsaid[fact] = self._unsaid.get(fact, 0) + 1
            return None
        if len(self._said) >= ROOM:
            self._said.clear()
            self._unsaid.clear()
        self._said[fact] = now
        return self._unsaid.pop(fact, 0)

"""Tunnels that nobody needs stay for a while.

A tunnel that no rule names costs nothing. Taking its port away makes a switch in user space miss
frames of other guests for some tens of milliseconds, and the next guest of the same network
would need it again: so it goes only after it was of no use for a while, together with all others
whose time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable


class Linger:
    """Remembers since when each tunnel is of no use."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the time in seconds that an unused tunnel stays; 0 lets it go at once."""
        self._seconds = seconds
        self._clock = clock
        self._since: dict[str, float] = {}

    def over(self, unused: Iterable[str]) -> frozenset[str]:
        """Return those of the `unused` tunnels whose time is over; all others count as used from now."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in unused}
        return frozenset(name for name, since in self._since.items() if now - since >= self._seconds)

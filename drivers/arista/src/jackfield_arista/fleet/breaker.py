"""One breaker per switch: who cannot be reached is tried rarely, and by nobody's request.

The first failure opens it. While it is open every change for the switch is answered at once with the
reason, and the worker of the switch tries again by itself, ever more rarely. The first success closes
it. So a dead switch costs its own changes a moment each, and others nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from jackfield_sdk import DriverError


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a switch is not tried now, and since when it has been so."""

    error: DriverError
    since: datetime


class Breaker:
    """Open or closed, for one switch. One thread opens and closes it; everybody may look."""

    def __init__(self, first: float, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Pause `first` seconds after a failure, then twice as long each time, at most `longest`."""
        self._first = first
        self._longest = longest
        self._clock = clock
        self._failures = 0
        self._next_trial = 0.0
        self._outage: Outage | None = None

    @property
    def outage(self) -> Outage | None:
        """Why it is open; None if it is closed."""
        return self._outage

    @property
    def next_trial(self) -> float:
        """When the next attempt is due, on the clock; meaningless while it is closed."""
        return self._next_trial

    def open(self, error: DriverError) -> None:
        """Take note of a failure, and plan the next trial with jitter."""
        pause = min(self._first * 2 ** min(self._failures, 16), self._longest)
        self._failures += 1
        self._next_trial = self._clock() + pause * random.uniform(0.75, 1.0)
        since = self._outage.since if self._outage else datetime.now(UTC)
        self._outage = Outage(error, since)

    def close(self) -> None:
        """Take note of a success."""
        self._failures = 0
        self._outage = None

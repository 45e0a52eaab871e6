"""A circuit breaker: stops asking a driver that does not answer.

Closed, every call goes through. Five calls without an answer in a row, silence
since half a minute, or a process without a sign of life open it: from then on
calls are refused at once, except one trial every ten seconds. The first answer
closes it. Calls that were under way together are one silence: a bulk request is
many calls, and must not shut a driver for everybody.
"""

import time
from collections.abc import Callable

PATIENCE = 30.0
"""Seconds without any answer after which the next failure opens the breaker, however few there were."""


class Breaker:
    """The breaker of one driver; *retry* is the pause between trials in seconds."""

    def __init__(self, failures: int, retry: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self.retry = retry
        self._clock = clock
        self._failures = 0
        self._failing_since = 0.0
        self._failed_at = 0.0
        self._next_trial: float | None = None

    @property
    def is_open(self) -> bool:
        """True while calls are refused, trials excepted."""
        return self._next_trial is not None

    @property
    def pause(self) -> float:
        """Seconds until a call may go through; 0 if one may now."""
        return 0.0 if self._next_trial is None else max(0.0, self._next_trial - self._clock())

    def enter(self) -> bool:
        """Return whether a call may go through now; while open, the first to ask takes the trial."""
        if self._next_trial is None:
            return True
        if self.pause:
            return False
        # A trial that never ends, because its caller gave up, is replaced by the next one.
        self._next_trial = self._clock() + self.retry
        return True

    def succeed(self) -> None:
        """Note an answer."""
        self._failures = 0
        self._next_trial = None

    def open(self) -> None:
        """Refuse calls from now on, because it is known that they would not be answered."""
        self._next_trial = self._clock() + self.retry

    def fail(self, began: float | None = None) -> bool:
        """Note a call without an answer, made at *began*; return whether that opened the breaker."""
        now = self._clock()
        if began is not None and began < self._failed_at and not self.is_open:
            return False
        self._failed_at = now
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if self._failures < self._limit and now - self._failing_since < PATIENCE:
            return False
        was_open = self.is_open
        self._next_trial = now + self.retry
        return not was_open

"""How long to wait before the next attempt.

Full jitter: any time between now and a bound that doubles with every attempt.
Many debts that failed together, as at a driver's crash, then come back spread
out and not as one more blow.
"""

import random

from jackfield_core import config

_DOUBLINGS = 30


class Backoff:
    """Pauses in seconds."""

    def __init__(self, settings: config.Dispatcher) -> None:
        self._first = settings.backoff_first
        self._longest = settings.backoff_max
        self._infeasible = settings.infeasible_retry

    def pause(self, attempts: int, at_least: float | None = None) -> float:
        """Return the pause after the attempt that follows *attempts* failed ones."""
        bound = min(self._longest, self._first * 2 ** min(attempts, _DOUBLINGS))
        return max(at_least or 0.0, random.uniform(0.0, bound))

    def long_pause(self, at_least: float | None = None) -> float:
        """Return the pause after an answer that only a change can help."""
        return max(at_least or 0.0, self._infeasible)

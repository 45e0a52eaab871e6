"""Numbers of the feed that were skipped, and may still turn up.

A number is drawn before its transaction commits, so a higher one may be seen
first. What lies between is a gap, kept as a range because one transaction may
draw thousands. A gap shrinks as its numbers turn up; what is left of it after a
minute, longer than any transaction lasts, was rolled back.
"""

from collections.abc import Iterable

LATE_FOR = 60.0
"""Seconds that a missing number is waited for."""


class Gaps:
    """What is missing below *last*, the highest number seen."""

    def __init__(self, last: int) -> None:
        self.last = last
        self._until: dict[tuple[int, int], float] = {}

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last number of each gap."""
        return [*self._until]

    def see(self, numbers: Iterable[int], at: float) -> None:
        """Note that *numbers* are there, *at* a moment in seconds; forget gaps that are too old."""
        for number in numbers:
            if number > self.last:
                self._add(self.last + 1, number - 1, at + LATE_FOR)
                self.last = number
            else:
                self._fill(number)
        self._until = {gap: until for gap, until in self._until.items() if until > at}

    def _fill(self, number: int) -> None:
        for (first, last), until in self._until.items():
            if first <= number <= last:
                del self._until[first, last]
                self._add(first, number - 1, until)
                self._add(number + 1, last, until)
                return

    def _add(self, first: int, last: int, until: float) -> None:
        if first <= last:
            self._until[first, last] = until

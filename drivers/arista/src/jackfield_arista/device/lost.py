"""Sessions of ours that ended for us, and perhaps not for the switch.

A connection that dies without a word, behind a firewall that forgot it or on a cable that was cut, is found
out by whoever sends something. The switch sends nothing, so it goes on with the session for hours, and with
the lock that the session held. Its number is all that names it: who finds that number at a lock may end
it (kill-session; RFC 6241, 7.9).

Numbers only rise, as long as the switch runs. One that has started again counts from the beginning, and
then a number may be somebody else's: a new session with a lower number shows that, and clears the list.
"""

from __future__ import annotations


class LostSessions:
    """The numbers of lost sessions with one switch, as texts like the switch tells them. For one thread."""

    def __init__(self) -> None:
        """Have lost none."""
        self._numbers: set[str] = set()

    def add(self, number: str) -> None:
        """Remember a session that nobody said goodbye in."""
        self._numbers.add(number)

    def meet(self, number: str) -> None:
        """Take note of a new session's number."""
        if any(_order(lost) >= _order(number) for lost in self._numbers):
            self._numbers.clear()

    def __contains__(self, number: str) -> bool:
        return number in self._numbers

    def discard(self, number: str) -> None:
        """Forget a session that the switch has ended."""
        self._numbers.discard(number)

    def clear(self) -> None:
        """Forget all: a lock that is ours now is none of theirs."""
        self._numbers.clear()


def _order(number: str) -> int:
    return int(number) if number.isdecimal() else 0

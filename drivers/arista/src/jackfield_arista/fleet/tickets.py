"""Who waits at a switch: tickets are drawn in any thread, and taken together by the one that works.

Changes come in batches, and a batch is one edit. So whoever takes tickets waits for a moment in which nobody
draws another one. Where one change came from there is often another, so for a second after the last one
the session is kept from falling asleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from jackfield_sdk import DriverError

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.polling import often
from jackfield_arista.memory.tables import Key

# Seconds without a newcomer after which a batch is taken for complete, and the longest to wait for that.
_QUIET = 0.01
_LONGEST_GATHERING = 0.25
# Seconds in which the next change is expected.
_LINGER = 1.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """Somebody who waits: for a resource to be true, or, without one, for the switch's configuration."""

    key: Key | None
    answer: Future[Configuration] = field(default_factory=Future)

    def tell(self, answer: Configuration | DriverError) -> None:
        """Answer who waits, unless he has given up."""
        with suppress(InvalidStateError):
            if isinstance(answer, DriverError):
                self.answer.set_exception(answer)
            else:
                self.answer.set_result(answer)


class Tickets:
    """The tickets of one switch. `take` is for one thread."""

    def __init__(self) -> None:
        """Have nobody wait."""
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._taken: Sequence[Ticket] = ()
        self._haste = ExitStack()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether nobody will take any more."""
        return self._is_closed

    def draw(self, key: Key | None, refusal: Callable[[], DriverError | None]) -> Future[Configuration]:
        """Wait for an answer, unless there is a reason to refuse one: nobody draws while what decides it changes."""
        ticket = Ticket(key)
        with self._changed:
            reason = refusal()
            if reason is None:
                self._waiting.append(ticket)
                self._changed.notify()
        if reason is not None:
            ticket.tell(reason)
        return ticket.answer

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change in the block when the next turn is due; who waits for it looks again."""
        with self._changed:
            yield
            self._changed.notify()

    def take(self, pause: Callable[[], float]) -> Sequence[Ticket]:
        """Wait until somebody has drawn one, or until `pause` says that no seconds are left; return all that wait."""
        with self._changed:
            if not self._changed.wait_for(self._has_work, _LINGER if self._taken else 0):
                self._haste.close()
                self._taken = ()
            while not self._has_work() and (seconds := pause()) > 0:
                self._changed.wait(seconds)
            self._gather()
            if self._waiting and not self._taken:
                self._haste.enter_context(often())
            self._taken, self._waiting = self._waiting, []
            return self._taken

    def take_the_rest(self) -> Sequence[Ticket]:
        """Return all that wait now."""
        with self._changed:
            rest, self._waiting = self._waiting, []
            return rest

    def close(self) -> None:
        """Let whoever takes come to an end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def rest(self) -> None:
        """Let the session fall asleep."""
        self._haste.close()

    def _has_work(self) -> bool:
        return self._is_closed or bool(self._waiting)

    def _gather(self) -> None:
        end, count = time.monotonic() + _LONGEST_GATHERING, 0
        while count < len(self._waiting) and time.monotonic() < end:
            count = len(self._waiting)
            self._changed.wait_for(lambda: self._is_closed, _QUIET)

"""One worker per switch: a thread, a queue and a breaker, and nothing shared with other switches.

Whoever wants something true on the switch has it written into the memory first and then asks here. The
worker takes all that waits, has the switch made true in one turn (`keeper`), and answers everybody. It
takes turns of its own as well: after a failure, when the breaker's trial is due, and now and then to see
whether the switch still holds what it held.

A switch that cannot be reached, or is in maintenance, answers at once: its own debts wait with the core,
and nobody else's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import structlog
from jackfield_sdk import BackendHealth, DriverError, Effect, RetryLater

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import (
    AuthenticationFailed,
    CommitLost,
    HostKeyChanged,
    HostKeyUnknown,
    SwitchError,
    Unreachable,
)
from jackfield_arista.device.polling import often
from jackfield_arista.fleet.breaker import Breaker
from jackfield_arista.fleet.keeper import Keeper
from jackfield_arista.fleet.observer import Observer
from jackfield_arista.fleet.progress import Progress
from jackfield_arista.memory.tables import Key

log = structlog.get_logger(__name__)

_AWAY = (Unreachable, AuthenticationFailed, HostKeyUnknown, HostKeyChanged, CommitLost)
# Seconds without a newcomer after which a batch is taken for complete, and the longest to wait for that.
_QUIET = 0.01
_LONGEST_GATHERING = 0.25
# Seconds in which the next change is expected.
_LINGER = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between looks at a quiet switch, of the first pause after a failure, and of the longest."""

    poll_interval: float = 60.0
    retry_min: float = 1.0
    retry_max: float = 60.0


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Somebody who waits: for a resource to be true, or, without one, for the switch's configuration."""

    key: Key | None
    answer: Future[Configuration]


class Worker:
    """Runs the keeper of one switch. `in_maintenance` says whether to leave the switch alone, `is_ready`
    whether there is a core to work for.
    """

    def __init__(
        self,
        switch: str,
        keeper: Keeper,
        observer: Observer,
        pace: Pace,
        *,
        in_maintenance: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        """Do nothing until `start`."""
        self.switch = switch
        self._keeper = keeper
        self._observer = observer
        self._pace = pace
        self._in_maintenance = in_maintenance
        self._is_ready = is_ready
        self._breaker = Breaker(pace.retry_min, pace.retry_max)
        # The same pace for a switch that answers, and says no.
        self._trouble = Breaker(pace.retry_min, pace.retry_max)
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._taken: Sequence[_Ticket] = ()
        self._working = 0
        self._haste = ExitStack()
        self._stopping = False
        self._due = 0.0
        self._thread = threading.Thread(target=self._run, name=f"switch-{switch}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the turn that runs; who waits is told that nothing is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def make_true(self, key: Key) -> Future[Configuration]:
        """Ask for a resource to be true on the switch; the future has a `DriverError` if it is not."""
        return self._ask(key)

    def look(self) -> Future[Configuration]:
        """Ask for the switch's configuration as it is now."""
        return self._ask(None)

    def wake(self, *, redial: bool = False) -> None:
        """Take a turn soon, because something around the switch has changed; in a new session if told."""
        with self._changed:
            self._keeper.owes = True
            self._keeper.is_outdated |= redial
            self._due = 0.0
            self._changed.notify()

    @property
    def trouble(self) -> DriverError | None:
        """Why the last turn failed; None if it did not."""
        outage = self._breaker.outage or self._trouble.outage
        return outage.error if outage else None

    @property
    def seen(self) -> Configuration | None:
        """The configuration at the last look; None before the first."""
        return self._keeper.seen

    @property
    def edits(self) -> int:
        """How many edits were committed."""
        return self._keeper.edits

    @property
    def progress(self) -> Progress:
        """How the switch is doing."""
        trouble = self._trouble.outage
        return Progress(
            self.switch,
            waiting=len(self._waiting) + self._working,
            last_edit=self._keeper.last_edit,
            outage=self._breaker.outage,
            trouble=trouble.error.reason if trouble else "",
            refused=len(self._keeper.unmade),
            maintenance=self._in_maintenance(),
            is_seen=self._keeper.seen is not None,
        )

    def _ask(self, key: Key | None) -> Future[Configuration]:
        ticket = _Ticket(key, Future())
        with self._changed:
            refusal = self._refusal()
            if refusal is None:
                self._waiting.append(ticket)
                self._changed.notify()
            else:
                self._keeper.owes = True
        if refusal is not None:
            ticket.answer.set_exception(refusal)
        return ticket.answer

    def _refusal(self) -> DriverError | None:
        """Return why nothing can be done now; None if it can."""
        if self._stopping:
            return self._parting()
        if self._in_maintenance():
            reason = f'switch "{self.switch}" is in maintenance, as its inventory says'
            return RetryLater(reason, code="SWITCH_IN_MAINTENANCE", effect=Effect.NONE)
        outage = self._breaker.outage
        if outage is None:
            return None
        reason = f"{outage.error.reason}, since {outage.since:%Y-%m-%d %H:%M:%S} UTC"
        return RetryLater(reason, code=outage.error.code, effect=Effect.NONE)

    def _parting(self) -> DriverError:
        reason = f'switch "{self.switch}" is let go: the driver is stopping, or the inventory has lost the switch'
        return RetryLater(reason, code="STOPPING", effect=Effect.NONE)

    # In the worker's own thread.

    def _run(self) -> None:
        while not self._stopping:
            tickets = self._next()
            self._working = len(tickets)
            health = self.progress.health
            try:
                self._turn(tickets)
            except Exception as error:
                self._fail(tickets, error)
            self._working = 0
            self._tell_health(health)
        self._keeper.hang_up()
        self._haste.close()
        with self._changed:
            left, self._waiting = self._waiting, []
        for ticket in left:
            _answer(ticket, self._parting())

    def _tell_health(self, before: BackendHealth) -> None:
        """Tell how the switch is doing now, if that is another way than before the turn."""
        try:
            if self.progress.health is not before:
                self._observer.health_changed(self.switch)
        except DriverError as error:
            log.error("switch.health_untold", switch=self.switch, code=error.code, reason=error.reason)

    def _next(self) -> Sequence[_Ticket]:
        """Wait until somebody asks or a turn is due, and take all that waits."""
        with self._changed:
            if not self._changed.wait_for(self._has_work, _LINGER if self._taken else 0):
                self._haste.close()
                self._taken = ()
            while not self._has_work() and (pause := self._pause()) > 0:
                self._changed.wait(pause)
            end, count = time.monotonic() + _LONGEST_GATHERING, 0
            while count < len(self._waiting) and time.monotonic() < end:
                count = len(self._waiting)
                self._changed.wait_for(lambda: self._stopping, _QUIET)
            # Where one change came from there is often another, and the session shall not be asleep then.
            if self._waiting and not self._taken:
                self._haste.enter_context(often())
            self._taken, self._waiting = self._waiting, []
            return self._taken

    def _has_work(self) -> bool:
        return self._stopping or bool(self._waiting)

    def _pause(self) -> float:
        # A new address or login is no reason to wait for what the old one has earned.
        is_waiting = self._breaker.outage is not None and not self._keeper.is_outdated
        due = self._breaker.next_trial if is_waiting else self._due
        return due - time.monotonic()

    def _turn(self, tickets: Sequence[_Ticket]) -> None:
        keys = {ticket.key for ticket in tickets if ticket.key is not None}
        # Who asks all the time keeps nobody from looking around now and then.
        is_look = not keys or time.monotonic() >= self._due
        if is_look:
            self._due = time.monotonic() + self._pace.poll_interval
        if self._stopping or self._in_maintenance() or not self._is_ready():
            self._leave_alone()
            refusal = self._refusal() or RetryLater("no core has introduced itself yet", effect=Effect.NONE)
            for ticket in tickets:
                _answer(ticket, refusal)
            return
        failures = self._keeper.turn(keys, is_look=is_look)
        self._breaker.close()
        self._trouble.close()
        self._answer_all(tickets, failures)

    def _leave_alone(self) -> None:
        """Let go of a switch that is not to be worked with: how it was is of no interest until it is."""
        self._keeper.hang_up()
        self._breaker.close()
        self._trouble.close()

    def _answer_all(self, tickets: Sequence[_Ticket], failures: Mapping[Key, DriverError]) -> None:
        seen = self._keeper.seen
        assert seen is not None
        for ticket in tickets:
            _answer(ticket, (failures.get(ticket.key) if ticket.key else None) or seen)

    def _fail(self, tickets: Sequence[_Ticket], error: Exception) -> None:
        answer = self._told(error)
        if isinstance(error, _AWAY):
            self._keeper.hang_up()
            self._breaker.open(answer)
            with self._changed:
                # Whoever asked meanwhile is told the same, and nobody waits for the next trial.
                late, self._waiting = self._waiting, []
            tickets = [*tickets, *late]
        else:
            self._breaker.close()
            self._trouble.open(answer)
            self._due = self._trouble.next_trial
        for ticket in tickets:
            _answer(ticket, answer)

    def _told(self, error: Exception) -> DriverError:
        if isinstance(error, SwitchError):
            log.warning("switch.failed", switch=self.switch, code=error.code, reason=error.reason)
            return error.answer()
        if isinstance(error, DriverError):
            log.error("switch.unremembered", switch=self.switch, code=error.code, reason=error.reason)
            return error
        # A fault of ours. The session may be in any state, so it is not used again.
        log.error("switch.turn_broke", switch=self.switch, exc_info=error)
        self._keeper.hang_up()
        reason = f'switch "{self.switch}": the driver has a fault; its log has the trace'
        return RetryLater(reason, code="DRIVER_FAULT")


def _answer(ticket: _Ticket, answer: Configuration | DriverError) -> None:
    with suppress(InvalidStateError):  # Whoever waited has given up.
        if isinstance(answer, DriverError):
            ticket.answer.set_exception(answer)
        else:
            ticket.answer.set_result(answer)

"""One worker per switch: a thread, the tickets of who waits, and nothing shared with other switches.

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
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import structlog
from jackfield_sdk import BackendHealth, DriverError, Effect, RetryLater

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import SwitchError
from jackfield_arista.fleet.keeper import Keeper
from jackfield_arista.fleet.observer import Observer
from jackfield_arista.fleet.progress import Progress
from jackfield_arista.fleet.standing import Standing
from jackfield_arista.fleet.tickets import Ticket, Tickets
from jackfield_arista.memory.tables import Key

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between looks at a quiet switch, of the first pause after a failure, and of the longest."""

    poll_interval: float = 60.0
    retry_min: float = 1.0
    retry_max: float = 60.0


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
        self._poll_interval = pace.poll_interval
        self._in_maintenance = in_maintenance
        self._is_ready = is_ready
        self._standing = Standing(pace.retry_min, pace.retry_max)
        self._tickets = Tickets()
        self._working = 0
        self._due = 0.0
        self._thread = threading.Thread(target=self._run, name=f"switch-{switch}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the turn that runs; who waits is told that nothing is done."""
        self._tickets.close()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def make_true(self, key: Key) -> Future[Configuration]:
        """Ask for a resource to be true on the switch; the future has a `DriverError` if it is not."""
        return self._tickets.draw(key, self._refusal)

    def look(self) -> Future[Configuration]:
        """Ask for the switch's configuration as it is now."""
        return self._tickets.draw(None, self._refusal)

    def wake(self, *, redial: bool = False) -> None:
        """Take a turn soon, because something around the switch has changed; in a new session if told."""
        with self._tickets.changing():
            self._keeper.owes = True
            self._keeper.is_outdated |= redial
            self._due = 0.0

    @property
    def trouble(self) -> DriverError | None:
        """Why the last turn failed; None if it did not."""
        outage = self._standing.outage or self._standing.trouble
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
        trouble = self._standing.trouble
        return Progress(
            self.switch,
            waiting=len(self._tickets) + self._working,
            last_edit=self._keeper.last_edit,
            outage=self._standing.outage,
            trouble=trouble.error.reason if trouble else "",
            refused=len(self._keeper.unmade),
            maintenance=self._in_maintenance(),
            is_seen=self._keeper.seen is not None,
        )

    def _refusal(self) -> DriverError | None:
        """Return why nothing can be done now; None if it can."""
        refusal = self._parting() or self._resting() or self._standing.refusal
        if refusal is not None:
            self._keeper.owes = True
        return refusal

    def _parting(self) -> DriverError | None:
        if not self._tickets.is_closed:
            return None
        reason = f'switch "{self.switch}" is let go: the driver is stopping, or the inventory has lost the switch'
        return RetryLater(reason, code="STOPPING", effect=Effect.NONE)

    def _resting(self) -> DriverError | None:
        if not self._in_maintenance():
            return None
        reason = f'switch "{self.switch}" is in maintenance, as its inventory says'
        return RetryLater(reason, code="SWITCH_IN_MAINTENANCE", effect=Effect.NONE)

    # In the worker's own thread.

    def _run(self) -> None:
        while not self._tickets.is_closed:
            tickets = self._tickets.take(self._pause)
            self._working = len(tickets)
            health = self.progress.health
            try:
                self._turn(tickets)
            except Exception as error:
                self._fail(tickets, error)
            self._working = 0
            self._tell_health(health)
        self._keeper.hang_up()
        self._tickets.rest()
        if parting := self._parting():
            _tell(self._tickets.take_the_rest(), parting)

    def _pause(self) -> float:
        # A new address or login is no reason to wait for what the old one has earned.
        is_away = self._standing.outage is not None and not self._keeper.is_outdated
        return (self._standing.next_trial if is_away else self._due) - time.monotonic()

    def _turn(self, tickets: Sequence[Ticket]) -> None:
        keys = {ticket.key for ticket in tickets if ticket.key is not None}
        # Who asks all the time keeps nobody from looking around now and then.
        is_look = not keys or time.monotonic() >= self._due
        if is_look:
            self._due = time.monotonic() + self._poll_interval
        if idle := self._idleness():
            self._keeper.hang_up()
            self._standing.went_well()
            _tell(tickets, idle)
            return
        failures = self._keeper.turn(keys, is_look=is_look)
        self._standing.went_well()
        assert self._keeper.seen is not None
        for ticket in tickets:
            ticket.tell((failures.get(ticket.key) if ticket.key else None) or self._keeper.seen)

    def _idleness(self) -> DriverError | None:
        """Return why the switch is let go of; how it was is of no interest until it is worked with again."""
        if found := self._parting() or self._resting():
            return found
        return None if self._is_ready() else RetryLater("no core has introduced itself yet", effect=Effect.NONE)

    def _fail(self, tickets: Sequence[Ticket], error: Exception) -> None:
        answer = self._told(error)
        if self._standing.failed(error, answer):
            self._keeper.hang_up()
            # Whoever asked meanwhile is told the same, and nobody waits for the next trial.
            tickets = [*tickets, *self._tickets.take_the_rest()]
        else:
            self._due = self._standing.next_trial
        _tell(tickets, answer)

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

    def _tell_health(self, before: BackendHealth) -> None:
        """Tell how the switch is doing now, if that is another way than before the turn."""
        try:
            if self.progress.health is not before:
                self._observer.health_changed(self.switch)
        except DriverError as error:
            log.error("switch.health_untold", switch=self.switch, code=error.code, reason=error.reason)


def _tell(tickets: Sequence[Ticket], answer: DriverError) -> None:
    for ticket in tickets:
        ticket.tell(answer)

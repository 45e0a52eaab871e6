"""Keeps one switch true, a turn at a time: the session, what it owes, and what it noticed.

A turn reads the switch first. If somebody asked, or something is still owed, it makes the switch true to
all that is wanted of it. Otherwise it only compares: what was made and is not there any more is told to
the core, which owes it again; what is too much goes at once. A switch that has nothing of what it held
came up with another configuration: that is a new epoch, and it is made true at once.

A session that was lost while nobody used it, or in the middle of a commit, is opened again and the turn
begins anew; only the second failure counts. What a switch refused is left out of turns that nobody asked
for it in, so that it is not tried for ever by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import structlog
from jackfield_sdk import DriverError

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import CommitLost, Unreachable
from jackfield_arista.fleet.making import (
    Device,
    Made,
    differing,
    has_surplus,
    is_emptied,
    make,
    situation_of,
    still_ours,
)
from jackfield_arista.fleet.observer import Observer
from jackfield_arista.fleet.plan import Situation, plan_for
from jackfield_arista.fleet.turnstile import Turnstile
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Key

log = structlog.get_logger(__name__)


class Keeper:
    """Takes turns at one switch; used by one thread, but for what is only looked at."""

    def __init__(
        self,
        switch: str,
        memory: Memory,
        dial: Callable[[], Device],
        uplinks: Callable[[], Collection[str]],
        observer: Observer,
    ) -> None:
        """Owe the switch a turn, because nobody knows what happened before this process."""
        self._switch = switch
        self._memory = memory
        self._dial = dial
        self._uplinks = uplinks
        self._observer = observer
        self._turnstile = Turnstile(memory.directory, switch)
        self._device: Device | None = None
        self._refused: dict[Key, int] = {}
        self._is_doubtful = True
        self.is_outdated = False
        self.owes = True
        self.seen: Configuration | None = None
        self.unmade: Mapping[Key, DriverError] = {}
        self.last_edit: datetime | None = None
        self.edits = 0

    def turn(self, asked: Collection[Key], *, is_look: bool) -> Mapping[Key, DriverError]:
        """Take a turn, and return what cannot be made and why; SwitchError if the switch could not be worked with.

        `is_look` if there is time to ask the switch for more than its configuration.
        """
        with self._turnstile.turn():
            failures = self._turn(asked)
            if is_look and self._device is not None:
                self._observer.looked(self._switch, self._device)
            return failures

    def hang_up(self) -> None:
        """End the session."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _turn(self, asked: Collection[Key]) -> Mapping[Key, DriverError]:
        was_open = self._device is not None
        try:
            return self._attempt(asked)
        except (Unreachable, CommitLost) as error:
            self.hang_up()
            self.owes = True
            if not was_open and isinstance(error, Unreachable):
                raise
            log.info("switch.session_lost", switch=self._switch, reason=error.reason)
            is_doubtful = isinstance(error, CommitLost)
        failures = self._attempt(asked)
        # A commit that nobody confirmed may yet be taken back by the switch, so the next look is a turn.
        self.owes = is_doubtful
        return failures

    def _attempt(self, asked: Collection[Key]) -> Mapping[Key, DriverError]:
        if self.is_outdated:
            self.is_outdated = False
            self.hang_up()
        if self._device is None:
            self._device = self._dial()
        device = self._device
        self.seen = device.read()
        situation = self._situation(asked)
        if self._is_doubtful:
            situation = self._undoubted(device, situation, asked)
        must = bool(asked) or self.owes
        if is_emptied(situation):
            log.warning("switch.emptied", switch=self._switch)
            self._memory.reset(self._switch, still_ours(situation))
            self._observer.emptied(self._switch)
            situation, must = self._situation(asked), True
        if must or self._tell_what_differs(situation):
            self._make(device, situation)
        self._save(device)
        return self.unmade

    def _undoubted(self, device: Device, situation: Situation, asked: Collection[Key]) -> Situation:
        """Return what holds for good: what a dead session has committed on trial shows, and is taken back yet."""
        if any(row.leaving or not row.made for row in situation.rows):
            device.settle()
            self.seen = device.read()
            situation = self._situation(asked)
        self._is_doubtful = False
        return situation

    def _situation(self, asked: Collection[Key]) -> Situation:
        assert self.seen is not None
        left_out = {key: revision for key, revision in self._refused.items() if key not in asked}
        return situation_of(self._memory, self._switch, self.seen, self._uplinks(), left_out)

    def _make(self, device: Device, situation: Situation) -> None:
        self.owes = True
        try:
            made = make(device, self._memory, situation)
        except CommitLost:
            self._is_doubtful = True
            raise
        self.owes = False
        self.seen = made.situation.configuration
        if made.edits:
            self.edits += made.edits
            self.last_edit = datetime.now(UTC)
            log.info("switch.edited", switch=self._switch, edits=made.edits, memberships=len(made.plan.made))
        self._take_note(made)

    def _take_note(self, made: Made) -> None:
        rows = {row.number: row for row in made.situation.rows}
        still = {(row.kind, row.id): row.revision for row in rows.values() if row.number in made.situation.left_out}
        before = self.unmade
        self._refused = still
        self.unmade = {
            key: made.failures.get(key) or before[key] for key in made.failures.keys() | (still.keys() & before.keys())
        }
        for key in self.unmade.keys() - before.keys():
            log.warning("switch.unmade", switch=self._switch, kind=key[0], id=key[1], reason=self.unmade[key].reason)
        self._observer.true_on(self._switch, [row for row in made.plan.made if (row.kind, row.id) not in self.unmade])
        for key, error in self.unmade.items():
            self._observer.not_true_on(self._switch, [key], error.reason)

    def _tell_what_differs(self, situation: Situation) -> bool:
        """Tell the core what is not as it was made; return True if something is too much, or can be made now."""
        gone = {(row.kind, row.id) for row in differing(situation)}
        if gone:
            self._observer.differs(self._switch, gone, f'it is not as it was made on switch "{self._switch}"')
        failures = plan_for(situation).failures
        freed = self.unmade.keys() - failures.keys() - self._refused.keys()
        if freed:
            self._observer.differs(self._switch, freed, f'what was in its way on switch "{self._switch}" is gone')
        return bool(freed) or has_surplus(situation)

    def _save(self, device: Device) -> None:
        """Save what an edit has made that was not seen to its end: this process may be another one."""
        if self._memory.is_unsaved(self._switch):
            device.save()
            self._memory.saved(self._switch)

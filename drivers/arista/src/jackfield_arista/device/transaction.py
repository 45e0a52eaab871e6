"""How an edit is made so that a switch is never worse off for it.

    look at the health ─ lock ─ edit (validated) ─ commit on trial ─ read back ─ look again ─ confirm ─ save ─ unlock

A commit on trial ends by itself: if the session dies, if nobody confirms it in time, if what is read back
is not what was asked, or if something that worked does not any more, the switch is as before. One that is
confirmed when it was over already is a commit of nothing, and the switch says yes to it: so a slow switch
is asked again what it holds. Candidates are one for all who edit a switch, so it is locked, and what
somebody left in it is thrown away first.

Where a switch cannot commit on trial, or its candidate cannot be trusted (`datastore="running"`), the
change is made at once, and taken back by its opposite if the look afterwards is bad.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from jackfield_sdk import Effect
from lxml import etree

from jackfield_arista.configuration.edit import Edit
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import (
    CommitLost,
    LockHeld,
    NotSaved,
    NotTaken,
    RpcFailed,
    SwitchError,
    TrialOver,
    UnhealthyAfterCommit,
    Unreachable,
)
from jackfield_arista.device.health import Health
from jackfield_arista.device.namespaces import ARISTA_CLI
from jackfield_arista.device.netconf import Datastore, Netconf

log = structlog.get_logger(__name__)

_LOOK_AGAIN_AFTER = 0.1
# Seconds that a trial may be shorter than asked for: servers count whole ones.
_GRAIN = 1.0


@dataclass(frozen=True, slots=True)
class Safety:
    """How careful to be with a switch.

    `confirm_timeout` (seconds) is how long a trial lasts; `patience` how long a link or neighbour may
    take to come back within it. `uplinks` must stay up. `save` says how the change survives a restart:
    with `startup` by copying, or by EOS's `write memory` where there is no startup configuration to
    copy to; with `cli` always by that; with `never` it does not.
    """

    datastore: Datastore = "candidate"
    save: Literal["startup", "cli", "never"] = "startup"
    confirm_timeout: int = 60
    uplinks: tuple[str, ...] = ()
    patience: float = 3.0


class Transaction:
    """One edit of one switch. `read` and `look` see the switch, `knock` whether it takes new connections."""

    def __init__(
        self,
        switch: str,
        netconf: Netconf,
        safety: Safety,
        *,
        read: Callable[[], Configuration],
        look: Callable[[], Health],
        knock: Callable[[], None],
        payload: Callable[[Edit], etree._Element],
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._switch = switch
        self._netconf = netconf
        self._safety = safety
        self._read = read
        self._look = look
        self._knock = knock
        self._payload = payload

    def run(self, edit: Edit) -> Configuration:
        """Make an edit true and saved, and return what the switch holds then; or raise, as `Session.apply` says."""
        before = self._look()
        with self._locked(self._safety.datastore):
            if self._safety.datastore == "running":
                read = self._at_once(edit, before, self._edit_running)
            elif self._netconf.can("confirmed-commit"):
                read = self._on_trial(edit, before)
            else:
                read = self._at_once(edit, before, self._commit)
            save(self._switch, self._netconf, self._safety)
        return read

    def _on_trial(self, edit: Edit, before: Health) -> Configuration:
        self._netconf.edit_candidate(self._payload(edit))
        end = time.monotonic() + self._safety.confirm_timeout - _GRAIN
        self._netconf.commit(trial=self._safety.confirm_timeout)
        try:
            read = self._read_back(edit)
            self._stay_healthy(before)
            self._confirm(edit, end)
        except (Unreachable, CommitLost) as error:
            fact = f"{error.fact}; the change was on trial, and ends by itself unless it was confirmed"
            raise CommitLost(self._switch, fact, effect=Effect.MAYBE) from error
        except SwitchError as error:
            self._take_back()
            if isinstance(error, NotTaken) and time.monotonic() >= end:
                raise self._over() from error
            raise
        return read

    def _confirm(self, edit: Edit, end: float) -> None:
        """Make a trial true for good. TrialOver if it had ended before."""
        if time.monotonic() < end:
            self._netconf.commit()
            if time.monotonic() < end or not edit.missing_from(self._read()):
                return
        raise self._over()

    def _over(self) -> TrialOver:
        limit = f"the {self._safety.confirm_timeout} s that a commit is on trial (confirm_timeout)"
        return TrialOver(self._switch, f"takes longer to answer than {limit}, so the change was taken back")

    def _at_once(self, edit: Edit, before: Health, make: Callable[[Edit], None]) -> Configuration:
        make(edit)
        try:
            read = self._read_back(edit)
            self._stay_healthy(before)
        except Unreachable as error:
            raise CommitLost(self._switch, f"{error.fact}, after the change", effect=Effect.MAYBE) from error
        except UnhealthyAfterCommit:
            make(edit.undone())
            raise
        return read

    def _edit_running(self, edit: Edit) -> None:
        self._netconf.edit_running(self._payload(edit))

    def _commit(self, edit: Edit) -> None:
        self._netconf.edit_candidate(self._payload(edit))
        self._netconf.commit()

    def _take_back(self) -> None:
        """End the trial now. A switch that cannot be asked to ends it with the session."""
        try:
            if self._netconf.can("confirmed-commit:1.1"):
                self._netconf.cancel_commit()
                return
        except SwitchError as error:
            log.warning("switch.cancel_failed", switch=self._switch, reason=error.reason)
        self._netconf.drop()

    def _read_back(self, edit: Edit) -> Configuration:
        read = self._read()
        missing = edit.missing_from(read)
        if missing:
            fact = f"took the edit, and does not show it: {'; '.join(missing[:8])}"
            raise NotTaken(self._switch, fact, effect=Effect.PARTIAL)
        return read

    def _stay_healthy(self, before: Health) -> None:
        deadline = time.monotonic() + self._safety.patience
        while lost := self._lost_since(before):
            if time.monotonic() >= deadline:
                raise UnhealthyAfterCommit(self._switch, f"{'; '.join(lost[:8])}, so the change was taken back")
            time.sleep(_LOOK_AGAIN_AFTER)

    def _lost_since(self, before: Health) -> tuple[str, ...]:
        lost = before.lost(self._look(), self._safety.uplinks)
        try:
            self._knock()
        except Unreachable as error:
            return (*lost, error.fact)
        return lost

    @contextmanager
    def _locked(self, datastore: Datastore) -> Iterator[None]:
        lock(self._netconf, datastore)
        try:
            if datastore == "candidate":
                self._netconf.discard()
            yield
        finally:
            self._unlock(datastore)

    def _unlock(self, datastore: Datastore) -> None:
        """Leave nothing behind. What fails here is over with the session, and must not hide what came before."""
        if not self._netconf.alive:
            return
        try:
            if datastore == "candidate":
                self._netconf.discard()
            self._netconf.unlock(datastore)
        except SwitchError as error:
            log.warning("switch.unlock_failed", switch=self._switch, reason=error.reason)
            self._netconf.drop()


def lock(netconf: Netconf, datastore: Datastore) -> None:
    """Lock a datastore. LockHeld if somebody else holds it."""
    try:
        netconf.lock(datastore)
    except (LockHeld, RpcFailed) as error:
        holder = error.session_id if isinstance(error, LockHeld) else ""
        if holder and netconf.end_lost(holder):
            return lock(netconf, datastore)
        if datastore == "running" or holder:
            raise
        # Nobody holds it, but somebody who is gone has left changes in it (RFC 6241, 7.5).
        netconf.discard()
        netconf.lock(datastore)


def settle(netconf: Netconf, safety: Safety) -> None:
    """See that no commit is on trial: who has one holds the lock as long as the switch believes in his session."""
    if safety.datastore == "candidate" and netconf.can("confirmed-commit"):
        lock(netconf, safety.datastore)
        netconf.unlock(safety.datastore)


def save(switch: str, netconf: Netconf, safety: Safety) -> None:
    """Have the running configuration survive a restart. NotSaved if it does not."""
    try:
        if safety.save == "startup" and netconf.can("startup"):
            netconf.copy_to_startup()
        elif safety.save == "startup" and not netconf.has_module(ARISTA_CLI):
            raise NotSaved(
                switch, "announces neither a startup configuration nor a command line", effect=Effect.PARTIAL
            )
        elif safety.save != "never":
            netconf.run_command("write memory")
    except (RpcFailed, LockHeld, Unreachable) as error:
        raise NotSaved(switch, f"the change is made, and not saved: {error.fact}", effect=Effect.PARTIAL) from error

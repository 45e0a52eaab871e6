"""The configurations of a switch: candidate, running and startup, who holds their locks, what is on trial.

A commit on trial (``<confirmed/>``) is taken back when its time is up, when the session that made it
ends (unless it was made to persist), or when it is cancelled; RFC 6241, section 8.4.
"""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from support.netconf.editing import edited
from support.netconf.refusals import Refused, RpcError

NAMES = ("candidate", "running", "startup")


@dataclass(slots=True)
class Trial:
    """A commit that waits to be confirmed."""

    session: int
    persist: str | None
    before: etree._Element
    timer: threading.Timer


class Datastores:
    """Three trees below ``data``; every method may be called from any thread.

    *session* is the number of the session that asks.
    """

    def __init__(
        self, factory: etree._Element, *, admit: Callable[[etree._Element], None], changed: Callable[[], None]
    ) -> None:
        """Start with the *factory* configuration.

        *admit* refuses a configuration that this switch cannot have; *changed* is called after running has changed.
        """
        self._lock = threading.RLock()
        self._admit = admit
        self._changed = changed
        self._trees = {name: copy.deepcopy(factory) for name in NAMES}
        self._holders: dict[str, int] = {}
        self._trial: Trial | None = None
        self._is_dirty = False

    def tree(self, name: str) -> etree._Element:
        """Return a copy of a datastore."""
        with self._lock:
            return copy.deepcopy(self._existing(name))

    def replace(self, tree: etree._Element, *names: str) -> None:
        """Have other trees from now on, whoever held or tried what."""
        with self._lock:
            self._end_trial()
            self._holders.clear()
            for name in names:
                self._trees[name] = copy.deepcopy(tree)
            self._is_dirty = False
        self._changed()

    def lock(self, name: str, session: int) -> None:
        """Give the lock of a datastore to *session*."""
        with self._lock:
            self._existing(name)
            holder = self._holders.get(name, session)
            if holder != session or name in self._holders:
                raise Refused(_lock_denied(holder))
            if name == "candidate" and self._is_dirty:
                raise Refused(_lock_denied(0))
            if name == "running" and self._trial is not None and self._trial.session != session:
                raise Refused(_lock_denied(self._trial.session))
            self._holders[name] = session

    def unlock(self, name: str, session: int) -> None:
        """Take the lock back."""
        with self._lock:
            if self._holders.get(name) != session:
                raise Refused(RpcError("operation-failed", f"{name} is not locked by session {session}", type="rpc"))
            del self._holders[name]

    def edit(self, name: str, config: etree._Element, default_operation: str, session: int) -> None:
        """Change a datastore."""
        with self._lock:
            self._must_be_free(name, session)
            tree = edited(self._existing(name), config, default_operation)
            self._admit(tree)
            self._trees[name] = tree
            self._is_dirty |= name == "candidate"
        if name == "running":
            self._changed()

    def copy(self, source: str, target: str, session: int) -> None:
        """Replace one datastore by another."""
        with self._lock:
            self._must_be_free(target, session)
            self._trees[target] = copy.deepcopy(self._existing(source))
            self._is_dirty |= target == "candidate"
        if target == "running":
            self._changed()

    def discard(self, session: int) -> None:
        """Make candidate what running is."""
        with self._lock:
            self._must_be_free("candidate", session)
            self._discard()

    def commit(self, session: int, *, on_trial: float | None, persist: str | None, persist_id: str | None) -> None:
        """Make running what candidate is, for good or *on_trial* for so many seconds."""
        with self._lock:
            for name in ("candidate", "running"):
                self._must_be_free(name, session)
            before = self._continue_trial(session, persist_id)
            if on_trial is not None:
                timer = threading.Timer(on_trial, self._time_is_up)
                timer.daemon = True
                self._trial = Trial(session, persist or persist_id, before, timer)
                timer.start()
            self._trees["running"] = copy.deepcopy(self._trees["candidate"])
            self._is_dirty = False
        self._changed()

    @property
    def is_on_trial(self) -> bool:
        """Whether a commit waits to be confirmed."""
        return self._trial is not None

    def cancel(self, session: int, persist_id: str | None) -> None:
        """Take back the commit on trial."""
        with self._lock:
            if self._trial is None:
                raise Refused(RpcError("operation-failed", "no commit is on trial", type="protocol"))
            self._continue_trial(session, persist_id, ends=False)
            self._roll_back()
        self._changed()

    def end(self, session: int) -> None:
        """Release what a session held, and take back what it left behind."""
        with self._lock:
            had_candidate = self._holders.get("candidate") == session
            self._holders = {name: holder for name, holder in self._holders.items() if holder != session}
            rolled_back = self._trial is not None and self._trial.session == session and not self._trial.persist
            if rolled_back:
                self._roll_back()
            if had_candidate:
                self._discard()
        if rolled_back:
            self._changed()

    def close(self) -> None:
        """Leave no timer behind."""
        with self._lock:
            self._end_trial()

    def _continue_trial(self, session: int, persist_id: str | None, *, ends: bool = True) -> etree._Element:
        """Return what to go back to; the trial under way must be the caller's."""
        trial = self._trial
        if trial is None:
            if persist_id is not None:
                raise Refused(RpcError("invalid-value", f'no commit "{persist_id}" is on trial', type="protocol"))
            return copy.deepcopy(self._trees["running"])
        if (persist_id != trial.persist) if trial.persist else (session != trial.session):
            raise Refused(RpcError("in-use", f"a commit of session {trial.session} is on trial", type="protocol"))
        if ends:
            self._end_trial()
        return trial.before

    def _time_is_up(self) -> None:
        with self._lock:
            if self._trial is None or self._trial.timer is not threading.current_thread():
                return
            self._roll_back()
        self._changed()

    def _roll_back(self) -> None:
        assert self._trial is not None
        self._trees["running"] = self._trial.before
        self._end_trial()
        self._discard()

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.timer.cancel()
        self._trial = None

    def _discard(self) -> None:
        self._trees["candidate"] = copy.deepcopy(self._trees["running"])
        self._is_dirty = False

    def _existing(self, name: str) -> etree._Element:
        if name not in self._trees:
            raise Refused(RpcError("bad-element", f"no datastore is called {name}", type="protocol"))
        return self._trees[name]

    def _must_be_free(self, name: str, session: int) -> None:
        holder = self._holders.get(name, session)
        if holder != session:
            raise Refused(RpcError("in-use", f"{name} is locked by session {holder}", type="protocol"))


def _lock_denied(holder: int) -> RpcError:
    message = f"session {holder} has the lock" if holder else "the candidate has changes that nobody committed"
    return RpcError("lock-denied", message, type="protocol", info={"session-id": str(holder)})

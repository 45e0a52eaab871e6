"""What a test has prepared for the requests to come.

    switch.faults.refuse("commit", RpcError("operation-failed"))
    switch.faults.cut_after("commit", times=2)

A request is called by its operation: ``lock``, ``unlock``, ``edit-config``, ``validate``, ``commit``
(for good, or the first of one on trial), ``confirm`` (the commit that ends a trial),
``discard-changes``, ``get-config``, ``get``, ``copy-config``. What is prepared for an operation happens
to its next requests, in the order in which it was prepared.
"""

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from enum import StrEnum

from support.netconf.refusals import RpcError


class Kind(StrEnum):
    """What becomes of a request."""

    REFUSED = "refused"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    UNANSWERED = "unanswered"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request."""

    kind: Kind
    errors: tuple[RpcError, ...] = ()


class Faults:
    """Prepared faults by operation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prepared: dict[str, deque[Fault]] = defaultdict(deque)
        self.delay = 0.0
        """Seconds that every answer takes."""

    def refuse(self, operation: str, *errors: RpcError, times: int = 1) -> None:
        """Answer with *errors*, one or more, and do nothing."""
        self._prepare(operation, Fault(Kind.REFUSED, errors), times)

    def cut_before(self, operation: str, *, times: int = 1) -> None:
        """Break the connection when the request has come, and do nothing."""
        self._prepare(operation, Fault(Kind.CUT_BEFORE), times)

    def cut_after(self, operation: str, *, times: int = 1) -> None:
        """Do it, and break the connection instead of saying so."""
        self._prepare(operation, Fault(Kind.CUT_AFTER), times)

    def hang(self, operation: str, *, times: int = 1) -> None:
        """Do nothing and say nothing, with the connection open."""
        self._prepare(operation, Fault(Kind.UNANSWERED), times)

    def ignore(self, operation: str, *, times: int = 1) -> None:
        """Say that it is done, and do nothing."""
        self._prepare(operation, Fault(Kind.IGNORED), times)

    def clear(self) -> None:
        """Let everything succeed from now on."""
        with self._lock:
            self._prepared.clear()
            self.delay = 0.0

    def next(self, operation: str) -> Fault | None:
        """Return what is prepared for a request that has come."""
        with self._lock:
            prepared = self._prepared[operation]
            return prepared.popleft() if prepared else None

    def _prepare(self, operation: str, fault: Fault, times: int) -> None:
        with self._lock:
            self._prepared[operation].extend([fault] * times)

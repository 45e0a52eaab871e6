"""The states of a delivery: what a row of the ledger says of one driver and one resource.

The same words stand in the REST API, in the output of commands and in the docs.
A state follows from the row and from what is heard of the driver. Lists that are
narrowed by it need the same as a condition of SQL, see
:mod:`jackfield_core.db.state_condition`.

Silence is no failure, and what a silent driver's devices hold is not known: they
may have lost what was acknowledged. So it makes its part unknown, and changes
neither the ledger nor a resource.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from jackfield_core.db.delivery import FORGOTTEN
from jackfield_core.db.driver_audit import UnreachableBackend

REFUSED = ("infeasible", "conflict")
"""Dispositions of what is tried again when the resource changes, or after a long pause."""
NOT_TRIED = ("", "superseded")
"""Dispositions of what has not failed; "superseded" is in the hands of whoever delivers a newer revision."""
IN_PROGRESS = "in_progress"
"""Disposition of what the driver is at."""


class DeliveryState(StrEnum):
    """Where the delivery of one resource to one driver stands."""

    IN_SYNC = "in_sync"
    """Nothing is owed: the driver has acknowledged the newest revision."""
    PENDING = "pending"
    """Owed, and not failed so far."""
    IN_PROGRESS = "in_progress"
    """Owed, and the driver is at it."""
    RETRYING = "retrying"
    """Owed; the last attempt failed, or its outcome is unknown, and another one follows soon."""
    REFUSED = "refused"
    """Owed; the driver says that it cannot become true as it stands."""
    ENDING = "ending"
    """The resource is gone for users, and the driver is owed that; what it holds of scarce things is not free yet."""
    HELD = "held"
    """Found on a device and known to nobody; it is removed when an operator agrees."""
    FORGOTTEN = "forgotten"
    """Not owed any more, because an operator gave that up: the driver has not acknowledged the newest revision."""
    UNKNOWN = "unknown"
    """The driver or a backend of it cannot be reached: what its devices hold is not known."""


class Doubt(Struct, frozen=True):
    """Why something is not known: a stable name, a sentence for the operator, and since when, if that is known."""

    reason: str
    message: str
    since: datetime | None = None


class Hearing(Struct, frozen=True):
    """What is heard of one driver.

    *silence* is why it cannot be asked at all, *unwell* which of its backends it
    cannot reach, as it says itself. What its last audit could not read counts if
    it *is_audited*.
    """

    silence: Doubt | None = None
    unwell: Doubt | None = None
    is_audited: bool = True


Hearings = Mapping[str, Hearing]
"""What is heard of drivers, by name; who is absent is not in the settings any more."""

NOT_CONFIGURED = Doubt("DRIVER_NOT_CONFIGURED", "it is not in the settings of this process")


class LedgerRow(Protocol):
    """What of a row of the ledger its state depends on; a ``Debt`` and a ``Delivery`` have it."""

    @property
    def driver(self) -> str: ...
    @property
    def owed(self) -> bool: ...
    @property
    def tombstone(self) -> bool: ...
    @property
    def orphan(self) -> bool: ...
    @property
    def disposition(self) -> str: ...


def delivery_state(
    row: LedgerRow, hearing: Hearing | None, unreachable: tuple[UnreachableBackend, ...] | None = ()
) -> DeliveryState:
    """Return the state of a row.

    *hearing* is None for a driver that is not configured, *unreachable* what the
    last audit of the driver could not read.
    """
    if row.tombstone:
        return DeliveryState.HELD if row.orphan and not row.owed else DeliveryState.ENDING
    if doubt_of(row, hearing, unreachable):
        return DeliveryState.UNKNOWN
    if not row.owed:
        return DeliveryState.FORGOTTEN if row.disposition == FORGOTTEN else DeliveryState.IN_SYNC
    if row.disposition in REFUSED:
        return DeliveryState.REFUSED
    if row.disposition == IN_PROGRESS:
        return DeliveryState.IN_PROGRESS
    return DeliveryState.PENDING if row.disposition in NOT_TRIED else DeliveryState.RETRYING


def doubt_of(
    row: LedgerRow, hearing: Hearing | None, unreachable: tuple[UnreachableBackend, ...] | None = ()
) -> Doubt | None:
    """Return why it is not known what the driver's devices hold of a resource; None if it is known.

    A driver that answers tells itself what becomes of its debts; of what it has
    acknowledged nobody knows which backend holds it, so one that cannot be
    reached leaves all of that in doubt.
    """
    if hearing is None:
        return NOT_CONFIGURED
    if hearing.silence or row.owed:
        return hearing.silence
    if hearing.unwell:
        return hearing.unwell
    return _unread(unreachable) if hearing.is_audited and unreachable else None


def _unread(unreachable: tuple[UnreachableBackend, ...]) -> Doubt:
    named = ", ".join(f"{one.backend}: {one.reason}" if one.reason else one.backend for one in unreachable[:_NAMED])
    more = f" and {len(unreachable) - _NAMED} more" if len(unreachable) > _NAMED else ""
    return Doubt("BACKEND_UNREACHABLE", f"the last audit could not read {named}{more}")


_NAMED = 3

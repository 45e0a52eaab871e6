"""What the core remembers of a driver, and how each event changes it.

Values in, a value out: whoever holds the row in the database applies these, so
all processes of the core come to the same conclusions. A handshake pins the
version of state at first, and must fit it later. Its process takes the place of
the one before, which from then on is known as succeeded. Garbage is counted, and
too much of it in a short time means quarantine, which another version of the
driver ends, or the operator. An operator may also impose it, and then nobody else
ends it.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from jackfield_core.db.driver import DriverRecord
from jackfield_core.mechanism.answers import Handshake, StateVersions, Unfit

GARBAGE_LIMIT = 3
"""So many answers that break the contract within :data:`GARBAGE_WINDOW` mean quarantine."""
GARBAGE_WINDOW = timedelta(minutes=10)
PREDECESSORS = 16
"""Processes that are remembered as succeeded."""


def introduced(name: str, handshake: Handshake, at: datetime, before: DriverRecord | None) -> DriverRecord:
    """Return what is known of the driver called *name* after a handshake.

    Raises:
        Unfit: The process cannot read or write the states that the core holds.
    """
    expect_fit(handshake, before)
    after = DriverRecord(
        name,
        handshake.version,
        handshake.instance_id,
        handshake.interests,
        handshake.bind,
        handshake.epochs,
        at,
        state_version=_pinned(handshake, before),
        schema_digest=handshake.schema_digest,
        features=tuple(sorted(handshake.features)),
        predecessors=_predecessors(handshake, before),
    )
    if before is None or (before.quarantined_version and before.quarantined_version != handshake.version):
        return after
    return replace(
        after,
        quarantined_at=before.quarantined_at,
        quarantine_reason=before.quarantine_reason,
        quarantined_version=before.quarantined_version,
        garbage_at=before.garbage_at,
    )


def expect_fit(handshake: Handshake, before: DriverRecord | None) -> None:
    """Return if the process can read and write the version of state that is pinned.

    Raises:
        Unfit: It cannot.
    """
    speaks, pinned = _spoken(handshake), before.state_version if before else None
    if speaks is None or pinned is None:
        return
    if speaks.writes < pinned:
        raise Unfit(f"state: the core holds version {pinned}, the driver writes {speaks.writes} at most")
    if speaks.min_readable > pinned:
        raise Unfit(
            f"state: the core holds version {pinned}, the driver reads none before {speaks.min_readable}; "
            f"a version in between has to run and be finalised first"
        )


def garbled(record: DriverRecord, reason: str, at: datetime) -> DriverRecord:
    """Return what is known after an answer that broke the contract, for *reason*."""
    recent = (*(one for one in record.garbage_at if at - one < GARBAGE_WINDOW), at)[-GARBAGE_LIMIT:]
    if record.quarantined_at or len(recent) < GARBAGE_LIMIT:
        return replace(record, garbage_at=recent)
    return replace(
        record,
        garbage_at=recent,
        quarantined_at=at,
        quarantine_reason=reason,
        quarantined_version=record.version,
    )


def quarantined(record: DriverRecord, reason: str, at: datetime) -> DriverRecord:
    """Return what is known after the operator has forbidden every call, for *reason*, whatever the version."""
    return replace(record, quarantined_at=at, quarantine_reason=reason, quarantined_version=None)


def why_quarantined(record: DriverRecord) -> str:
    """Return why nobody calls a driver in quarantine, for whoever wanted to."""
    if record.quarantined_version is None:
        return f"an operator says: {record.quarantine_reason}"
    return f"three answers within ten minutes broke the contract, the last one: {record.quarantine_reason}"


def released(record: DriverRecord) -> DriverRecord:
    """Return what is known after the operator has ended the quarantine."""
    return replace(record, garbage_at=(), quarantined_at=None, quarantine_reason=None, quarantined_version=None)


def _pinned(handshake: Handshake, before: DriverRecord | None) -> int | None:
    """Return the version of state to be written: the first one that was heard of, until the operator finalises."""
    if before and before.state_version is not None:
        return before.state_version
    speaks = _spoken(handshake)
    return speaks.writes if speaks else None


def _spoken(handshake: Handshake) -> StateVersions | None:
    """Return the versions that the process speaks; a driver without the feature keeps no states and is not judged."""
    return handshake.state_versions if "states" in handshake.features else None


def _predecessors(handshake: Handshake, before: DriverRecord | None) -> tuple[str, ...]:
    """Return the processes that were succeeded, the latest one last."""
    if before is None:
        return ()
    known = [id for id in before.predecessors if id not in (handshake.instance_id, before.instance_id)]
    if before.instance_id != handshake.instance_id:
        known.append(before.instance_id)
    return tuple(known[-PREDECESSORS:])

"""What this process hears of the drivers: who answers, and which backends they reach.

Every process keeps its own connections, so every process answers for itself.
"""

from collections.abc import Collection

from jackfield_core.db.delivery_state import Doubt, Hearing, Hearings
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.registry import Registry

_NAMED = 3


def heard(registry: Registry, notifiers: Collection[str] = ()) -> Hearings:
    """Return what is heard of all drivers; *notifiers* have rows in the ledger too, and tell by their own failures."""
    drivers = {entry.name: hearing(entry) for entry in registry.entries()}
    return drivers | hearing_of_notifiers(notifiers)


def hearing_of_notifiers(names: Collection[str]) -> dict[str, Hearing]:
    """Return what is heard of notifiers: nothing but what their debts say."""
    return {name: Hearing(is_audited=False) for name in names}


def hearing(entry: DriverEntry) -> Hearing:
    """Return what is heard of one driver."""
    lists = entry.handshake is not None and "list_owned" in entry.handshake.features
    return Hearing(_silence(entry), _unwell(entry), is_audited=lists)


def _silence(entry: DriverEntry) -> Doubt | None:
    if entry.condition is Condition.READY:
        return None
    reason = "DRIVER_QUARANTINED" if entry.condition is Condition.QUARANTINED else "DRIVER_AWAY"
    return Doubt(reason, f"it is {entry.condition}: {entry.reason}", entry.silent_since)


def _unwell(entry: DriverEntry) -> Doubt | None:
    down = entry.backends.down
    if not down:
        return None
    named = ", ".join(f"{one.backend.id}: {one.backend.message}".rstrip(": ") for one in down[:_NAMED])
    more = f" and {len(down) - _NAMED} more" if len(down) > _NAMED else ""
    return Doubt("BACKEND_UNREACHABLE", f"it cannot reach {named}{more}", min(one.since for one in down))

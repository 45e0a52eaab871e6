"""The numbers of drivers for ``/metrics``: the database says what they are owed, the registry how they are."""

from collections.abc import Collection
from datetime import UTC, datetime

from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import DriverAudit, DriverAuditTable
from jackfield_core.db.engine import Database
from jackfield_core.db.lag import LagTable
from jackfield_core.db.orphan import OrphanTable
from jackfield_core.mechanism.registry import Registry
from jackfield_core.observability.debts import Audit, Condition, Debts


class DriverNumbers:
    """Reads the numbers of all drivers; *notifiers* are owed something too, under names of their own."""

    def __init__(self, database: Database, registry: Registry, notifiers: Collection[str] = ()) -> None:
        self._database = database
        self._registry = registry
        self._names = (*(entry.name for entry in registry.entries()), *notifiers)

    async def stored(self) -> tuple[dict[str, Debts], dict[str, Audit]]:
        """Return what is owed to everybody in the settings and whoever else is owed something, and the last audits."""
        async with self._database.reading() as connection:
            lags = await LagTable(connection).list()
            audits = await DriverAuditTable(connection).list()
            held = await OrphanTable(connection).held_by_driver()
        at = now()
        owed = {
            name: Debts(lag.age(at), lag.owed, lag.failing, lag.refused, lag.ending, lag.most_attempts)
            for name, lag in lags.items()
        }
        finished = {
            name: _audit(audit, audit.finished_at, held.get(name, 0))
            for name, audit in audits.items()
            if audit.finished_at is not None
        }
        return {name: Debts() for name in self._names} | owed, finished

    def conditions(self) -> dict[str, Condition]:
        """Return how the drivers of the settings are, as this process sees it."""
        return {
            entry.name: Condition(entry.is_ready, entry.gate.breaker.is_open, entry.is_quarantined)
            for entry in self._registry.entries()
        }


def _audit(audit: DriverAudit, finished_at: datetime, held_orphans: int) -> Audit:
    """Return the numbers of the last audit; what is held is counted now, because it may have gone meanwhile."""
    return Audit(
        audit.listed,
        audit.missing,
        audit.changed,
        audit.orphans,
        held_orphans,
        len(audit.unreachable),
        finished_at.replace(tzinfo=UTC).timestamp(),
    )

"""The numbers of drivers for ``/metrics``: the ledger says what they are owed, the registry how they are."""

from collections.abc import Collection

from jackfield_core.db.base import now
from jackfield_core.db.engine import Database
from jackfield_core.db.lag import LagTable
from jackfield_core.mechanism.registry import Registry
from jackfield_core.observability.debts import Condition, Debts


class DriverNumbers:
    """Reads the numbers of all drivers; *notifiers* are owed something too, under names of their own."""

    def __init__(self, database: Database, registry: Registry, notifiers: Collection[str] = ()) -> None:
        self._database = database
        self._registry = registry
        self._names = (*(entry.name for entry in registry.entries()), *notifiers)

    async def debts(self) -> dict[str, Debts]:
        """Return what is owed to everybody in the settings, and to whoever else is owed something."""
        async with self._database.reading() as connection:
            lags = await LagTable(connection).list()
        at = now()
        owed = {
            name: Debts(lag.age(at), lag.owed, lag.failing, lag.refused, lag.ending, lag.most_attempts)
            for name, lag in lags.items()
        }
        return {name: Debts() for name in self._names} | owed

    def conditions(self) -> dict[str, Condition]:
        """Return how the drivers of the settings are, as this process sees it."""
        return {
            entry.name: Condition(entry.is_ready, entry.gate.breaker.is_open, entry.is_quarantined)
            for entry in self._registry.entries()
        }

"""What drivers are owed, what audits found, and how drivers are, in numbers for Prometheus.

The numbers are read when somebody scrapes, so they are never old, and cost
nothing while nobody looks. All processes of the core read the same database: an
alert takes the maximum over them, and what one process has found is not told by
another one for ever. If the database does not answer there are no numbers of
debts at all, which an alert notices, instead of the last ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from msgspec import Struct
from prometheus_client import Gauge

log = structlog.get_logger()

PATIENCE = 5.0
"""Seconds that a scrape waits for the database."""


class Debts(Struct, frozen=True):
    """What one driver is owed: debts, but for the age of the oldest in seconds and the attempts of the worst."""

    oldest_seconds: float = 0.0
    owed: int = 0
    failing: int = 0
    refused: int = 0
    ending: int = 0
    most_attempts: int = 0


class Audit(Struct, frozen=True):
    """What the last audit of one driver found; *finished_at* is in seconds since 1970."""

    listed: int
    missing: int
    changed: int
    orphans: int
    held_orphans: int
    unreachable: int
    finished_at: float


class Condition(Struct, frozen=True):
    """How a driver is, as this process sees it."""

    is_ready: bool
    is_breaker_open: bool
    is_quarantined: bool


_OF_DEBTS = {
    "oldest_seconds": Gauge(
        "jackfield_delivery_oldest_seconds", "Age of the oldest debt to a driver; 0 without debts.", ["driver"]
    ),
    "owed": Gauge("jackfield_delivery_owed", "Debts to a driver.", ["driver"]),
    "failing": Gauge("jackfield_delivery_failing", "Debts to a driver that were tried in vain.", ["driver"]),
    "refused": Gauge("jackfield_delivery_refused", "Debts that a driver refuses until something changes.", ["driver"]),
    "ending": Gauge("jackfield_delivery_ending", "Ends of deleted resources that a driver is owed.", ["driver"]),
    "most_attempts": Gauge(
        "jackfield_delivery_attempts", "Failed attempts of the debt that has most of them.", ["driver"]
    ),
}
_OF_AUDITS = {
    "listed": Gauge("jackfield_audit_listed", "Resources that the driver listed in the last audit.", ["driver"]),
    "missing": Gauge("jackfield_audit_missing", "Resources that the last audit missed on devices.", ["driver"]),
    "changed": Gauge("jackfield_audit_changed", "Resources that the last audit found changed.", ["driver"]),
    "orphans": Gauge("jackfield_audit_orphans", "Orphans that the last audit removes.", ["driver"]),
    "held_orphans": Gauge(
        "jackfield_audit_held_orphans", "Orphans that are not removed until an operator agrees.", ["driver"]
    ),
    "unreachable": Gauge(
        "jackfield_audit_unreachable_backends", "Backends that the last audit could not read.", ["driver"]
    ),
    "finished_at": Gauge(
        "jackfield_audit_finished_timestamp_seconds", "When the last audit came to its end.", ["driver"]
    ),
}
_OF_CONDITIONS = {
    "is_ready": Gauge("jackfield_driver_ready", "1 while this process can call a driver.", ["driver"]),
    "is_breaker_open": Gauge(
        "jackfield_driver_breaker_open", "1 while this process leaves a driver alone that did not answer.", ["driver"]
    ),
    "is_quarantined": Gauge("jackfield_driver_quarantined", "1 while nobody may call a driver.", ["driver"]),
}
READABLE = Gauge("jackfield_ledger_readable", "1 if the database told the debts at the last scrape.")


class DriverGauges:
    """Sets the gauges of drivers.

    *read* and *conditions* return what is the case now, by driver.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[tuple[Mapping[str, Debts], Mapping[str, Audit]]]],
        conditions: Callable[[], Mapping[str, Condition]],
    ) -> None:
        self._read = read
        self._conditions = conditions
        self._debts = _Shown(_OF_DEBTS)
        self._audits = _Shown(_OF_AUDITS)

    async def refresh(self) -> None:
        """Read everything anew; what cannot be read is not shown."""
        for name, condition in self._conditions().items():
            for field, gauge in _OF_CONDITIONS.items():
                gauge.labels(name).set(getattr(condition, field))
        debts, audits = await self._stored()
        self._debts.show(debts)
        self._audits.show(audits)

    async def _stored(self) -> tuple[Mapping[str, Debts], Mapping[str, Audit]]:
        try:
            async with asyncio.timeout(PATIENCE):
                stored = await self._read()
        except Exception as error:
            log.warning("metrics.ledger_not_read", reason=str(error) or type(error).__name__)
            READABLE.set(0)
            return {}, {}
        READABLE.set(1)
        return stored


class _Shown:
    """The gauges of one kind of numbers, and the drivers that they are shown of."""

    def __init__(self, gauges: Mapping[str, Gauge]) -> None:
        self._gauges = gauges
        self._names: set[str] = set()

    def show(self, numbers: Mapping[str, Struct]) -> None:
        """Show *numbers* by driver, and nothing of other drivers any more."""
        for field, gauge in self._gauges.items():
            for name in self._names - numbers.keys():
                gauge.remove(name)
            for name, found in numbers.items():
                gauge.labels(name).set(getattr(found, field))
        self._names = {*numbers}

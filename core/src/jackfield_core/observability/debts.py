"""What drivers are owed and how they are, in numbers for Prometheus.

The numbers are read when somebody scrapes, so they are never old, and cost
nothing while nobody looks. All processes of the core read the same ledger: an
alert takes the maximum over them. If the database does not answer there are no
numbers of debts at all, which an alert notices, instead of the last ones.
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
_OF_CONDITIONS = {
    "is_ready": Gauge("jackfield_driver_ready", "1 while this process can call a driver.", ["driver"]),
    "is_breaker_open": Gauge(
        "jackfield_driver_breaker_open", "1 while this process leaves a driver alone that did not answer.", ["driver"]
    ),
    "is_quarantined": Gauge("jackfield_driver_quarantined", "1 while nobody may call a driver.", ["driver"]),
}
READABLE = Gauge("jackfield_ledger_readable", "1 if the database told the debts at the last scrape.")


class DebtGauges:
    """Sets the gauges of drivers.

    *read_debts* and *conditions* return what is the case now, by driver.
    """

    def __init__(
        self,
        read_debts: Callable[[], Awaitable[Mapping[str, Debts]]],
        conditions: Callable[[], Mapping[str, Condition]],
    ) -> None:
        self._read_debts = read_debts
        self._conditions = conditions
        self._shown: set[str] = set()

    async def refresh(self) -> None:
        """Read everything anew; what cannot be read is not shown."""
        for name, condition in self._conditions().items():
            for field, gauge in _OF_CONDITIONS.items():
                gauge.labels(name).set(getattr(condition, field))
        debts = await self._debts()
        for name in self._shown - debts.keys():
            for gauge in _OF_DEBTS.values():
                gauge.remove(name)
        for name, found in debts.items():
            for field, gauge in _OF_DEBTS.items():
                gauge.labels(name).set(getattr(found, field))
        self._shown = {*debts}

    async def _debts(self) -> Mapping[str, Debts]:
        try:
            async with asyncio.timeout(PATIENCE):
                debts = await self._read_debts()
        except Exception as error:
            log.warning("metrics.ledger_not_read", reason=str(error) or type(error).__name__)
            READABLE.set(0)
            return {}
        READABLE.set(1)
        return debts

"""What an operator's commands tell of drivers: who listens where, what is stored of them, what they are owed."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from jackfield_core import config
from jackfield_core.db.delivery import DeliveryTable
from jackfield_core.db.driver import DriverRecord, DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.handshake import introduction
from jackfield_core.mechanism.look import Sight, look
from jackfield_core.mechanism.memory import change_record
from jackfield_core.mechanism.record import released

DEPLOYMENT = "jackfield"


class Quarantine(Struct, frozen=True):
    """Since when and why a driver of some *version* is not called."""

    since: datetime
    reason: str
    version: str


class Inspection(Struct, frozen=True):
    """A driver as an operator sees it.

    *state* is ``ready``, ``quarantined``, ``draining``, ``unfit`` or ``not
    reachable``, and *reason* says why it is not ready. *state_version* is the
    version in which its state is stored until ``jackfield driver finalize``.
    """

    name: str
    policy: str
    state: str
    reason: str
    version: str
    endpoints: Sequence[Sight]
    state_version: int | None
    features: Sequence[str]
    quarantine: Quarantine | None
    owed: int
    owed_since: datetime | None


async def inspect_drivers(settings: config.Settings) -> Sequence[Inspection]:
    """Look at every address of every driver, and at what the database holds."""
    database = Database(settings.database)
    try:
        async with database.reading() as connection:
            records = await DriverTable(connection).list()
            lag = await DeliveryTable(connection).lag()
    finally:
        await database.close()
    hello = introduction(str(uuid.uuid4()), DEPLOYMENT)
    timeout = settings.mechanism.handshake_timeout
    sights = await asyncio.gather(
        *(look(driver.name, driver.addresses, records.get(driver.name), hello, timeout) for driver in settings.drivers)
    )
    return [
        _inspection(driver, records.get(driver.name), seen, *lag.get(driver.name, (0, None)))
        for driver, seen in zip(settings.drivers, sights, strict=True)
    ]


async def release_driver(settings: config.Settings, name: str) -> DriverRecord | None:
    """End the quarantine of a driver; return what was stored of it before, or None if nothing was."""
    database = Database(settings.database)
    before: list[DriverRecord] = []

    def release(record: DriverRecord) -> DriverRecord:
        before.append(record)
        return released(record)

    try:
        await change_record(database, name, release)
    finally:
        await database.close()
    return before[-1] if before else None


def _inspection(
    driver: config.Driver, record: DriverRecord | None, seen: Sequence[Sight], owed: int, since: datetime | None
) -> Inspection:
    best = min(seen, key=lambda sight: (not sight.serves, _ORDER.index(sight.condition)))
    quarantine = _quarantine(record)
    state, reason = ("quarantined", quarantine.reason) if quarantine else (best.condition, best.reason)
    return Inspection(
        driver.name,
        driver.policy,
        state,
        reason,
        best.version or (record.version if record else ""),
        seen,
        record.state_version if record else None,
        record.features if record else (),
        quarantine,
        owed,
        since,
    )


_ORDER = ("ready", "draining", "unfit", "not reachable")


def _quarantine(record: DriverRecord | None) -> Quarantine | None:
    if record is None or record.quarantined_at is None:
        return None
    return Quarantine(record.quarantined_at, record.quarantine_reason or "", record.quarantined_version or "")

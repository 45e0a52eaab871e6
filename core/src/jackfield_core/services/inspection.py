"""What operators are told of drivers: who listens where, what is stored of them, what they are owed.

The drivers themselves are asked, at every address, and nothing changes by that.
So this works while no core runs, and tells what a core would see.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from jackfield_core import config
from jackfield_core.db.delivery_state import Doubt, Hearing
from jackfield_core.db.deployment import deployment_id
from jackfield_core.db.driver import DriverRecord, DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.db.lag import Lag, LagTable
from jackfield_core.mechanism.handshake import introduction
from jackfield_core.mechanism.look import Sight, look

LISTS = "list_owned"
"""Feature of drivers that can tell what their devices hold."""
UNCONFIGURED = "not in the settings"
"""State of a driver that the settings do not name, and that is owed something all the same."""
NOTIFIER = "notifier"
"""State of what is owed something like a driver, and is none."""


class Quarantine(Struct, frozen=True):
    """Since when and why a driver is not called.

    *version* is the one that answered garbage; empty if an operator did it.
    """

    since: datetime
    reason: str
    version: str


class Inspection(Struct, frozen=True):
    """A driver as an operator sees it.

    *state* is ``ready``, ``quarantined``, ``draining``, ``unfit``, ``not
    reachable``, ``not in the settings`` or ``notifier``, and *reason* says why
    it is not ready. *state_version* is the version in which its state is stored until
    ``jackfield driver finalize``.
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


async def inspect(
    database: Database, drivers: Sequence[config.Driver], settings: config.Settings, *, others: bool = False
) -> Sequence[Inspection]:
    """Look at every address of *drivers*, and at what the database holds.

    *drivers* are those of the *settings*, or some of them. With *others* those are told of too that are owed
    something and not in the settings.
    """
    async with database.reading() as connection:
        records = await DriverTable(connection).list()
        lags = await LagTable(connection).list()
    hello = introduction(str(uuid.uuid4()), await deployment_id(database, settings.deployment_id))
    timeout = settings.mechanism.handshake_timeout
    sights = await asyncio.gather(*(look(driver, records.get(driver.name), hello, timeout) for driver in drivers))
    inspections = [
        _inspection(driver, records.get(driver.name), seen, lags.get(driver.name, Lag(driver.name)))
        for driver, seen in zip(drivers, sights, strict=True)
    ]
    return [*inspections, *(_left_over(drivers, records, lags) if others else ())]


def inspection_of_notifier(name: str, lag: Lag) -> Inspection:
    """Return a notifier as an operator sees it among drivers: what it is owed tells how it fares."""
    reason = "it tells a compute service what became of ports, and is no driver: it has no devices"
    return Inspection(name, "", NOTIFIER, reason, "", (), None, (), None, lag.owed, lag.owed_since)


def hearing_of(inspection: Inspection) -> Hearing:
    """Return what is heard of a driver by looking at it once."""
    silence = None
    if inspection.state not in ("ready", "draining"):
        reason = "DRIVER_QUARANTINED" if inspection.quarantine else "DRIVER_AWAY"
        silence = Doubt(reason, f"it is {inspection.state}: {inspection.reason}")
    return Hearing(silence, is_audited=LISTS in inspection.features)


def _inspection(driver: config.Driver, record: DriverRecord | None, seen: Sequence[Sight], lag: Lag) -> Inspection:
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
        lag.owed,
        lag.owed_since,
    )


_ORDER = ("ready", "draining", "unfit", "not reachable")


def _left_over(
    drivers: Sequence[config.Driver], records: Mapping[str, DriverRecord], lags: Mapping[str, Lag]
) -> list[Inspection]:
    """Return those that the settings do not name any more, and whose debts keep what was deleted from going."""
    configured = {driver.name for driver in drivers}
    reason = "nobody pays what it is owed: configure it again, or `jackfield driver forget` it"
    left = []
    for name, lag in sorted(lags.items()):
        if name not in configured:
            record = records.get(name)
            version, features = (record.version, record.features) if record else ("", ())
            left.append(
                Inspection(name, "", UNCONFIGURED, reason, version, (), None, features, None, lag.owed, lag.owed_since)
            )
    return left


def _quarantine(record: DriverRecord | None) -> Quarantine | None:
    if record is None or record.quarantined_at is None:
        return None
    return Quarantine(record.quarantined_at, record.quarantine_reason or "", record.quarantined_version or "")

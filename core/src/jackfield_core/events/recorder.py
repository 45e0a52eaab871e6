"""Makes what a driver observed count.

A port's state becomes its wiring, if this driver is the one that plugs the port,
and may make it ACTIVE, if it was observed at the newest revision. A resource
that differs on the device is owed again, and so is everything once a backend has
a new epoch, because it may have lost what it was told. One that is reached again
is audited.

All of it may be recorded many times: every dispatcher process of a deployment
watches and records the same, and only the first one changes anything. What is no
news costs one query.
"""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from msgspec.structs import replace

from jackfield_core.db.attempts import retried
from jackfield_core.db.drift import owe_again
from jackfield_core.db.engine import Database, sweep
from jackfield_core.db.plug import Plug, plugged_by
from jackfield_core.db.port import WiringReport
from jackfield_core.db.redelivery import owe_all_again
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism.answers import Backend
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.observations import Drifted, PortObserved
from jackfield_core.types import Action, Wiring

log = structlog.get_logger()

BACKENDS = 1000
"""Backends of one driver that the core remembers; more are no backends but a fault."""
_NAMED = 10


class Recorder:
    """Records what one driver observed; may be repeated after an error of the database.

    *required* returns the drivers that must know a port before it is ACTIVE;
    *wake* is called with the driver when it is owed something.
    """

    def __init__(
        self,
        entry: DriverEntry,
        database: Database,
        required: Callable[[], Sequence[str]],
        wake: Callable[[Collection[str]], None],
    ) -> None:
        self._entry = entry
        self._database = database
        self._required = required
        self._wake = wake
        self._down: set[str] = set()

    @retried
    async def ports(self, observed: Sequence[PortObserved]) -> bool:
        """Store the wiring of ports, and judge their status anew; return whether anything changed."""
        by_id = {one.port_id: one for one in observed}
        async with self._database.reading() as connection:
            if not _wirings(by_id, await plugged_by(connection, self._entry.name, by_id)):
                return False
        async with self._database.writing() as connection:
            tables = Tables(connection)
            await tables.ports.hold(by_id)
            # Only now nobody changes them any more.
            reports = _wirings(by_id, await plugged_by(connection, self._entry.name, by_id))
            if reports:
                await tables.ports.set_wiring(reports)
                await tables.ports.refresh_status([report.port_id for report in reports], self._required())
        return bool(reports)

    async def repairs(self, told: Sequence[Drifted | Backend]) -> bool:
        """Owe a driver what its devices lost; return whether anything was owed or is worth a line of the log."""
        backends = [one for one in told if isinstance(one, Backend)]
        drifts = [one for one in told if isinstance(one, Drifted)]
        results = [
            self._entry.backends.note(backends),
            bool(backends) and await self._heed_epochs(backends),
            bool(drifts) and await self._owe(drifts),
        ]
        await self._heed_recovery(backends)
        return any(results)

    @retried
    async def _heed_epochs(self, backends: Sequence[Backend]) -> bool:
        """Owe everything again if a backend may have lost it, as after a handshake that says so."""
        name = self._entry.name
        async with self._database.writing() as connection:
            tables = Tables(connection)
            record = await tables.drivers.find_for_update(name)
            epochs = _epochs(record.epochs, backends) if record else {}
            if record is None or epochs == record.epochs:
                return False
            await sweep(connection)
            await tables.drivers.save(replace(record, epochs=epochs))
            count = await owe_all_again(connection, name)
            # A restored backend may bring back what was deleted.
            await tables.audits.request(name)
        changed = sorted(id for id in epochs if epochs[id] != record.epochs.get(id))
        log.warning("driver.owed_all_again", driver=name, changes=count, backends=changed[:_NAMED])
        self._wake([self._entry.name])
        return True

    async def _heed_recovery(self, backends: Sequence[Backend]) -> None:
        """Ask for an audit when a backend is reached again: what it holds was not known meanwhile."""
        down = {backend.id for backend in backends if backend.health == "down"}
        recovered = self._down & {backend.id for backend in backends if backend.id not in down}
        if recovered and self._entry.handshake and "list_owned" in self._entry.handshake.features:
            async with self._database.writing() as connection:
                await Tables(connection).audits.request(self._entry.name)
        self._down = {*itertools.islice((self._down | down) - recovered, BACKENDS)}

    @retried
    async def _owe(self, drifts: Sequence[Drifted]) -> bool:
        """Owe what differs on a device."""
        ids: dict[str, list[str]] = {}
        for drift in drifts:
            ids.setdefault(drift.kind, []).append(drift.id)
        count = 0
        async with self._database.writing() as connection:
            for kind, actions in _told(self._entry).items():
                if kind in ids and (Action.UPDATE in actions or Action.CREATE in actions):
                    as_new = Action.UPDATE not in actions
                    count += await owe_again(connection, self._entry.name, kind, ids[kind], as_new=as_new)
        if count:
            log.warning("driver.drifted", driver=self._entry.name, changes=count, first=drifts[0].message)
            self._wake([self._entry.name])
        return count > 0


def _told(entry: DriverEntry) -> dict[str, set[str]]:
    """Return the actions that a driver wants to hear after the commit, by kind, parents first."""
    told: dict[str, set[str]] = {}
    for interest in entry.interests or ():
        if "postcommit" in interest.phases:
            told.setdefault(interest.kind, set()).update(interest.actions)
    return told


def _epochs(known: Mapping[str, str], backends: Sequence[Backend]) -> dict[str, str]:
    """Return the epochs with those of *backends*, as long as there is room for more backends."""
    epochs = dict(known)
    for backend in backends:
        if backend.id in epochs or len(epochs) < BACKENDS:
            epochs[backend.id] = backend.epoch
    return epochs


def _wirings(observed: Mapping[str, PortObserved], plugs: Sequence[Plug]) -> list[WiringReport]:
    """Return what changes the wiring of a port.

    "Up" counts at the newest revision only: what was observed of an older one
    says nothing of what the user wants now. "Down" always counts.
    """
    reports = []
    for plug in plugs:
        port = observed[plug.port_id]
        wiring = Wiring.UP if port.up else Wiring.DOWN
        is_news = (plug.wiring, plug.wiring_reason) != (wiring, port.reason)
        if is_news and (port.revision == plug.revision_number or not port.up):
            reports.append(WiringReport(plug.port_id, plug.host, wiring, port.reason))
    return reports

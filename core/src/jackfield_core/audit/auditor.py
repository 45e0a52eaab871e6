"""Audits every driver again and again, while its process serves.

Each driver has a task of its own, which sleeps until an audit is due: at once
when somebody asks for one (an operator, or a handshake with a new epoch),
otherwise after the interval. Every dispatcher process does this, and the
database decides who audits, so whoever finds the audit done just goes on
sleeping. One that failed is tried again after a pause that grows; a driver that
cannot list is not asked again before its next handshake. Whether an audit is due
is read for all drivers at once, so a look costs the same however many there are.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import structlog

from jackfield_core import config
from jackfield_core.audit import subject
from jackfield_core.audit.perform import LeaseLost, perform
from jackfield_core.audit.subject import LIST_OWNED, Subject
from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import DriverAudit, DriverAuditTable
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.answers import Garbage, NoVerdict
from jackfield_core.mechanism.client import DriverClient
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.registry import Registry

log = structlog.get_logger()

POLL = 1.0
"""Seconds between looks for somebody who asks for an audit, when no wake-up arrives."""
PAUSE = 5.0
"""Seconds before an audit that failed is tried again, doubled up to the interval."""
JITTER = 0.1
"""Share of the interval by which audits are earlier or later."""


class Auditor:
    """Audits all drivers of *registry*; *wake* is called with a driver that is owed something by an audit."""

    def __init__(
        self,
        registry: Registry,
        database: Database,
        settings: config.Settings,
        wake: Callable[[Collection[str]], None],
        on_garbage: Callable[[Garbage], None],
        *,
        poll_interval: float = POLL,
    ) -> None:
        self._database = database
        self._looks = _Looks(database, poll_interval)
        self._routines = {
            entry.name: _Routine(entry, database, settings, self._looks, wake, on_garbage)
            for entry in registry.entries()
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start to audit; return at once."""
        if not self._database.is_postgresql:
            # One process owns the file: what is leased was leased by one that is dead.
            async with self._database.writing() as connection:
                await DriverAuditTable(connection).end_leases()
        self._tasks = [
            asyncio.create_task(routine.run(), name=f"audit of {name}") for name, routine in self._routines.items()
        ]

    async def stop(self) -> None:
        """Stop; an audit under way is left as it is, and begun anew by whoever comes next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def wake(self, drivers: Collection[str] | None = None) -> None:
        """Look soon whether somebody asks for an audit, of *drivers* or of all."""
        self._looks.forget()
        for name, routine in self._routines.items():
            if drivers is None or name in drivers:
                routine.wake()


class _Looks:
    """The last audits of all drivers, read once for all who ask within *interval* seconds."""

    def __init__(self, database: Database, interval: float) -> None:
        self.interval = interval
        self._database = database
        self._audits: Mapping[str, DriverAudit] = {}
        self._old_at = 0.0
        self._one_reads = asyncio.Lock()

    def forget(self) -> None:
        """Have the next who asks read anew."""
        self._old_at = 0.0

    async def find(self, driver: str) -> DriverAudit:
        """Return the last audit of a driver; an empty one if there was none."""
        async with self._one_reads:
            if time.monotonic() >= self._old_at:
                # Who asked a whole interval ago is to read anew, and not to miss that by a hair.
                self._old_at = time.monotonic() + self.interval * _FRESH
                async with self._database.reading() as connection:
                    self._audits = await DriverAuditTable(connection).list()
        return self._audits.get(driver) or DriverAudit(driver)


class _Routine:
    """The audits of one driver."""

    def __init__(
        self,
        entry: DriverEntry,
        database: Database,
        settings: config.Settings,
        looks: _Looks,
        wake: Callable[[Collection[str]], None],
        on_garbage: Callable[[Garbage], None],
    ) -> None:
        self._entry = entry
        self._database = database
        self._settings = settings
        self._wake_lanes = wake
        self._on_garbage = on_garbage
        self._looks = looks
        self._woken = asyncio.Event()
        self._failures = 0
        self._not_before = 0.0
        self._interval = _jittered(settings.audit.interval)
        self._unable: DriverClient | None = None

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Audit until cancelled."""
        while True:
            asked = await self._askable()
            self._woken.clear()
            try:
                if (not_since := await self._due()) is not None:
                    await self._audit(asked, not_since)
            except Exception:
                # The database is away, or we have a fault.
                log.exception("audit.broken", driver=self._entry.name)
                self._note_failure()
            await self._rest()

    async def _askable(self) -> Subject:
        """Wait until a process serves that lists what is on its devices."""
        while True:
            found = subject.of(self._entry)
            if found is not None and LIST_OWNED in found.features and found.client is not self._unable:
                return found
            await self._entry.turned()

    async def _due(self) -> datetime | None:
        """Return the time before which the last audit must have ended for this one to be wanted; None if it is not."""
        audit = await self._looks.find(self._entry.name)
        # What failed is tried again sooner, here or by a process that has not failed at it.
        pause = min(PAUSE, self._interval) if audit.outcome == "failed" else self._interval
        at = now()
        not_since = at - timedelta(seconds=pause)
        is_due = audit.is_old(not_since, at) and time.monotonic() >= self._not_before
        if audit.requested_at is not None or is_due:
            return not_since
        return None

    async def _audit(self, asked: Subject, not_since: datetime) -> None:
        name = self._entry.name
        self._looks.forget()
        try:
            audit = await perform(self._database, asked, self._settings, not_since=not_since)
        except NoVerdict as error:
            if isinstance(error, Garbage):
                self._on_garbage(error)
            self._note_no_listing(asked, error)
            return
        except LeaseLost:
            log.warning("audit.lease_lost", driver=name)
            return
        self._looks.forget()
        if audit is None:
            return
        self._failures, self._not_before = 0, 0.0
        self._interval = _jittered(self._settings.audit.interval)
        if audit.missing or audit.changed or audit.orphans:
            self._wake_lanes([name])

    def _note_no_listing(self, asked: Subject, error: NoVerdict) -> None:
        """Take note that the driver did not list everything."""
        if error.code == "UNIMPLEMENTED":
            self._unable = asked.client
        log.warning("audit.failed", driver=self._entry.name, code=error.code, reason=error.text)
        self._note_failure()

    def _note_failure(self) -> None:
        pause = min(self._interval, PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        self._not_before = time.monotonic() + pause

    async def _rest(self) -> None:
        """Sleep until somebody may ask for an audit."""
        try:
            async with asyncio.timeout(self._looks.interval):
                await self._woken.wait()
        except TimeoutError:
            pass


_MOST_DOUBLINGS = 20
_FRESH = 0.9


def _jittered(interval: float) -> float:
    return interval * random.uniform(1 - JITTER, 1 + JITTER)

"""What all processes of the core know of drivers, because the database does.

Every process reads it once a second: another process may have seen the garbage
that was one too many, an operator may have ended a quarantine or finalised an
upgrade. What changes a record is a function of the record before, applied while
the row is held, so no process overwrites what another one has noted.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from jackfield_core.attributes.catalogue import Catalogue, load_declarations
from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverRecord, DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.db.orphan import OrphanTable
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism import record
from jackfield_core.mechanism.answers import Garbage
from jackfield_core.mechanism.entry import DriverEntry

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between looks at what other processes and operators have noted."""


class Memory:
    """The records of drivers in *database*; without one, as in a test of connections, nothing outlives the process."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database
        self._tasks: set[asyncio.Task[None]] = set()
        self.turn = asyncio.Lock()
        """Held from a look at the records until it is heeded: nobody heeds an older look after a newer one."""

    async def recall(self) -> Mapping[str, DriverRecord]:
        """Return what is known now, by driver; nothing if the database does not tell."""
        if self._database is None:
            return {}
        try:
            async with self._database.reading() as connection:
                return await DriverTable(connection).list()
        except Exception:
            log.warning("drivers.not_recalled", exc_info=True)
            return {}

    async def recall_declarations(self, catalogue: Catalogue) -> None:
        """Bring *catalogue* up to date with what drivers have declared, if the database tells."""
        if self._database is None:
            return
        try:
            async with self._database.reading() as connection:
                catalogue.load(await load_declarations(Tables(connection)))
        except Exception:
            log.warning("drivers.not_recalled", exc_info=True)

    def garbled(self, entry: DriverEntry, error: Garbage) -> None:
        """Count an answer that breaks the contract, without keeping anybody waiting."""
        version = entry.handshake.version if entry.handshake else None
        task = asyncio.ensure_future(self._garbled(entry, error.text, version))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait until everything is noted."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _garbled(self, entry: DriverEntry, reason: str, version: str | None) -> None:
        def change(known: DriverRecord) -> DriverRecord:
            # By now another version may serve, which is not to blame.
            return record.garbled(known, reason, now()) if version in (None, known.version) else known

        async with self.turn:
            try:
                known = await change_record(self._database, entry.name, change) if self._database else None
            except Exception as error:
                # Not even a database that is away lets a driver go on answering garbage.
                log.warning("driver.garbage_not_noted", driver=entry.name, reason=str(error) or type(error).__name__)
                known = None
            if known is None and (before := entry.known()) is not None:
                known = change(before)
            if known is not None:
                entry.recalled(known)


@retried
async def change_record(
    database: Database, name: str, change: Callable[[DriverRecord], DriverRecord]
) -> DriverRecord | None:
    """Replace the record of a driver by what *change* makes of it; return it, or None if there is none."""
    async with database.writing() as connection:
        drivers = DriverTable(connection)
        before = await drivers.find_for_update(name)
        if before is None:
            return None
        after = change(before)
        if after != before:
            await drivers.save(after)
        if after.quarantined_at is not None and before.quarantined_at is None:
            await OrphanTable(connection).hold(name)
        return after

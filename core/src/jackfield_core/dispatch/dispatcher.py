"""Carries what is owed: one lane for each mechanism driver.

Lanes share nothing but the ledger. Where the configured order of drivers counts,
the claim itself waits for the neighbour, for a moment, and only for one that can
be expected to take its turn; when a lane has settled something it wakes those
that may have waited for it.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from jackfield_core import config
from jackfield_core.db.claim import ClaimTable
from jackfield_core.db.engine import Database
from jackfield_core.db.redelivery import retry
from jackfield_core.dispatch.lane import Lane, call_timeout
from jackfield_core.dispatch.payment import Payments
from jackfield_core.dispatch.reception import Reception
from jackfield_core.dispatch.settlement import Settlement
from jackfield_core.dispatch.sole import Sole
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, Kind

STOP_GRACE = 5.0
"""Seconds that calls under way get when the process stops."""
RECENT = 1.0
"""Seconds after which nobody is taken to make changes any more."""


class Dispatcher:
    """Delivers to all drivers.

    Made before ``registry.start()``, because it has to hear of every handshake.
    *timeout* returns the deadline of a call with so many changes, in seconds.
    """

    def __init__(
        self,
        registry: Registry,
        manager: MechanismManager,
        database: Database,
        settings: config.Settings,
        *,
        timeout: Callable[[int], float] = call_timeout,
    ) -> None:
        self._registry = registry
        self._database = database
        registry.subscribe(Reception(database, registry.attributes, registry.required).welcome)
        self._lanes = [
            Lane(
                entry,
                Payments(entry, manager, database, settings, registry.required, registry.attributed),
                database,
                settings.dispatcher,
                self._neighbours,
                self._wake_neighbours,
                self._users_are_served,
                timeout,
            )
            for entry in registry.entries()
        ]
        self._sole = Sole(database)
        self._woken_at = -RECENT
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start to deliver; return at once.

        Raises:
            AnotherDispatcher: The database is of SQLite, and another process delivers from it.
        """
        await self._sole.take()
        if not self._database.is_postgresql:
            # Nobody else delivers: what is claimed was claimed by a process that is dead.
            async with self._database.writing() as connection:
                await ClaimTable(connection).end_leases()
                # Its clock may have been ahead of ours, and nobody else tells us the time.
                await retry(connection)
        self._tasks = [asyncio.create_task(lane.run(), name=f"lane {lane.entry.name}") for lane in self._lanes]

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """Stop; calls under way get *grace* seconds, and what they carry is given back after that."""
        for lane in self._lanes:
            lane.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sole.leave()

    def wake(self, drivers: Collection[str] | None = None) -> None:
        """Look at the ledger soon, for *drivers* or for all: somebody has made a change."""
        self._woken_at = time.monotonic()
        for lane in self._lanes:
            if drivers is None or lane.entry.name in drivers:
                lane.wake()

    def _users_are_served(self) -> bool:
        return time.monotonic() - self._woken_at < RECENT

    def _neighbours(self, entry: DriverEntry) -> tuple[Sequence[str], Sequence[str]]:
        prompt = [lane.entry for lane in self._lanes if lane.is_prompt]
        earlier = [other.name for other in prompt if other.position < entry.position]
        later = [other.name for other in prompt if other.position > entry.position]
        return earlier, later

    def _wake_neighbours(self, entry: DriverEntry, settlement: Settlement) -> None:
        """Wake the lanes that may have waited for *entry* to take its turn."""
        behind = self._told(settlement.told)
        before = self._told(settlement.ended)
        for lane in self._lanes:
            waiting = behind if lane.entry.position > entry.position else before
            if lane.entry is not entry and lane.entry.name in waiting:
                lane.wake()

    def _told(self, kinds: Collection[str]) -> set[str]:
        """Return the drivers that hear of *kinds* after the commit."""
        return {name for kind in kinds for action in Action for name in self._registry.owed(Kind(kind), action)}

"""All notifiers of a process: a lane for each compute service in the settings.

Any number of processes may run them; the ledger sees to it that each notice is
in one pair of hands.
"""

import asyncio
from collections.abc import Collection

from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.notify.lane import Lane

STOP_GRACE = 5.0
"""Seconds that requests under way get when the process stops."""


class Notifiers:
    """Tells all compute services; *database* is the one that owes them notices."""

    def __init__(self, database: Database, settings: config.Settings) -> None:
        self._lanes = [Lane(notifier, database, settings.dispatcher) for notifier in settings.notifiers]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to tell; return at once."""
        self._tasks = [asyncio.create_task(lane.run(), name=f"notifier {lane.name}") for lane in self._lanes]

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """Stop; requests under way get *grace* seconds, and what they tell is told again after that."""
        for lane in self._lanes:
            lane.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self, names: Collection[str] | None = None) -> None:
        """Look at the ledger soon, for the notifiers of *names* or for all."""
        for lane in self._lanes:
            if names is None or lane.name in names:
                lane.wake()

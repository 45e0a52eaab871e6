"""Listens to all drivers.

Every process with the role ``dispatcher`` watches: a stream costs next to
nothing, what is recorded twice changes nothing, and no process has to find out
whether another one is still alive.
"""

import asyncio
from collections.abc import Callable, Collection

from jackfield_core.db.engine import Database
from jackfield_core.events.recorder import Recorder
from jackfield_core.events.watcher import REPAIR_INTERVAL, Watcher
from jackfield_core.mechanism.answers import Garbage
from jackfield_core.mechanism.registry import Registry


class EventWatch:
    """A watcher for each driver of *registry*; *wake* is called with drivers that are owed something again."""

    def __init__(
        self,
        registry: Registry,
        database: Database,
        wake: Callable[[Collection[str]], None],
        on_garbage: Callable[[Garbage], None],
        *,
        repair_interval: float = REPAIR_INTERVAL,
    ) -> None:
        self._watchers = {
            entry.name: Watcher(
                entry,
                Recorder(entry, database, registry.required, wake),
                on_garbage,
                repair_interval=repair_interval,
            )
            for entry in registry.entries()
        }
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to listen; return at once."""
        self._tasks = [
            asyncio.create_task(watcher.run(), name=f"events of {name}") for name, watcher in self._watchers.items()
        ]

    async def stop(self) -> None:
        """Stop; what was told and not stored is told again by the next snapshot."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

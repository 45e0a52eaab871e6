"""Wake-ups between processes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db import bell as bells
from jackfield_core.db.bell import Bell, Topic
from jackfield_core.db.engine import Database

DEADLINE = 30.0


class Listener:
    """A process with a bell, and what it heard."""

    def __init__(self, database_url: str) -> None:
        self.heard: list[Topic] = []
        self.bell = Bell(config.Database(url=database_url), self.heard.append)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_open(self) -> None:
        """Wait until the bell is connected; it says so by waking everybody."""
        await self.until(lambda: set(self.heard) == set(Topic))
        self.heard.clear()


@contextlib.asynccontextmanager
async def listening(database_url: str) -> AsyncIterator[Listener]:
    listener = Listener(database_url)
    running = asyncio.create_task(listener.bell.run())
    try:
        await listener.until_open()
        yield listener
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def shared(database: Database, database_url: str) -> str:
    """Give a database that several processes share."""
    if not database.is_postgresql:
        pytest.skip("SQLite belongs to one process")
    return database_url


async def test_ring_is_heard_by_other_processes(shared: str) -> None:
    """Who rings is not woken by that: it has woken its own already."""
    async with listening(shared) as ringer, listening(shared) as hearer:
        ringer.bell.ring(Topic.DRIVERS)
        await hearer.until(lambda: hearer.heard)
        ringer.bell.ring(Topic.NODES)
        await hearer.until(lambda: len(hearer.heard) == 2)
        hearer.bell.ring(Topic.AGENTS)
        await ringer.until(lambda: ringer.heard)

        assert hearer.heard == [Topic.DRIVERS, Topic.NODES]
        assert ringer.heard == [Topic.AGENTS]


async def test_many_commits_are_few_rings(shared: str) -> None:
    """A load of commits does not become as many notifications, and the last one of them is heard."""
    async with listening(shared) as ringer, listening(shared) as hearer:
        began = time.monotonic()
        for _ in range(200):
            ringer.bell.ring(Topic.DRIVERS, Topic.NODES)
            await asyncio.sleep(0)
        ringer.bell.ring(Topic.AGENTS)
        await hearer.until(lambda: Topic.AGENTS in hearer.heard)

        # One ring at the beginning, the others at their distance, the last one, and two topics in each but that.
        assert len(hearer.heard) <= 2 * (2 + (time.monotonic() - began) / bells.SPACING) + 1


async def test_bell_is_heard_again_after_an_outage(shared: str, outage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rung meanwhile is lost, so everybody is woken when the connection is back."""
    monkeypatch.setattr(bells, "AGAIN", 0.05)
    async with listening(shared) as ringer, listening(shared) as hearer:
        with outage():
            ringer.bell.ring(Topic.DRIVERS)
        await hearer.until_open()
        await ringer.until_open()

        ringer.bell.ring(Topic.NODES)
        await hearer.until(lambda: hearer.heard)
        assert hearer.heard == [Topic.NODES]


async def test_sqlite_needs_no_bell(tmp_path: Any) -> None:
    """There is nobody else to wake."""
    silent = Listener(f"sqlite:///{tmp_path}/core.sqlite")
    silent.bell.ring(Topic.DRIVERS)

    await asyncio.wait_for(silent.bell.run(), 30)

    assert silent.heard == []

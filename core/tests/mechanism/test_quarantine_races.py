"""A quarantine begins, whoever else is at what the driver is owed."""

import asyncio
import contextlib
from typing import Any

import psycopg
import pytest
from jackfield_core import config
from jackfield_core.db.base import now
from jackfield_core.db.engine import Database
from jackfield_core.db.orphan import Orphan, OrphanTable
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.mechanism.answers import Garbage, Handshake
from jackfield_core.mechanism.memory import Memory, change_record
from jackfield_core.mechanism.record import GARBAGE_LIMIT, introduced, quarantined
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Kind

_LOCK = "SELECT 1 FROM delivery WHERE resource_id = %s FOR UPDATE"
_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def test_a_quarantine_that_waits_in_a_circle_is_tried_again(
    database: Database, database_url: str, unit_of_work: UnitOfWork
) -> None:
    """Of two that hold what the other one wants the database ends one; the quarantine begins all the same."""
    if not database.is_postgresql:
        pytest.skip("has one writer, who waits for nobody")
    async with unit_of_work() as tx:
        await tx.drivers.save(introduced("ovs", Handshake("1.0", "an-instance"), now(), None))
        await OrphanTable(tx.connection).add("ovs", [Orphan(Kind.PORT, id, 1) for id in ("p1", "p2")], owed=True)

    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute(_LOCK, ["p2"])
        beginning = asyncio.ensure_future(
            change_record(database, "ovs", lambda known: quarantined(known, "why", now()))
        )
        async with asyncio.timeout(30):
            while (await (await other.execute(_WAITS)).fetchone()) == (0,):
                await asyncio.sleep(0.01)
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            await other.execute(_LOCK, ["p1"])

    record: Any = await beginning
    assert record.quarantined_at is not None
    async with unit_of_work.reading() as tables:
        assert [debt.owed for debt in await tables.deliveries.list(owed=None)] == [False, False]


class LateMemory(Memory):
    """Reads what is known, and while that is on its way, garbage comes."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.meanwhile = lambda: None

    async def recall(self) -> Any:
        seen = await super().recall()
        self.meanwhile()
        if self._tasks:
            # Long enough for whoever does not wait for what was read.
            await asyncio.wait(self._tasks, timeout=0.5)
        return seen


async def test_a_look_at_what_was_before_does_not_end_a_quarantine(
    database: Database, unit_of_work: UnitOfWork
) -> None:
    """What was read before the third answer of garbage is not believed after it."""
    await meet(unit_of_work, "1.0")
    memory = LateMemory(database)
    registry = registry_with(memory)
    await registry.refresh()

    memory.meanwhile = lambda: babble(registry)
    await registry.refresh()
    await memory.stop()

    assert registry.entry("ovs").is_quarantined


async def test_garbage_of_a_version_that_has_gone_is_not_held_against_the_next(
    database: Database, unit_of_work: UnitOfWork
) -> None:
    """What is noted when another version has introduced itself already is not counted."""
    await meet(unit_of_work, "1.0")
    memory = Memory(database)
    registry = registry_with(memory)
    registry.entry("ovs").introduced(Handshake("1.0", "an-instance"))

    async with memory.turn:
        babble(registry)
        await meet(unit_of_work, "1.1")
    await memory.stop()

    assert not registry.entry("ovs").is_quarantined
    async with unit_of_work.reading() as tables:
        assert (await tables.drivers.list())["ovs"].garbage_at == ()


async def meet(unit_of_work: UnitOfWork, version: str) -> None:
    """Note that a version of the driver has introduced itself."""
    async with unit_of_work() as tx:
        await tx.drivers.save(introduced("ovs", Handshake(version, "an-instance"), now(), None))


def registry_with(memory: Memory) -> Registry:
    """Return what knows of one driver."""
    return Registry(config.Settings(drivers=[config.Driver(name="ovs", endpoint="unix:///nowhere")]), memory=memory)


def babble(registry: Registry) -> None:
    """Note as much garbage as means quarantine."""
    for _ in range(GARBAGE_LIMIT):
        registry.note_garbage(Garbage("ovs", "garbage"))

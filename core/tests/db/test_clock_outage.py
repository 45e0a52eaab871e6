"""What a process says that asks for the time every few seconds, and is not told."""

import asyncio

import asyncpg
from jackfield_core.db.clock import Clock, ClockWatch
from jackfield_core.db.statement import translated
from jackfield_core.observability.logging import Outages
from structlog.testing import capture_logs


async def test_time_that_cannot_be_read_is_said_once_for_all_looks() -> None:
    """An operator reads one line with the reason of the database, however long it is away."""
    looks = 0
    was_asked_often = asyncio.Event()

    async def read() -> None:
        nonlocal looks
        looks += 1
        if looks > 5:
            was_asked_often.set()
        raise translated(asyncpg.exceptions.CannotConnectNowError("the database system is starting up"), "SELECT 1")

    async def end_pauses() -> None:
        raise AssertionError("nothing was read, so nothing went back")

    with capture_logs([Outages()]) as logs:
        watch = asyncio.create_task(ClockWatch(read, end_pauses, Clock()).run(interval=0))
        await was_asked_often.wait()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)

    said = {"event": "clock.not_read", "log_level": "warning", "repeated": 0}
    assert logs == [{**said, "reason": "the database system is starting up"}]

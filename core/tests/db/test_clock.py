"""The clock that all processes of the core share."""

import asyncio
from datetime import timedelta

from jackfield_core.db.base import now
from jackfield_core.db.clock import Clock, ClockWatch
from jackfield_core.db.engine import Database

HOUR = timedelta(hours=1)


async def test_host_that_is_an_hour_ahead_takes_the_time_of_the_database(database: Database) -> None:
    """A process whose host's clock is wrong writes the same moments as all others."""
    clock = Clock()
    clock.set(now() + HOUR)

    if database.is_postgresql:
        async with database.reading() as connection:
            await clock.read(connection)
    else:
        await clock.read()

    assert abs(clock.now() - now()) < timedelta(minutes=1)


def test_small_differences_are_no_jump() -> None:
    """The time that a question takes sets no clock back."""
    clock = Clock()
    before = clock.now()

    clock.set(clock.now() - timedelta(seconds=0.2))

    assert clock.now() >= before
    assert clock.set_back == 0


async def test_clock_that_goes_back_ends_pauses() -> None:
    """What waits for a moment that is far ahead now is looked at once, also if the first look fails."""
    clock = Clock()
    moments = [clock.now() + HOUR, clock.now(), clock.now()]
    looks: list[int] = []
    ended = asyncio.Event()

    async def read() -> None:
        if moments:
            clock.set(moments.pop(0))

    async def end_pauses() -> None:
        looks.append(len(moments))
        if len(looks) == 1:
            raise OSError("the database is away")
        ended.set()

    watch = asyncio.create_task(ClockWatch(read, end_pauses, clock).run(interval=0.01))
    async with asyncio.timeout(30):
        await ended.wait()
    watch.cancel()

    assert looks == [1, 0]

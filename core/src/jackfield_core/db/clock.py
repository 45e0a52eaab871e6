"""The time that all processes of the core share: that of the database.

Leases, pauses and signs of life are moments that one process writes and another one compares with
its own time. If everybody believed the clock of his host, one that is an hour fast would write
pauses of an hour, and take the leases of the others for ended. So a process asks PostgreSQL for the
time with every new connection, and counts on from there by the monotonic clock, which never jumps.
SQLite has no clock; there the host's is read instead.

Every few seconds :class:`ClockWatch` asks again. If the clock that was asked has been set back
meanwhile, pauses and leases that were written before lie too far ahead: debts are due at once then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger()

TOLERANCE = 0.5
"""Seconds of difference that are taken for the time that the question took, and not for a jump."""
INTERVAL = 5.0
"""Seconds between two looks at the clock."""

_TIME = sa.text("SELECT clock_timestamp() AT TIME ZONE 'UTC'")


def _host_time() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Clock:
    """Counts seconds from the last moment that it was told."""

    def __init__(self) -> None:
        self.set_back = 0
        """How many times it was set back."""
        self._tell(_host_time())

    def now(self) -> datetime:
        """Return the time in UTC, without a zone."""
        return self._moment + timedelta(seconds=time.monotonic() - self._counted_from)

    def set(self, moment: datetime) -> None:
        """Take *moment* for the present, if it differs by more than a question takes."""
        step = (moment - self.now()).total_seconds()
        if abs(step) < TOLERANCE:
            return
        self._tell(moment)
        self.set_back += step < 0
        log.warning("clock.set", step=round(step, 1))

    async def read(self, connection: AsyncConnection | None = None) -> None:
        """Ask for the time: the server of *connection*, or the host."""
        if connection is None:
            self.set(_host_time())
            return
        asked = time.monotonic()
        moment: datetime = (await connection.execute(_TIME)).scalar_one()
        self.set(moment + timedelta(seconds=(time.monotonic() - asked) / 2))

    def _tell(self, moment: datetime) -> None:
        self._moment, self._counted_from = moment, time.monotonic()


CLOCK = Clock()
"""The one of this process, as its host has one."""


class ClockWatch:
    """Keeps the clock right; *read* asks for the time, and *on_set_back* is awaited when it has gone back."""

    def __init__(
        self, read: Callable[[], Awaitable[None]], on_set_back: Callable[[], Awaitable[None]], clock: Clock = CLOCK
    ) -> None:
        self._read = read
        self._on_set_back = on_set_back
        self._clock = clock

    async def run(self, interval: float = INTERVAL) -> None:
        """Look until cancelled; while the database is away the clock goes on by itself."""
        repaired = self._clock.set_back
        while True:
            await asyncio.sleep(interval)
            try:
                await self._read()
                set_back = self._clock.set_back
                if set_back != repaired:
                    await self._on_set_back()
                    repaired = set_back
            except Exception:
                log.warning("clock.not_read", exc_info=True)

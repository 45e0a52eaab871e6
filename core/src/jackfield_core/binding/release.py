"""Dynamic segments that nobody uses are released, whatever became of those who used them.

A port may be deleted, move to another rack, be bound otherwise or not at all;
its binding may fail behind an allocation, or the process may end there. None of
these has to think of the segment: somebody looks every few seconds for those
that no binding counts on. That is the only way in which one is released, so
there is one to get right, and a port pays nothing for it.

A segment that is new gets the time that a binding takes before it can be idle.
"""

import asyncio
from datetime import timedelta

import structlog

from jackfield_core.binding.dynamic import DynamicSegments
from jackfield_core.db.base import now
from jackfield_core.db.idle_segment import IdleSegmentTable
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import JackfieldError

log = structlog.get_logger()


class Releaser:
    """Looks for idle segments every *interval* seconds; one younger than *grace*, in seconds, is left alone."""

    def __init__(self, unit_of_work: UnitOfWork, segments: DynamicSegments, *, interval: float, grace: float) -> None:
        self._unit_of_work = unit_of_work
        self._segments = segments
        self._interval = interval
        self._grace = timedelta(seconds=grace)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("segment.release_failed")
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Release what is idle now."""
        unused_since = now() - self._grace
        async with self._unit_of_work.reading() as tables:
            seen = IdleSegmentTable(tables.connection)
            unbound = await seen.networks(unused_since)
            # Some wait for a driver or a host, perhaps for days: their ports are not to wait for us.
            idle = [id for id in unbound if await seen.of_network(id, unused_since)]
        for id in idle:
            try:
                await self._segments.release(id, unused_since)
            except JackfieldError as error:
                log.warning("segment.not_released", network_id=id, reason=error.message)

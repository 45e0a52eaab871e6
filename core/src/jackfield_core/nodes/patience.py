"""Waiting for a database that is away.

An agent's stream outlives the database: whatever has to be read or written is
tried again, more and more rarely, until it works.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

log = structlog.get_logger()

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

ResultT = TypeVar("ResultT")


async def until_done(attempt: Callable[[], Awaitable[ResultT]], failed_event: str) -> ResultT:
    """Return what *attempt* returns; log *failed_event* and try again for as long as it raises."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except Exception:
            log.exception(failed_event, retry_in=pause)
        # Streams that failed together shall not come back together.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)

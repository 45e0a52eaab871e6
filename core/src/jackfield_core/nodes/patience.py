"""Waiting for a database that is away.

An agent's stream outlives the database: whatever has to be read or written is
tried again, more and more rarely, until it works. And whatever has begun is
finished, even if the stream ends meanwhile: a connection that is torn away in
the middle of a statement does not find its way back into the pool.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

ResultT = TypeVar("ResultT")


async def until_done(attempt: Callable[[], Coroutine[Any, Any, ResultT]], failed_event: str) -> ResultT:
    """Return what *attempt* returns; log *failed_event* and try again for as long as it raises."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await _finished(attempt())
        except Exception:
            log.exception(failed_event, retry_in=pause)
        # Streams that failed together shall not come back together.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)


async def _finished(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return what *work* returns; a cancellation waits until it is done."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise

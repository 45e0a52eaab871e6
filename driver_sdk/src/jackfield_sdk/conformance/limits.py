"""Limits of time, judged on a host that has other work as well.

A driver that is late is late whenever it is asked. A good one is late only while its process is kept
off the processor, and that ends. So a limit counts as kept if it was kept in one of a few tries, with
ever longer pauses between them; whoever is in time is tried once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from jackfield_sdk.conformance.verdict import Broken

# Seconds to wait before each try.
_PAUSES = (0.0, 0.5, 1.5)


async def require_within(limit: float, measure: Callable[[], Awaitable[float]], what: str) -> None:
    """Raise `Broken` if every try of `measure` tells more seconds than the limit."""
    spent = []
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        spent.append(await measure())
        if spent[-1] < limit:
            return
    raise Broken(f"{what} took {min(spent):.2f} s, at best of {len(spent)} tries", f"within {limit:g} s")


async def seconds_of(work: Awaitable[object]) -> float:
    """Tell how long something takes."""
    started = time.monotonic()
    await work
    return time.monotonic() - started


def most_of(spent: Sequence[float]) -> float:
    """Return what nine calls in ten took at most, in seconds; all of them if there are only a few."""
    return sorted(spent)[len(spent) * 9 // 10]

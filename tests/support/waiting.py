"""Wait for a condition with a deadline, instead of sleeping for luck."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = float(os.environ.get("JACKFIELD_TEST_PATIENCE", "1"))
"""Deadlines and pauses are multiplied by it."""
IS_EMULATED = PATIENCE > 1
"""Whether this is a guest, whose processor is emulated and slow."""


def wait_until(
    condition: Callable[[], object],
    *,
    what: str | Callable[[], str],
    timeout: float = 60.0,
    interval: float = 0.02,
) -> None:
    """Return as soon as *condition* holds; *timeout* and *interval* are seconds.

    *what* completes the sentence "timed out waiting for …"; a function is asked at the end,
    when it knows what the last look saw.

    Raises:
        TimeoutError: The condition did not hold in time.

    """
    timeout, interval = timeout * PATIENCE, interval * PATIENCE
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            wanted = what() if callable(what) else what
            raise TimeoutError(f"timed out after {timeout:g} s waiting for {wanted}")
        time.sleep(interval)


async def eventually(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Return the first true result of *condition*, which may be async; look again until there is one.

    Raises:
        TimeoutError: There was none in *seconds*.

    """
    async with asyncio.timeout(seconds * PATIENCE):
        while True:
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return result
            await asyncio.sleep(0.01)

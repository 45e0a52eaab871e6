"""How the changes of one call are worked through: in line while that is quick, else side by side.

Most hooks answer at once, and a task for each would cost more than the hook. So changes are taken
one after the other until one is slow; the rest of its run then shares a few workers. A run is a
stretch of changes that cannot depend on each other: one kind, and all deletes or none.

A driver that makes one edit of everything that comes together wants them all at once instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

# Seconds after which a hook counts as slow: it waited for something, and others can use the time.
_SLOW = 0.002
# Items after which the loop gets a turn, so that a large batch does not hold up a precommit.
_TURN = 32


async def run_batch(
    items: Iterable[_T],
    work: Callable[[_T], Awaitable[_R]],
    *,
    run_of: Callable[[_T], Hashable],
    workers: int,
    together: bool = False,
) -> list[_R]:
    """Work on all items and return the results in their order.

    Items next to each other with the same `run_of` are independent; a run starts when the one
    before it has ended. `together` begins all items of a run at once, however many there are.
    """
    results: list[_R] = []
    for _, run in groupby(items, run_of):
        begun = list(run)
        if together:
            results += await _side_by_side(begun, work, len(begun))
        else:
            await _work_through(begun, work, workers, results)
    return results


async def _work_through(
    run: Sequence[_T], work: Callable[[_T], Awaitable[_R]], workers: int, results: list[_R]
) -> None:
    for index, item in enumerate(run):
        started = time.monotonic()
        results.append(await work(item))
        if time.monotonic() - started > _SLOW:
            results += await _side_by_side(run[index + 1 :], work, workers)
            return
        if index % _TURN == _TURN - 1:
            await asyncio.sleep(0)


async def _side_by_side(rest: Sequence[_T], work: Callable[[_T], Awaitable[_R]], workers: int) -> list[_R]:
    results: dict[int, _R] = {}
    todo = iter(enumerate(rest))

    async def worker() -> None:
        for index, item in todo:
            results[index] = await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(workers, len(rest))):
            group.create_task(worker())
    return [results[index] for index in range(len(rest))]

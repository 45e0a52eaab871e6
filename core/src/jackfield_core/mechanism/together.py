"""Awaits several calls at the same time."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def together(calls: Sequence[Awaitable[T]]) -> list[T]:
    """Return what *calls* return, in their order.

    A single call, which is the common case, is awaited without a task.
    """
    if len(calls) == 1:
        return [await calls[0]]
    return await asyncio.gather(*calls)

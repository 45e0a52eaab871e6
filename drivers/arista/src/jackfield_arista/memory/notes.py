"""Writes what happens at the same time into the memory at once.

A write is synced to the disk, which costs milliseconds, and a batch of the core brings hundreds of
changes together. So whoever has something to write leaves it here and waits; a thread takes all that
was left, writes it in one transaction, and everybody goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Kept
from jackfield_arista.wanted.wants import Want

_Note = tuple[Want, Collection[str]]


class Notes:
    """Collects wants on one event loop. What was left is written even if nobody waits for it any more."""

    def __init__(self, memory: Memory) -> None:
        """Have nothing to write."""
        self._memory = memory
        self._waiting: list[tuple[_Note, asyncio.Future[Kept]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, want: Want, known: Collection[str] = ()) -> Kept:
        """Return once a want is on the disk; `known` are switches that hold something of a network that leaves."""
        written: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append(((want, known), written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await written

    async def _write(self) -> None:
        while self._waiting:
            # Whoever is about to leave something in this round of the loop is taken along.
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._memory.keep, [note for note, _ in batch])
            except Exception as error:
                for _, written in batch:
                    if not written.done():
                        written.set_exception(error)
                continue
            for (_, written), kept in zip(batch, results, strict=True):
                if not written.done():
                    written.set_result(kept)

"""Networks with their ports, read once for all the streams that ask at the same time.

Streams that are told of the same change ask for the same networks within
moments. They share one read, and forget it soon: what stays in memory between
changes is only which versions each agent holds.
"""

import asyncio
import math
import time
from collections.abc import Iterable, Sequence

from jackfield_core.db.placement import PlacementTable
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.patience import until_done
from jackfield_core.nodes.view import Carriage

KEEP = 1.0
"""Seconds that a network is kept for streams that ask a little later."""
REST = 3.0
"""A busy network is read again only after this many times as long as reading it took."""


class Read:
    """Networks that are being read, or were a moment ago."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids
        self.began_at = math.inf
        self.task: asyncio.Task[dict[str, Carriage]]


class Carriages:
    """Reads carriages of networks, and shares what is fresh."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._fresh: dict[str, Read] = {}
        self._rest_until = 0.0

    def expire(self, network_ids: Iterable[str]) -> None:
        """Read these networks again for whoever asks from now on."""
        for id in network_ids:
            self._fresh.pop(id, None)

    async def get(self, network_ids: Iterable[str], since: float) -> dict[str, Carriage]:
        """Return networks by id, read after *since* (``time.monotonic()``); deleted ones are absent.

        Waits for the database if it is away.
        """
        wanted = list(network_ids)
        missing = [id for id in wanted if id not in self._fresh or self._fresh[id].began_at < since]
        if missing:
            self._start(missing)
        reads = {id: self._fresh[id].task for id in wanted}
        # A stream that ends must not take a read away from the others.
        await asyncio.wait({*reads.values()})
        return {id: found[id] for id, task in reads.items() if id in (found := task.result())}

    async def close(self) -> None:
        """End what is still being read."""
        tasks = {read.task for read in self._fresh.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, ids: Sequence[str]) -> None:
        read = Read(ids)
        read.task = asyncio.create_task(until_done(lambda: self._read(read), "nodes.networks_unread"))
        self._fresh.update(dict.fromkeys(ids, read))
        read.task.add_done_callback(lambda _: asyncio.get_running_loop().call_later(KEEP, self._forget, read))

    def _forget(self, read: Read) -> None:
        for id in read.ids:
            if self._fresh.get(id) is read:
                del self._fresh[id]

    async def _read(self, read: Read) -> dict[str, Carriage]:
        # Many small changes of one big network would otherwise keep the process
        # busy with reading it; streams lose nothing by hearing of several at once.
        await asyncio.sleep(self._rest_until - time.monotonic())
        ids = read.ids
        read.began_at = began_at = time.monotonic()
        async with self._unit_of_work.reading() as tables:
            networks = await tables.networks.list_with_deleted(ids)
            segments = await tables.segments.list_of_networks(ids)
            ports = await PlacementTable(tables.connection).of_networks(ids)
        carriages = {id: Carriage(network, segments.get(id, ()), ports.get(id, ())) for id, network in networks.items()}
        ended = time.monotonic()
        self._rest_until = ended + REST * (ended - began_at)
        return carriages

"""Networks with their ports, read once for all the streams that ask, and kept while they are true.

A change reaches a process through the feed, and the feed says what is no longer
true of a network: all of it, or what is on one host. That is read again when the
next stream asks, together with what other streams ask for meanwhile; one reader
works for all of them, so that a thousand agents that dial at once cost the
database as many reads as there are networks, and one at a time. What nobody
asked for the longest time is forgotten when there is no more room.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from jackfield_core.db.feed import FeedEntry
from jackfield_core.db.placement import PlacementTable
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.carriage import Carriage
from jackfield_core.nodes.patience import until_done

ROOM = 100_000
"""Ports of networks that are kept."""
READ_SIZE = 20
"""Networks that are read at a time: as many as are quickly read, because other work waits meanwhile."""

Reading = asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Kept:
    """A network as it was read, and what of it has changed since; *carriage* is None for one that is gone."""

    id: str
    carriage: Carriage | None = None
    is_stale: bool = True
    stale_hosts: set[str] = field(default_factory=set)
    wanted: Reading | None = None
    """Done when a read that has not begun yet is over."""
    under_way: Reading | None = None
    """Done when the read that goes on is over."""

    def note(self, host: str) -> None:
        """Note that something changed on *host*, or anything at all if that is empty."""
        if host:
            self.stale_hosts.add(host)
        else:
            self.is_stale = True


class Carriages:
    """Reads carriages of networks, and keeps them."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._kept: dict[str, Kept] = {}
        """The network that was asked for last comes last."""
        self._wanted: dict[str, Kept] = {}
        self._reader: asyncio.Task[None] | None = None

    def expire(self, entries: Iterable[FeedEntry]) -> None:
        """Read again what the feed says has changed, for whoever asks from now on."""
        for entry in entries:
            if kept := self._kept.get(entry.network_id):
                kept.note(entry.host)

    def expire_all(self) -> None:
        """Read everything again, for whoever asks from now on."""
        for kept in self._kept.values():
            kept.note("")

    async def get(self, network_ids: Iterable[str]) -> dict[str, Carriage]:
        """Return networks by id, as they were when this was called or later; deleted ones are absent.

        Waits for the database if it is away. A carriage that is returned changes
        when its network does: whoever waits for something else asks again.
        """
        asked = [self._ask(id) for id in network_ids]
        for reading in [reading for _, reading in asked if reading]:
            # A stream that ends must not take a read away from the others.
            await asyncio.shield(reading)
        return {kept.id: kept.carriage for kept, _ in asked if kept.carriage}

    async def close(self) -> None:
        """End what is still being read."""
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def _ask(self, id: str) -> tuple[Kept, Reading | None]:
        """Return a network, and what to wait for until it is true."""
        kept = self._kept.pop(id, None) or Kept(id)
        self._kept[id] = kept
        if not (kept.is_stale or kept.stale_hosts):
            return kept, kept.under_way
        if kept.wanted is None:
            kept.wanted = asyncio.get_running_loop().create_future()
            self._wanted[id] = kept
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read_wanted())
        return kept, kept.wanted

    async def _read_wanted(self) -> None:
        """Read until nobody waits for a network."""
        while self._wanted:
            batch = [*islice(self._wanted.values(), READ_SIZE)]
            for kept in batch:
                del self._wanted[kept.id]
                kept.under_way, kept.wanted = kept.wanted, None
            await self._read(batch)
            for kept in batch:
                if kept.under_way:
                    kept.under_way.set_result(None)
                kept.under_way = None
            self._forget()

    async def _read(self, batch: Sequence[Kept]) -> None:
        """Make networks true; what changes meanwhile is noted for the next time."""
        whole = {kept.id: kept for kept in batch if kept.is_stale}
        parts = {kept.id: (kept, kept.stale_hosts) for kept in batch if not kept.is_stale}
        for kept in batch:
            kept.is_stale, kept.stale_hosts = False, set()
        if whole:
            read = await until_done(lambda: self._networks([*whole]), "nodes.networks_unread")
            for id, kept in whole.items():
                kept.carriage = read.get(id)
        if parts:
            await until_done(lambda: self._exchange(parts), "nodes.networks_unread")

    async def _networks(self, ids: Sequence[str]) -> dict[str, Carriage]:
        async with self._unit_of_work.reading() as tables:
            networks = await tables.networks.list_with_deleted(ids)
            segments = await tables.segments.list_of_networks(ids)
            ports = await PlacementTable(tables.connection).of_networks(ids)
        return {id: Carriage(network, segments.get(id, ()), ports.get(id, ())) for id, network in networks.items()}

    async def _exchange(self, parts: dict[str, tuple[Kept, set[str]]]) -> None:
        """Read what is on the hosts that were noted."""
        hosts = {host for _, hosts in parts.values() for host in hosts}
        async with self._unit_of_work.reading() as tables:
            ports = await PlacementTable(tables.connection).of_networks_on(hosts, parts)
        for id, (kept, stale) in parts.items():
            if kept.carriage:
                kept.carriage.exchange(stale, [port for port in ports.get(id, ()) if port.host in stale])

    def _forget(self) -> None:
        """Forget networks until there is room, those first that nobody has asked for lately."""
        ports = sum(kept.carriage.size for kept in self._kept.values() if kept.carriage)
        for kept in [*self._kept.values()][:-1]:
            if ports <= ROOM:
                return
            if kept.wanted is None and kept.under_way is None:
                del self._kept[kept.id]
                ports -= kept.carriage.size if kept.carriage else 0

"""One agent's stream: what it holds, what it has to hold, and the difference pushed.

There is one path for the first sync and for every change after it. A stream has
a set of networks to look at; it takes them all, compares each as its host has
to carry it now with what the agent holds, and pushes the difference in pieces,
each acknowledged before the next one leaves. At the start the set is every
network of the host and every network that the agent named in its hello. What
changes while a push is under way waits in the set, so an agent that is slow
skips intermediate states and never the last one.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jackfield.node.v1 import node_pb2

from jackfield_core.nodes.carriages import Carriages
from jackfield_core.nodes.view import Carriage, Place, View

PUSH_SIZE = 500
"""Views in one push at most."""
READ_SIZE = 50
"""Networks that are compared at a time."""

Step = node_pb2.Upsert | node_pb2.Removal
Send = Callable[[node_pb2.SyncResponse], Awaitable[None]]


class Watch(Protocol):
    """Sees to it that a stream hears of changes of the networks that concern it."""

    def begin(self, stream: "AgentStream", network_id: str) -> None:
        """Touch *stream* whenever the network changes."""

    def end(self, stream: "AgentStream", network_id: str) -> None:
        """Do so no longer."""


@dataclass(slots=True)
class Held:
    """What an agent holds of one network: versions of the network (None for not at all) and of its ports."""

    version: str | None = None
    ports: dict[str, str] = field(default_factory=dict)


class AgentStream:
    """What one agent holds, kept equal to what its host has to carry."""

    def __init__(self, place: Place, carriages: Carriages, send: Send, watch: Watch) -> None:
        self.place = place
        self.held: dict[str, Held] = {}
        self._strangers: list[Step] = []
        self._carriages = carriages
        self._send = send
        self._watch = watch
        self._began_at = time.monotonic()
        self._touched: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._nonces = itertools.count(1)
        self._awaited: tuple[str, asyncio.Future[None]] | None = None

    def begin(self, known: Iterable[node_pb2.Known], on_host: Mapping[str, str]) -> None:
        """Start from what the agent *known* to hold and what is *on_host*: network ids by port id."""
        for network_id in on_host.values():
            self.held.setdefault(network_id, Held())
        for view in known:
            if view.kind == node_pb2.VIEW_KIND_NETWORK:
                self.held.setdefault(view.id, Held()).version = view.version
            elif view.id in on_host:
                self.held[on_host[view.id]].ports[view.id] = view.version
            elif view.kind == node_pb2.VIEW_KIND_PORT:
                self._strangers.append(node_pb2.Removal(kind=view.kind, id=view.id))
        self.touch(self.held)

    def touch(self, network_ids: Iterable[str]) -> None:
        """Look at these networks as soon as the agent has acknowledged what is under way."""
        for id in network_ids:
            # From now on, not from when it was read: changes meanwhile must not be missed.
            self._watch.begin(self, id)
            self._touched[id] = None
        self._wake.set()

    def acknowledge(self, nonce: str) -> None:
        """Note that the agent has made the push *nonce* true; any other is ignored."""
        if self._awaited and self._awaited[0] == nonce and not self._awaited[1].done():
            self._awaited[1].set_result(None)

    def ports_of(self, network_id: str) -> Sequence[str]:
        """Return the ports of a network that the agent holds."""
        return [*self.held[network_id].ports] if network_id in self.held else []

    async def run(self) -> None:
        """Push differences for as long as the stream lives."""
        await self._push_round(always=True)
        while True:
            await self._wake.wait()
            await self._push_round()

    async def _push_round(self, *, always: bool = False) -> None:
        """Push all differences that there are now; an empty push only if *always*."""
        self._wake.clear()
        await self._push_strangers()
        ready: list[Step] = []
        async for steps in self._differences():
            ready.extend(steps)
            while len(ready) > PUSH_SIZE:
                await self._push(ready[:PUSH_SIZE], in_sync=False)
                del ready[:PUSH_SIZE]
        if ready or always:
            await self._push(ready, in_sync=True)

    async def _push_strangers(self) -> None:
        """Remove ports that left the host while the agent was away.

        They go alone and first: their networks are removed after them, and one
        that comes back meanwhile is not removed after it was made.
        """
        while self._strangers:
            await self._push(self._strangers[:PUSH_SIZE], in_sync=False)
            del self._strangers[:PUSH_SIZE]

    async def _differences(self) -> AsyncIterator[Sequence[Step]]:
        touched, self._touched = [*self._touched], {}
        for start in range(0, len(touched), READ_SIZE):
            ids = touched[start : start + READ_SIZE]
            carriages = await self._carriages.get(ids, self._began_at)
            for id in ids:
                yield self._difference(id, carriages.get(id))

    async def _push(self, steps: Sequence[Step], *, in_sync: bool) -> None:
        nonce = str(next(self._nonces))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited = nonce, acknowledged
        await self._send(
            node_pb2.SyncResponse(
                nonce=nonce,
                upserts=[step for step in steps if isinstance(step, node_pb2.Upsert)],
                removals=[step for step in steps if isinstance(step, node_pb2.Removal)],
                in_sync=in_sync,
            )
        )
        await acknowledged

    def _difference(self, id: str, carriage: Carriage | None) -> Sequence[Step]:
        """Return what turns the network as it is held into what it has to be, and call it held."""
        held = self.held.get(id, Held())
        network = carriage.network(self.place) if carriage else None
        ports = carriage.ports(self.place) if carriage else {}
        gone: list[Step] = [_removal(node_pb2.VIEW_KIND_PORT, port_id) for port_id in held.ports.keys() - ports.keys()]
        if network is None:
            self.held.pop(id, None)
            if id not in self._touched:
                self._watch.end(self, id)
            return [*gone, _removal(node_pb2.VIEW_KIND_NETWORK, id)] if held.version is not None else gone
        self.held[id] = Held(network.version, {port_id: view.version for port_id, view in ports.items()})
        return [*_news(network, held.version), *_port_news(ports, held), *gone]


def _news(view: View, held: str | None) -> Sequence[Step]:
    return [] if view.version == held else [view.upsert()]


def _port_news(ports: Mapping[str, View], held: Held) -> Sequence[Step]:
    return [step for id, view in ports.items() for step in _news(view, held.ports.get(id))]


def _removal(kind: "node_pb2.ViewKind.ValueType", id: str) -> node_pb2.Removal:
    return node_pb2.Removal(kind=kind, id=id)

"""One agent's stream: what it holds, what it has to hold, and the difference pushed.

There is one path for the first sync and for every change after it. A stream has
a set of networks to look at; it takes them all, compares each as its host has
to carry it now with what the agent holds, and pushes the difference in pieces,
each acknowledged before the next one leaves. At the start the set is every
network of the host and every network that the agent named in its hello. What
changes while a push is under way waits in the set, so an agent that is slow
skips intermediate states and never the last one.

A network is looked at when there is room in the next push, and not earlier. So
what an agent that does not read costs is one push, and which versions it holds.
A change of a big network makes hundreds of streams look; they take turns, so
that requests have theirs in between, and the host that a port came to goes first.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jackfield.node.v1 import node_pb2
from prometheus_client import Histogram

from jackfield_core.nodes.carriage import Carriage
from jackfield_core.nodes.carriages import Carriages
from jackfield_core.nodes.forwarding import Share, Told
from jackfield_core.nodes.pile import Pile, Step
from jackfield_core.nodes.view import Place, View

PUSHES = Histogram("jackfield_node_push_seconds", "From a push to an agent until it has acknowledged it.")

LOOK_SIZE = 50
"""Networks that are asked for at a time."""

Send = Callable[[node_pb2.SyncResponse], Awaitable[None]]


class Watch(Protocol):
    """Sees to it that a stream hears of changes of the networks that concern it."""

    def begin(self, stream: "AgentStream", network_id: str) -> None:
        """Touch *stream* whenever the network changes."""

    def end(self, stream: "AgentStream", network_id: str) -> None:
        """Do so no longer."""


@dataclass(slots=True)
class Held:
    """What an agent holds of one network: versions of the network (None for not at all) and of its ports.

    *told* is what is in that version of the network, None if only the agent knows that.
    """

    version: str | None = None
    ports: dict[str, str] = field(default_factory=dict)
    told: Told | None = None


class AgentStream:
    """What one agent holds, kept equal to what its host has to carry.

    Whoever has *turn* may look; streams that are in a hurry do not wait for it.
    Who *takes_deltas* is told what changed of a network, everybody else all of it.
    """

    def __init__(
        self,
        place: Place,
        carriages: Carriages,
        send: Send,
        watch: Watch,
        turn: asyncio.Lock,
        *,
        takes_deltas: bool = False,
    ) -> None:
        self.place = place
        self._takes_deltas = takes_deltas
        self.held: dict[str, Held] = {}
        self._strangers = Pile()
        self._carriages = carriages
        self._send = send
        self._watch = watch
        self._turn = turn
        self._is_urgent = False
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
                self._strangers.add([node_pb2.Removal(kind=view.kind, id=view.id)])
        self.touch(self.held)

    def touch(self, network_ids: Iterable[str], *, is_urgent: bool = False) -> None:
        """Look at these networks as soon as the agent has acknowledged what is under way."""
        for id in network_ids:
            # From now on, not from when it was read: changes meanwhile must not be missed.
            self._watch.begin(self, id)
            self._touched[id] = None
        self._is_urgent |= is_urgent
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
        """Push all differences that there are now; nothing at all only if not *always*.

        Ports that left the host while the agent was away go alone and first: their
        networks are removed after them, and one that comes back meanwhile is not
        removed after it was made.
        """
        self._wake.clear()
        while self._strangers:
            await self._push(self._strangers, is_last=False)
        touched, self._touched = [*reversed(self._touched)], {}
        is_urgent, self._is_urgent = self._is_urgent, False
        pile, is_begun = Pile(), always
        while touched or pile or is_begun:
            while touched and not pile.is_full:
                await self._look(touched, pile, is_urgent=is_urgent)
            if not (pile or is_begun):
                return
            await self._push(pile, is_last=not touched)
            # Whoever was pushed a part is told when that was all.
            is_begun = bool(touched)

    async def _look(self, touched: list[str], pile: Pile, *, is_urgent: bool) -> None:
        """Compare the last networks of *touched* and take them away, until *pile* is full."""
        carriages = await self._carriages.get(touched[-LOOK_SIZE:])
        async with contextlib.nullcontext() if is_urgent else self._turn:
            for id in reversed(touched[-LOOK_SIZE:]):
                pile.add(self._difference(id, carriages.get(id)))
                touched.pop()
                if pile.is_full:
                    return

    async def _push(self, pile: Pile, *, is_last: bool) -> None:
        nonce = str(next(self._nonces))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited = nonce, acknowledged
        with PUSHES.time():
            await self._send(pile.take(nonce, is_last=is_last))
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
        self.held[id] = Held(network.version, {port_id: view.version for port_id, view in ports.items()}, network.told)
        return [*self._network_news(network, held), *_port_news(ports, held), *gone]

    def _network_news(self, network: Share, held: Held) -> Sequence[Step]:
        if network.version == held.version:
            return []
        if self._takes_deltas and held.version and held.told:
            return [network.since(held.version, held.told)]
        return [network.whole()]


def _port_news(ports: Mapping[str, View], held: Held) -> Sequence[Step]:
    return [view for id, view in ports.items() if view.version != held.ports.get(id)]


def _removal(kind: "node_pb2.ViewKind.ValueType", id: str) -> node_pb2.Removal:
    return node_pb2.Removal(kind=kind, id=id)

"""Streams that look at the same network at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield.node.v1 import node_pb2
from jackfield_core.db.base import now
from jackfield_core.db.feed import FeedEntry
from jackfield_core.nodes.carriages import Carriages
from jackfield_core.nodes.directory import Directory
from jackfield_core.nodes.stream import AgentStream
from jackfield_core.nodes.view import Place

DEADLINE = 30.0


class Hosts:
    """Streams of several hosts, whose agents acknowledge at once; *turn* is what they wait for."""

    def __init__(self, site: Any) -> None:
        self.turn = asyncio.Lock()
        self.pushes: asyncio.Queue[tuple[str, node_pb2.SyncResponse]] = asyncio.Queue()
        self._directory = Directory()
        self._carriages = Carriages(site.fabric.unit_of_work)
        self._running: list[asyncio.Task[None]] = []

    def open(self, host: str, number: int) -> None:
        """Open the stream of a host that carries nothing yet."""

        async def send(push: node_pb2.SyncResponse) -> None:
            self.pushes.put_nowait((host, push))
            asyncio.get_running_loop().call_soon(stream.acknowledge, push.nonce)

        place = Place(host, "ovs", f"198.51.100.{number}")
        stream = AgentStream(place, self._carriages, send, self._directory, self.turn)
        self._directory.add(stream)
        stream.begin((), {})
        self._running.append(asyncio.create_task(stream.run()))

    def change(self, network_id: str, host: str) -> None:
        """Let the streams hear that something changed on *host*, or everywhere if that is empty."""
        entries = [FeedEntry(1, network_id, host, now())]
        self._carriages.expire(entries)
        self._directory.touch(entries)

    async def pushed(self) -> str:
        """Return who is pushed something next."""
        async with asyncio.timeout(DEADLINE):
            return (await self.pushes.get())[0]

    async def close(self) -> None:
        """End all streams."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._carriages.close()


@pytest.fixture
async def hosts(site: Any) -> AsyncIterator[Hosts]:
    """Three hosts in sync, without anything to carry."""
    async with contextlib.AsyncExitStack() as stack:
        hosts = Hosts(site)
        stack.push_async_callback(hosts.close)
        for number in (1, 2, 3):
            hosts.open(f"host{number}", number)
            await hosts.pushed()
        yield hosts


async def test_host_that_a_port_came_to_does_not_wait_for_its_turn(site: Any, hosts: Hosts) -> None:
    """It is pushed the port while others are still in line."""
    network = await site.fabric.network()
    for number in (1, 2, 3):
        await site.fabric.port(network, f"host{number}")
        hosts.change(network, f"host{number}")
        assert await hosts.pushed() == f"host{number}"

    async with hosts.turn:
        await site.fabric.port(network, "host2")
        hosts.change(network, "host2")
        assert await hosts.pushed() == "host2"
        assert hosts.pushes.empty()


async def test_everybody_gets_a_turn(site: Any, hosts: Hosts) -> None:
    """A change of the network itself is in a hurry for nobody, and reaches all of its hosts."""
    network = await site.fabric.network()
    for number in (1, 2, 3):
        await site.fabric.port(network, f"host{number}")
        hosts.change(network, f"host{number}")
        await hosts.pushed()

    await hosts.turn.acquire()
    await site.fabric.resize(network, 1400)
    hosts.change(network, "")
    hosts.turn.release()

    assert {await hosts.pushed() for _ in range(3)} == {"host1", "host2", "host3"}

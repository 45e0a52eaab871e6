"""Node agents by the thousand, in a process of their own.

``python -m bench.crowd`` plays one agent per host: each has a connection of its own
to the core, holds what it is pushed, acknowledges, and reports ports up as real agents
do. It wires nothing. Whoever measures tells it what to do, one JSON object a line, and
gets one back; times are those of the monotonic clock, which all processes share.

With ``--whole`` they are agents of the first release, which take no deltas.
"""

import argparse
import asyncio
import gc
import itertools
import json
import random
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from jackfield.node.v1 import node_pb2, node_pb2_grpc

BEAT_INTERVAL = 30.0
"""Seconds between two reports of an agent, as the SDK has it."""
_OPTIONS = [
    # Agents on hosts share no connections; those of one process would.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


# An encoded port; or of a network what is behind each endpoint, encoded as a view of that alone.
View = bytes | dict[str, bytes]

# When, to which host, ids of the ports in it, and its bytes.
Push = tuple[float, str, list[str], int]


class Member:
    """One agent; what it holds survives its streams."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        self.host = host_name(number)
        self.endpoint = endpoint_of(number)
        self.held: dict[tuple[int, str], tuple[str, View]] = {}
        self.is_synced = False
        self._crowd = crowd
        self._call: Any = None
        self._writing = asyncio.Lock()

    async def live(self, core: str) -> None:
        """Keep a stream open until cancelled; dial again at once when it ends."""
        while True:
            async with grpc.aio.insecure_channel(core, options=_OPTIONS) as channel:
                try:
                    await self._converse(node_pb2_grpc.NodeServiceStub(channel).Sync(wait_for_ready=True))
                except grpc.aio.AioRpcError:
                    self._call = None
            await asyncio.sleep(random.uniform(0, self._crowd.jitter))

    async def report(self, *port_ids: str) -> None:
        """Report ports up; without any it is a sign of life."""
        if self._call is not None:
            states = [node_pb2.PortReport(port_id=id, state=node_pb2.PORT_STATE_UP) for id in port_ids]
            await self._say(node_pb2.SyncRequest(report=node_pb2.Report(ports=states)))

    def ports(self) -> list[str]:
        """Return the ids of the ports that it holds."""
        return [id for kind, id in self.held if kind == node_pb2.VIEW_KIND_PORT]

    async def _converse(self, call: Any) -> None:
        await call.write(node_pb2.SyncRequest(hello=self._hello()))
        self._call, self.is_synced = call, False
        while (push := await call.read()) is not grpc.aio.EOF:
            ports = self._apply(push)
            self._crowd.pushes.append((time.monotonic(), self.host, ports, push.ByteSize()))
            await self._say(node_pb2.SyncRequest(ack=node_pb2.Ack(nonce=push.nonce)))
            if push.in_sync and not self.is_synced:
                self.is_synced = True
                await self.report(*self.ports())
            elif ports:
                await self.report(*ports)
        self._call = None

    async def _say(self, message: node_pb2.SyncRequest) -> None:
        async with self._writing:
            try:
                await self._call.write(message)
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError, AttributeError):
                # The stream is over; its reader finds that out too.
                return

    def _hello(self) -> node_pb2.Hello:
        return node_pb2.Hello(
            host=self.host,
            agent_type=f"{self._crowd.driver} agent",
            binary="crowd",
            version="1",
            driver=self._crowd.driver,
            facts=node_pb2.Facts(tunnel_types=["vxlan"], tunnel_ip=self.endpoint, vif_types=["ovs"]),
            known=[
                node_pb2.Known(kind=kind, id=id, version=version)  # type: ignore[arg-type]
                for (kind, id), (version, _) in self.held.items()
            ],
            features=[] if self._crowd.whole else ["deltas"],
        )

    def _apply(self, push: node_pb2.SyncResponse) -> list[str]:
        """Hold what a push brings; return the ids of ports that it brings."""
        ports = []
        for upsert in push.upserts:
            match upsert.WhichOneof("view"):
                case "network":
                    key, view = (node_pb2.VIEW_KIND_NETWORK, upsert.network.id), _behind(upsert.network)
                    self.held[key] = upsert.version, view
                case "network_delta":
                    self._change(upsert.version, upsert.network_delta)
                case "port":
                    key = node_pb2.VIEW_KIND_PORT, upsert.port.id
                    self.held[key] = upsert.version, upsert.port.SerializeToString()
                    ports.append(upsert.port.id)
        for removal in push.removals:
            self.held.pop((removal.kind, removal.id), None)
        return ports

    def _change(self, version: str, delta: node_pb2.NetworkDelta) -> None:
        key = node_pb2.VIEW_KIND_NETWORK, delta.id
        before, view = self.held[key]
        assert before == delta.base_version
        assert isinstance(view, dict)
        kept = {endpoint: entries for endpoint, entries in view.items() if endpoint not in delta.gone_endpoints}
        self.held[key] = version, kept | _behind(delta)


class Crowd:
    """All agents, and what they have been pushed since it was last asked."""

    def __init__(self, core: str, driver: str, hosts: int, *, whole: bool = False) -> None:
        self.driver = driver
        self.whole = whole
        self.jitter = 0.5
        self.pushes: list[Push] = []
        self.members = [Member(self, number) for number in range(hosts)]
        self._core = core
        self._lives: list[asyncio.Task[None]] = []

    async def serve(self) -> None:
        """Do what is asked for on standard input until it ends."""
        commands = await _lines()
        beating = asyncio.create_task(self._beat())
        while line := await commands.readline():
            command = json.loads(line)
            answer = await getattr(self, f"do_{command.pop('do')}")(**command)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        beating.cancel()
        await self.do_leave()

    async def do_connect(self) -> None:
        """Let every agent dial, all at once."""
        self._lives = [asyncio.create_task(member.live(self._core)) for member in self.members]

    async def do_leave(self) -> None:
        """End all streams; what agents hold they keep."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        for member in self.members:
            member.is_synced = False

    async def do_unsync(self) -> None:
        """Forget who was told that he holds everything."""
        for member in self.members:
            member.is_synced = False

    async def do_count(self) -> dict[str, int]:
        """Return how many agents hold everything, and how much all of them hold."""
        return {
            "synced": sum(member.is_synced for member in self.members),
            "views": sum(len(member.held) for member in self.members),
        }

    async def do_take(self) -> list[Push]:
        """Return the pushes since this was last asked."""
        taken, self.pushes = self.pushes, []
        return taken

    async def do_holdings(self, first: int, count: int) -> dict[str, Any]:
        """Return what some agents hold, by host: ports by id, and forwarding entries by network."""
        return {member.host: _holdings(member) for member in self.members[first : first + count]}

    async def _beat(self) -> None:
        """Give signs of life, each agent in its turn."""
        for member in itertools.cycle(self.members):
            await asyncio.sleep(BEAT_INTERVAL / len(self.members))
            await member.report()


def host_name(number: int) -> str:
    """Return the name of a host, as worlds have it."""
    return f"host-{number:05}"


def endpoint_of(number: int) -> str:
    """Return the tunnel endpoint of a host."""
    return f"172.16.{number >> 8}.{number & 255}"


def _holdings(member: Member) -> dict[str, Any]:
    ports: dict[str, list[str]] = {}
    networks: dict[str, list[list[str]]] = {}
    for (_, id), (_, view) in member.held.items():
        if isinstance(view, bytes):
            port = node_pb2.PortView.FromString(view)
            ports[id] = [port.network_id, port.mac_address, *port.ip_addresses]
        else:
            entries = (one for endpoint in sorted(view) for one in _entries(view[endpoint]))
            networks[id] = [[one.mac_address, *one.ip_addresses, one.endpoint] for one in entries]
    return {"ports": ports, "networks": networks}


def _behind(view: node_pb2.NetworkView | node_pb2.NetworkDelta) -> dict[str, bytes]:
    """Return the entries behind each endpoint."""
    behind = {endpoint: node_pb2.NetworkView() for endpoint in view.endpoints}
    for entry in view.forwarding:
        behind[entry.endpoint].forwarding.append(entry)
    return {endpoint: part.SerializeToString() for endpoint, part in behind.items()}


def _entries(encoded: bytes) -> Iterable[node_pb2.ForwardingEntry]:
    return node_pb2.NetworkView.FromString(encoded).forwarding


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the agents."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("--core", required=True, help="address that agents dial")
    parser.add_argument("--driver", required=True, help="mechanism driver whose ports they wire")
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--whole", action="store_true", help="take no deltas")
    given = parser.parse_args(arguments)
    # What they hold stays: to look through it again and again would take turns away from the streams.
    gc.set_threshold(100_000, 50, 50)
    asyncio.run(Crowd(given.core, given.driver, given.hosts, whole=given.whole).serve())


if __name__ == "__main__":
    main()

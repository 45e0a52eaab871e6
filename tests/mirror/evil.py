"""A driver process that misbehaves on command.

    python -m mirror.evil --name evil --listen unix:///tmp/evil.sock --control /tmp/evil.control

It speaks raw gRPC and nothing of it comes from the SDK, which would not let it do any of this.
Well-behaved, it takes part in networks, before and after the commit, and binds ports of VLAN
networks; and it remembers what it acknowledged. A line of JSON on the control socket,
``{"mode": "hangs", "on": ["Postcommit"]}``, makes it misbehave in one way, in the calls named or
in all of them; the answer tells what it holds, how often it was called, for how many seconds at
most, which resources it heard of, and which process it is. Every command that
says ``"reborn": true`` closes the server and opens another one, as a new process would.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, event_pb2, mechanism_pb2
from support import verdicts

from mirror import manners

PAUSE = 0.5
"""Seconds that a supervisor waits before it starts a process again."""

_REQUESTS = {
    "Handshake": driver_pb2.HandshakeRequest,
    "GetSchemas": driver_pb2.GetSchemasRequest,
    "Drain": driver_pb2.DrainRequest,
    "Precommit": mechanism_pb2.PrecommitRequest,
    "Postcommit": mechanism_pb2.PostcommitRequest,
    "BindPorts": mechanism_pb2.BindPortsRequest,
    "Check": health_pb2.HealthCheckRequest,
}
_ACTIONS = [change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE, change_pb2.ACTION_DELETE]
_PHASES = [change_pb2.PHASE_PRECOMMIT, change_pb2.PHASE_POSTCOMMIT]


class Evil(grpc.GenericRpcHandler):
    """The driver; `mode` is one of `manners.MODES`, or "good"."""

    def __init__(self, name: str, listen: str, memory: Path, mode: str = "good", births: int = 0) -> None:
        self.name = name
        self.memory = memory
        self.listen = listen
        self.mode = mode
        self.on: frozenset[str] = frozenset()
        self.version = "1"
        self.instance_id = str(uuid.uuid4())
        self.epoch = "1"
        self.births = births
        self.is_met = False
        """Whether the core has been told who this is."""
        self.held: dict[str, int] = json.loads(memory.read_text()) if memory.exists() else {}
        self.known_ports: list[str] = []
        self.calls: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.heard_of: set[str] = set()
        self.changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None
        self._rebirths: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.listen)
        await self._server.start()

    async def reborn(self) -> None:
        """Be another process, as far as anybody can see."""
        if self._server is not None:
            await self._server.stop(0)
        self.instance_id = str(uuid.uuid4())
        self.births += 1
        self.is_met = False
        await self.start()

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Change the manners; return what is held and how often each call came."""
        if "mode" in order:
            await self._turn(order)
        self.known_ports = order.get("ports", self.known_ports)
        heard = {"longest": self.longest, "heard_of": sorted(self.heard_of)}
        return {"held": self.held, "calls": self.calls, "instance_id": self.instance_id, **heard}

    async def _turn(self, order: dict[str, Any]) -> None:
        self.mode, self.on = order["mode"], frozenset(order.get("on", ()))
        self.version = order.get("version", self.version)
        self.changed.set()
        self.changed = asyncio.Event()
        if self._rebirths is not None:
            await self._rebirths
            self._rebirths = None
        if order.get("reborn"):
            await self.reborn()
        if order.get("every"):
            self._rebirths = asyncio.create_task(self._reborn_every(order["every"], self.changed))

    async def _reborn_every(self, seconds: float, changed: asyncio.Event) -> None:
        """Be another process every so many seconds, if anybody has met the last one, until manners have *changed*."""
        while not changed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)
            if self.is_met and not changed.is_set():
                await self.reborn()

    def die(self) -> None:
        """End this process at once, in the middle of a call; a supervisor starts it again, no better than before."""
        self.memory.write_text(json.dumps(self.held))
        # Threads of gRPC still run, and must not find out.
        os.closerange(3, 4096)
        arguments = ["--mode", self.mode, "--births", str(self.births + 1), "--on", *self.on]
        os.execv(sys.executable, [sys.executable, "-m", "mirror.evil", *_identity(sys.argv[1:]), *arguments])

    def service(self, details: Any) -> Any:
        """Find the handler of a call."""
        rpc = details.method.rpartition("/")[2]
        if rpc == "Watch":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        if rpc not in _REQUESTS:
            return None

        async def handle(raw: bytes, context: Any) -> bytes:
            answer = await self._answer(rpc, _REQUESTS[rpc].FromString(raw), context)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _answer(self, rpc: str, request: Any, context: Any) -> Any:
        self.calls[rpc] += 1
        self.is_met |= rpc == "Handshake"
        self.longest[rpc] = max(self.longest.get(rpc, 0.0), context.time_remaining())
        self.heard_of.update(change.id for change in getattr(request, "changes", ()))
        self.heard_of.update(asked.port.id for asked in getattr(request, "requests", ()))
        good = getattr(self, f"_{rpc.lower()}")(request)
        manner = manners.MODES.get(self.mode)
        if manner is None or (self.on and rpc not in self.on):
            return self._remember(rpc, request, good)
        answer = await manner(self, rpc, request, good, context)
        return self._remember(rpc, request, good) if answer is None else answer

    def _remember(self, rpc: str, request: Any, good: Message) -> Message:
        """Note what is acknowledged."""
        if rpc == "Postcommit":
            for change in request.changes:
                if change.action == change_pb2.ACTION_DELETE:
                    self.held.pop(change.id, None)
                else:
                    self.held[change.id] = change.revision
        return good

    async def _watch(self, _raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.calls["Watch"] += 1
        if self.mode == "mumbles":
            yield b"\xff\xfe garbage"
        if self.mode == "unimplemented":
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        yield event_pb2.WatchResponse(in_sync=event_pb2.InSync()).SerializeToString()
        while True:
            if self.mode == "floods":
                for event in manners.flood(self):
                    yield event
            else:
                yield event_pb2.WatchResponse(heartbeat=event_pb2.Heartbeat()).SerializeToString()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 10)

    def _check(self, _request: Any) -> Any:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def _drain(self, _request: Any) -> Message:
        return driver_pb2.DrainResponse()

    def _getschemas(self, _request: Any) -> Message:
        return driver_pb2.GetSchemasResponse()

    def _handshake(self, _request: Any) -> Message:
        network = capability_pb2.Interest(kind=change_pb2.RESOURCE_KIND_NETWORK, actions=_ACTIONS, phases=_PHASES)
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version=self.version,
            instance_id=self.instance_id,
            contract_major=1,
            features=["watch"],
            interests=[network],
            bind=capability_pb2.BindCapability(network_types=["vlan"], max_levels=1),
            backends=[capability_pb2.Backend(id="fabric", epoch=self.epoch)],
        )

    def _precommit(self, request: Any) -> Message:
        return verdicts.accepting(request)

    def _postcommit(self, request: Any) -> Message:
        return verdicts.doing(request)

    def _bindports(self, request: Any) -> Message:
        return verdicts.binding(request, "evil", wired=True)


def _identity(arguments: list[str]) -> list[str]:
    """Return the arguments that say who the process is."""
    kept = _parser().parse_args(arguments)
    return ["--name", kept.name, "--listen", kept.listen, "--control", str(kept.control)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A driver that misbehaves on command.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--listen", required=True, help="unix:///path, or address and port")
    parser.add_argument("--control", required=True, type=Path, help="path of the control socket")
    parser.add_argument("--mode", default="good", choices=["good", *manners.MODES])
    parser.add_argument("--on", nargs="*", default=[], help="calls in which to misbehave; all of them if none is named")
    parser.add_argument("--births", type=int, default=0, help="how often the process has died before")
    return parser


async def main() -> None:
    """Serve until killed."""
    arguments = _parser().parse_args()
    if arguments.births:
        time.sleep(PAUSE)
    memory = arguments.control.with_suffix(".memory")
    evil = Evil(arguments.name, arguments.listen, memory, arguments.mode, arguments.births)
    evil.on = frozenset(arguments.on)
    await evil.start()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await evil.obey(json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    arguments.control.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(converse, arguments.control)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

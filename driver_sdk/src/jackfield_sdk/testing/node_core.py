"""The core's node service with a test in place of the core: it pushes what it is told to push.

An agent dials it as it dials the core. Every connect is one `Session`, which a test takes with
`await core.session()`; what the agent says is kept there, and `push` returns its acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from jackfield.node.v1 import node_pb2
from jackfield.node.v1.node_pb2_grpc import NodeServiceServicer, add_NodeServiceServicer_to_server

from jackfield_sdk._convert import sync
from jackfield_sdk._convert.sync import Failure
from jackfield_sdk._transport import server_options
from jackfield_sdk.testing import _views
from jackfield_sdk.testing._views import NetworkChange
from jackfield_sdk.views import NetworkView, PortReport, PortState, PortView, ViewKind

_STATES = {
    node_pb2.PORT_STATE_UP: PortState.UP,
    node_pb2.PORT_STATE_DOWN: PortState.DOWN,
    node_pb2.PORT_STATE_ERROR: PortState.ERROR,
}


@dataclass(frozen=True, slots=True)
class Push:
    """What the core says: views to make true, views to remove, and whether that was all."""

    upserts: tuple[NetworkView | PortView | NetworkChange, ...] = ()
    removals: tuple[tuple[ViewKind, str], ...] = ()
    in_sync: bool = False


class Session:
    """One stream of an agent, from its hello to its end."""

    def __init__(self, hello: node_pb2.Hello) -> None:
        self.hello = hello
        self.reports: list[node_pb2.Report] = []
        self._states: dict[str, PortReport] = {}
        self._pushes: asyncio.Queue[node_pb2.SyncResponse | None] = asyncio.Queue()
        self._acks: asyncio.Queue[node_pb2.Ack] = asyncio.Queue()
        self._heard = asyncio.Condition()
        self._nonce = 0

    @property
    def known(self) -> dict[tuple[ViewKind, str], str]:
        """What the agent said it holds."""
        return {(sync.KINDS[each.kind], each.id): each.version for each in self.hello.known}

    @property
    def states(self) -> dict[str, PortReport]:
        """The last report of each port on this stream."""
        return dict(self._states)

    async def push(self, *upserts: NetworkView | PortView | NetworkChange, **more: Any) -> list[Failure]:
        """Push views and wait for the acknowledgement; return the views that failed."""
        await self.send(Push(upserts, **more))
        return await self.acknowledged()

    async def send(self, push: Push) -> None:
        """Push without waiting."""
        self._nonce += 1
        message = node_pb2.SyncResponse(
            nonce=str(self._nonce),
            upserts=[_views.upsert(view) for view in push.upserts],
            removals=[node_pb2.Removal(kind=sync.KIND_MESSAGES[kind], id=id) for kind, id in push.removals],
            in_sync=push.in_sync,
        )
        await self._pushes.put(message)

    async def acknowledged(self, within: float = 60.0) -> list[Failure]:
        """Wait for the next acknowledgement; it has to be that of the last push."""
        async with asyncio.timeout(within):
            ack = await self._acks.get()
        assert ack.nonce == str(self._nonce), f"acknowledged {ack.nonce}, pushed {self._nonce}"
        return [Failure(sync.KINDS[each.kind], each.id, each.version, each.reason) for each in ack.errors]

    async def state_of(self, port_id: str, state: PortState, within: float = 60.0) -> PortReport:
        """Wait until the agent has reported this state of a port."""
        async with asyncio.timeout(within), self._heard:
            await self._heard.wait_for(lambda: port_id in self._states and self._states[port_id].state is state)
        return self._states[port_id]

    async def heard(self, wanted: Callable[[node_pb2.Report], bool], within: float = 60.0) -> node_pb2.Report:
        """Return the first report of this stream that is the wanted one, or wait for it."""
        async with asyncio.timeout(within), self._heard:
            await self._heard.wait_for(lambda: any(wanted(report) for report in self.reports))
        return next(report for report in self.reports if wanted(report))

    def hang_up(self) -> None:
        """End the stream."""
        self._pushes.put_nowait(None)

    async def hear(self, requests: AsyncIterator[node_pb2.SyncRequest]) -> None:
        """Sort what the agent says until it is gone."""
        async for request in requests:
            if request.WhichOneof("message") == "ack":
                await self._acks.put(request.ack)
                continue
            async with self._heard:
                self.reports.append(request.report)
                for each in request.report.ports:
                    self._states[each.port_id] = PortReport(
                        each.port_id, each.version, _STATES[each.state], each.reason
                    )
                self._heard.notify_all()

    async def pushes(self) -> AsyncIterator[node_pb2.SyncResponse]:
        """Stream what the test pushes until it hangs up."""
        while (push := await self._pushes.get()) is not None:
            yield push


class ScriptedCore(NodeServiceServicer):
    """A node service on a Unix socket in a directory; use it as `async with ScriptedCore(tmp_path)`.

    With `credentials` it serves TLS on a free port of localhost instead.
    """

    def __init__(self, directory: Path, credentials: grpc.ServerCredentials | None = None) -> None:
        self.address = f"unix://{directory}/nodes.sock"
        self._credentials = credentials
        self._sessions: asyncio.Queue[Session] = asyncio.Queue()
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> ScriptedCore:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = grpc.aio.server(options=server_options())
        add_NodeServiceServicer_to_server(self, self._server)
        if self._credentials is None:
            self._server.add_insecure_port(self.address)
        else:
            self.address = f"localhost:{self._server.add_secure_port('localhost:0', self._credentials)}"
        await self._server.start()

    async def stop(self) -> None:
        """Go away, as a core does that is killed."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def session(self, within: float = 60.0) -> Session:
        """Wait for the next connect of an agent."""
        async with asyncio.timeout(within):
            return await self._sessions.get()

    async def Sync(  # noqa: N802
        self,
        request_iterator: Any,
        context: Any,
    ) -> AsyncIterator[node_pb2.SyncResponse]:
        """Serve one stream."""
        first = await anext(aiter(request_iterator))
        session = Session(first.hello)
        await self._sessions.put(session)
        hearing = asyncio.create_task(session.hear(aiter(request_iterator)))
        try:
            async for push in session.pushes():
                yield push
        finally:
            hearing.cancel()

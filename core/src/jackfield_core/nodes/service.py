"""The service that node agents dial.

An agent opens one stream and says who it is. Its row in the database follows
what it says; its host's share of every network is pushed to it and kept true
for as long as the stream lives; what it observes becomes the wiring and the
status of ports. A newer stream of the same agent replaces an older one, which
may be the half-open rest of a broken connection.

Losing a stream changes no port: agents keep forwarding without the core.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import grpc
import structlog
from jackfield.node.v1 import node_pb2, node_pb2_grpc
from prometheus_client import Gauge

from jackfield_core import config
from jackfield_core.db.agent import Agent
from jackfield_core.db.feed import FeedEntry
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import Forbidden, Invalid
from jackfield_core.nodes.arrivals import Arrivals
from jackfield_core.nodes.carriages import Carriages
from jackfield_core.nodes.conversation import Conversation
from jackfield_core.nodes.directory import Directory
from jackfield_core.nodes.follower import Follower
from jackfield_core.nodes.hello import agent_of, takes_deltas
from jackfield_core.nodes.identity import expect_host
from jackfield_core.nodes.patience import until_done
from jackfield_core.nodes.reports import Reports
from jackfield_core.nodes.server import start_server
from jackfield_core.nodes.stream import AgentStream
from jackfield_core.nodes.view import Place

log = structlog.get_logger()

STREAMS = Gauge("jackfield_node_streams", "Open streams of node agents")

_END: Any = grpc.aio.EOF
Context = grpc.aio.ServicerContext[node_pb2.SyncRequest, node_pb2.SyncResponse]


class NodeService(node_pb2_grpc.NodeServiceServicer):
    """Serves node agents.

    *required_drivers* are those that must have acknowledged a port before it is
    ACTIVE. *on_agent_change* is called with a host whose agent appeared or whose
    facts changed: ports that could not be bound there may be bindable now.
    """

    def __init__(
        self,
        settings: config.Nodes,
        unit_of_work: UnitOfWork,
        required_drivers: Sequence[str] = (),
        on_agent_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._on_agent_change = on_agent_change
        self._arrivals = Arrivals(unit_of_work)
        self._carriages = Carriages(unit_of_work)
        self._directory = Directory()
        self._turn = asyncio.Lock()
        self._follower = Follower(
            unit_of_work, self._concern, self._look_at_everything, poll_interval=settings.poll_interval
        )
        self._following: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._reports = Reports(unit_of_work, required_drivers, on_agent_change)
        self._reporting: asyncio.Task[None] | None = None
        self._newest: dict[tuple[str, str], asyncio.Event] = {}
        self._server: grpc.aio.Server | None = None
        self.address = settings.listen

    async def start(self) -> None:
        """Listen for agents.

        Raises:
            OSError: The address cannot be listened on, or the files for TLS cannot be used.
        """
        self._server, self.address = await start_server(self, self._settings.listen, self._settings.tls)
        self._reporting = asyncio.create_task(self._reports.run())

    async def stop(self) -> None:
        """End all streams; agents go on forwarding and dial again."""
        if self._server:
            await self._server.stop(None)
        await self._unfollow()
        if self._reporting:
            await _ended(self._reporting)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._reports.flush()
        await self._arrivals.close()
        await self._carriages.close()

    def wake(self) -> None:
        """Look at the change feed soon."""
        self._follower.wake()

    # The stubs know servicers that iterate; grpc.aio also takes one that reads and writes.
    async def Sync(self, _requests: Any, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Serve one agent until it leaves, misbehaves, or dials again."""
        try:
            await self._converse(context)
        except Invalid as error:
            await _send_away(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        except Forbidden as error:
            await _send_away(context, grpc.StatusCode.PERMISSION_DENIED, error)

    async def _converse(self, context: Context) -> None:
        hello = _hello(await context.read())
        introduced = agent_of(hello)
        if self._settings.tls_ca and self._settings.tls_verify_host:
            expect_host(introduced.host, context.auth_context())
        agent = await self._arrivals.save(introduced)
        self._on_agent_change(agent.host)
        await until_done(self._follow, "nodes.feed_unread")
        place = Place(agent.host, agent.driver, agent.tunnel_ip)
        stream = AgentStream(
            place,
            self._carriages,
            context.write,
            self._directory,
            self._turn,
            takes_deltas=takes_deltas(hello),
        )
        async with self._open(agent, stream, context.peer()) as replaced:
            # What was kept of networks for others has to be as new as what this agent may have heard elsewhere.
            await self._follower.catch_up()
            stream.begin(hello.known, await self._arrivals.on_host(place))
            talk = Conversation(agent, stream, self._reports)
            await _first_of(stream.run(), _listen(context, talk), replaced.wait())
        if replaced.is_set():
            await context.abort(grpc.StatusCode.ABORTED, "the agent opened a newer stream")

    @contextlib.asynccontextmanager
    async def _open(self, agent: Agent, stream: AgentStream, peer: str) -> AsyncIterator[asyncio.Event]:
        """Let the stream hear of changes; yield the event that says that a newer stream took over."""
        key = agent.host, agent.agent_type
        if key in self._newest:
            # Once, it is a broken connection that nobody has noticed; again and again, two hosts have one name.
            log.warning("agent.replaced", host=agent.host, agent_type=agent.agent_type, peer=peer)
            self._newest[key].set()
        replaced = self._newest[key] = asyncio.Event()
        self._directory.add(stream)
        log.info("agent.connected", host=agent.host, agent_type=agent.agent_type, driver=agent.driver)
        try:
            with STREAMS.track_inprogress():
                yield replaced
        finally:
            self._directory.remove(stream)
            if self._newest[key] is replaced:
                del self._newest[key]
                self._reports.forget(agent.id)
            log.info("agent.disconnected", host=agent.host, agent_type=agent.agent_type)

    async def _follow(self) -> None:
        """Follow the feed from now on, if nobody does yet: without agents nobody has to."""
        async with self._beginning:
            if self._following is None:
                await self._follower.begin()
                self._following = asyncio.create_task(self._follower.run())

    async def _unfollow(self) -> None:
        if self._following:
            await _ended(self._following)
            self._following = None

    def _concern(self, entries: Sequence[FeedEntry]) -> None:
        self._carriages.expire(entries)
        self._directory.touch(entries)

    async def _look_at_everything(self) -> None:
        """Have all streams look at what they hold, and at what came to their hosts unseen."""
        self._carriages.expire_all()
        for stream in self._directory:
            stream.touch([*stream.held])
        places = {stream.place for stream in self._directory}
        found = dict(zip(places, await asyncio.gather(*map(self._arrivals.on_host, places)), strict=True))
        # Those that ended meanwhile hear of nothing any more; those that are new have looked for themselves.
        for stream in self._directory:
            stream.touch(found.get(stream.place, {}).values())


async def _send_away(context: Context, code: grpc.StatusCode, error: Invalid | Forbidden) -> None:
    log.warning("agent.misbehaved", peer=context.peer(), message=error.message)
    await context.abort(code, error.message)


def _hello(message: Any) -> node_pb2.Hello:
    if message is _END or message.WhichOneof("message") != "hello":
        raise Invalid("the first message of a stream is a hello")
    hello: node_pb2.Hello = message.hello
    return hello


async def _listen(context: Context, talk: Conversation) -> None:
    """Hear what the agent says until it has nothing more to say."""
    async for message in _messages(context):
        await talk.hear(message)


async def _messages(context: Context) -> AsyncIterator[node_pb2.SyncRequest]:
    while (message := await context.read()) is not _END:
        yield message


async def _first_of(*parts: Coroutine[Any, Any, Any]) -> None:
    """Run all *parts* until one ends, and end the others; raise what it raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

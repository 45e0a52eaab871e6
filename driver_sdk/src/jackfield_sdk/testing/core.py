"""A core of one's own: serves a driver on a real Unix socket and calls it as the core would.

`Core` speaks in the SDK's own values, so a test of a driver needs neither gRPC nor messages:

    async with running(driver, tmp_path) as core:
        answer = await core.postcommit(Action.CREATE, port, network=network)

`core.channel` is there for tests of the contract itself.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2
from jackfield.driver.v1.driver_pb2_grpc import DriverServiceStub
from jackfield.driver.v1.event_pb2_grpc import EventServiceStub
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceStub
from jackfield.driver.v1.reconcile_pb2_grpc import ReconcileServiceStub

from jackfield_sdk._convert import decode, encode
from jackfield_sdk._transport import LONGEST_SOCKET_PATH, channel_options
from jackfield_sdk.answers import Accepted, Bound, Done, InProgress, Line, NextLevel, Owned, Skip, Unreachable, Veto
from jackfield_sdk.context import Action, DriverState
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.errors import Rejected
from jackfield_sdk.resources import Host, Kind, Network, Port, Segment
from jackfield_sdk.serve import RunningServer, start_server
from jackfield_sdk.settings import ServerSettings
from jackfield_sdk.testing import _answers, _changes
from jackfield_sdk.testing._answers import Failed
from jackfield_sdk.testing._changes import Resource, Wanted

__all__ = ["Core", "Failed", "Wanted", "running"]

# What today's core keeps for a driver and listens to.
FEATURES = ("attributes", "states", "watch")


class Core:
    """Calls one driver. `epoch` is sent with every postcommit; `timeout` is every call's deadline in seconds."""

    def __init__(
        self, channel: grpc.aio.Channel, server: RunningServer | None = None, *, timeout: float = 60.0
    ) -> None:
        """Call through `channel`; `server` is the driver, if it runs in this process."""
        self.channel = channel
        self.timeout = timeout
        self.epoch = 1
        self._server = server
        self._driver = DriverServiceStub(channel)
        self._mechanism = MechanismServiceStub(channel)
        self._reconcile = ReconcileServiceStub(channel)
        self._events = EventServiceStub(channel)

    @property
    def server(self) -> RunningServer:
        """The driver in this process."""
        assert self._server is not None
        return self._server

    async def handshake(
        self,
        *majors: int,
        deployment_id: str = "test",
        features: Iterable[str] = FEATURES,
        write_state_version: int | None = None,
    ) -> driver_pb2.HandshakeResponse:
        """Introduce this core; unless told it speaks major 1 and every feature, and holds no states."""
        request = driver_pb2.HandshakeRequest(
            core_version="test",
            core_instance_id=str(uuid.uuid4()),
            deployment_id=deployment_id,
            contract_majors=majors or (1,),
            features=list(features),
            write_state_version=write_state_version,
        )
        response: driver_pb2.HandshakeResponse = await self._call(self._driver.Handshake, request)
        return response

    async def schemas(self, known_digest: bytes = b"") -> list[driver_pb2.AttributeSchema]:
        """Fetch the schemas of the driver's attributes; none if the core knows them already."""
        response = await self._call(self._driver.GetSchemas, driver_pb2.GetSchemasRequest(known_digest=known_digest))
        return list(response.schemas)

    async def upgrade_states(
        self, to_version: int, states: Mapping[tuple[Kind, str], DriverState]
    ) -> dict[str, DriverState | Failed]:
        """Have stored states rewritten; what became of each, by the identifier of its resource."""
        request = driver_pb2.UpgradeStatesRequest(
            to_version=to_version,
            states=[
                driver_pb2.KeyedState(kind=encode.KINDS[kind], id=id, state=_changes.state(state))
                for (kind, id), state in states.items()
            ],
        )
        response = await self._call(self._driver.UpgradeStates, request)
        return {result.id: _answers.upgraded(result) for result in response.results}

    async def drain(self, grace: float) -> int:
        """Ask the driver to finish; return how many calls are left after `grace` seconds."""
        response = await self._call(self._driver.Drain, driver_pb2.DrainRequest(grace=encode.duration(grace)))
        return int(response.in_flight)

    async def precommit(
        self, action: Action, current: Resource, revision: int = 1, *, budget: float | None = None, **more: Any
    ) -> Accepted | Rejected | Failed:
        """Have one change judged; `more` are the further fields of `Wanted`."""
        return (await self.precommit_all([Wanted(action, current, revision, **more)], budget=budget))[0]

    async def precommit_all(
        self, changes: Iterable[Wanted], *, budget: float | None = None
    ) -> list[Accepted | Rejected | Failed]:
        """Have the changes of one transaction judged."""
        request = mechanism_pb2.PrecommitRequest(
            changes=_numbered(changes), budget=None if budget is None else encode.duration(budget)
        )
        response = await self._call(self._mechanism.Precommit, request)
        return [_answers.verdict(result) for result in _in_order(response.results, len(request.changes))]

    async def postcommit(
        self, action: Action, current: Resource, revision: int = 1, **more: Any
    ) -> Done | InProgress | Failed:
        """Have one change made true; `more` are the further fields of `Wanted`."""
        return (await self.postcommit_all([Wanted(action, current, revision, **more)]))[0]

    async def postcommit_all(self, changes: Iterable[Wanted]) -> list[Done | InProgress | Failed]:
        """Have a batch made true."""
        request = mechanism_pb2.PostcommitRequest(changes=_numbered(changes), epoch=self.epoch)
        response = await self._call(self._mechanism.Postcommit, request)
        return [_answers.outcome(result) for result in _in_order(response.results, len(request.changes))]

    async def delete_orphan(self, kind: Kind, id: str, revision: int = 1) -> Done | InProgress | Failed:
        """Have deleted what the core knows from a listing only: nothing but its id is told."""
        request = mechanism_pb2.PostcommitRequest(changes=[_changes.orphan("0", kind, id, revision)], epoch=self.epoch)
        response = await self._call(self._mechanism.Postcommit, request)
        (result,) = response.results
        return _answers.outcome(result)

    async def bind(
        self,
        port: Port,
        network: Network,
        host: Host,
        segments: Sequence[Segment] | None = None,
        level: int = 0,
    ) -> Bound | NextLevel | Skip | Veto:
        """Have one port bound; all segments of its network are offered unless told."""
        offered = network.segments if segments is None else segments
        request = mechanism_pb2.BindPortsRequest(
            host=_changes.host(host), requests=[_changes.bind_request("0", port, network, offered, level)]
        )
        response = await self._call(self._mechanism.BindPorts, request)
        (result,) = response.results
        return _answers.binding(result)

    async def list_owned(self, *kinds: Kind) -> list[Owned | Unreachable]:
        """List what the driver owns on its backends."""
        request = reconcile_pb2.ListOwnedRequest(kinds=[encode.KINDS[kind] for kind in kinds])
        found: list[Owned | Unreachable] = []
        async for page in self._reconcile.ListOwned(request, timeout=self.timeout):
            found += [
                Owned(decode.KINDS[each.kind], each.id, each.revision, each.digest, each.backend) for each in page.owned
            ]
            found += [Unreachable(each.backend, each.reason) for each in page.unreachable]
        return found

    async def diff(self, action: Action, current: Resource, revision: int = 1, **more: Any) -> list[str]:
        """Ask what postcommit would do for one change."""
        return [line.text for line in await self.dry_run(Wanted(action, current, revision, **more))]

    async def dry_run(self, *changes: Wanted) -> list[Line]:
        """Ask what postcommit would do for some changes, and to which backends."""
        request = reconcile_pb2.DiffRequest(changes=_numbered(changes))
        answers = [answer async for answer in self._reconcile.Diff(request, timeout=self.timeout)]
        return [Line(text, answer.backend) for answer in answers for text in answer.lines]

    def watch(self, *kinds: Kind) -> AsyncIterator[event_pb2.WatchResponse]:
        """Stream the driver's events."""
        request = event_pb2.WatchRequest(kinds=[encode.KINDS[kind] for kind in kinds])
        return aiter(self._events.Watch(request))

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, timeout=self.timeout)


@asynccontextmanager
async def running(
    driver: MechanismDriver, directory: Path, *, timeout: float = 60.0, **settings: Any
) -> AsyncIterator[Core]:
    """Serve a driver on a socket in `directory` and introduce a core to it.

    `settings` are fields of `ServerSettings`.
    """
    # What is named after a test may be too long for a socket: of the name, what there is room for.
    room = LONGEST_SOCKET_PATH - len(os.fsencode(directory / ".sock"))
    address = f"unix://{directory}/{driver.name[: max(room, 1)]}.sock"
    server = await start_server(driver, ServerSettings(**{"listen": address, **settings}))
    try:
        async with grpc.aio.insecure_channel(server.address, options=channel_options(keepalive_seconds=20)) as channel:
            core = Core(channel, server, timeout=timeout)
            await core.handshake()
            yield core
    finally:
        await server.stop(grace=1.0)


def _numbered(changes: Iterable[Wanted]) -> list[Any]:
    return [_changes.change(str(number), wanted) for number, wanted in enumerate(changes)]


def _in_order(results: Iterable[Any], expected: int) -> list[Any]:
    by_id = {result.change_id: result for result in results}
    assert by_id.keys() == {str(number) for number in range(expected)}, "one result for each change"
    return [by_id[str(number)] for number in range(expected)]

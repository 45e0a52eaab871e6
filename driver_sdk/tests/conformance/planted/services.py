"""Defects that the SDK keeps a driver from, so they are planted below its hooks.

This is what a driver in another language can get wrong, where nobody writes the wire side for it.
"""

# ruff: noqa: N802 - the methods are named as the contract names them

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from jackfield.driver.v1 import change_pb2, driver_pb2, event_pb2, mechanism_pb2
from jackfield_sdk import Accepted, Done, Kind
from jackfield_sdk._servicer.custody import Custody
from jackfield_sdk._servicer.driver_service import DriverService
from jackfield_sdk._servicer.event_service import EventService
from jackfield_sdk._servicer.held import Held
from jackfield_sdk._servicer.hooks import Hooks
from jackfield_sdk._servicer.mechanism_service import MechanismService
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.reconcile_service import ReconcileService
from jackfield_sdk._servicer.refusal import RpcContext
from jackfield_sdk.examples.loopback.states import revision_in, write_state


@dataclass(frozen=True)
class Services:
    """What stands in for the SDK's own classes."""

    driver: type[DriverService] = DriverService
    mechanism: type[MechanismService] = MechanismService
    events: type[EventService] = EventService
    reconcile: type[ReconcileService] = ReconcileService
    process: type[Process] = Process
    custody: type[Custody] = Custody

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put them in place while a server is set up."""
        with ExitStack() as stack:
            for name, planted in (
                ("jackfield_sdk._servicer.DriverService", self.driver),
                ("jackfield_sdk._servicer.MechanismService", self.mechanism),
                ("jackfield_sdk._servicer.EventService", self.events),
                ("jackfield_sdk._servicer.ReconcileService", self.reconcile),
                ("jackfield_sdk.serve.Process", self.process),
                ("jackfield_sdk._servicer.process.Custody", self.custody),
            ):
                stack.enter_context(patch(name, planted))
            yield


class NewIdEveryTime(DriverService):
    """Mints an instance id for every connection."""

    async def Handshake(
        self, request: driver_pb2.HandshakeRequest, context: RpcContext
    ) -> driver_pb2.HandshakeResponse:
        answer = await super().Handshake(request, context)
        answer.instance_id = str(uuid.uuid4())
        return answer


class HidesDiff(DriverService):
    """Serves an RPC whose feature it does not name."""

    async def Handshake(
        self, request: driver_pb2.HandshakeRequest, context: RpcContext
    ) -> driver_pb2.HandshakeResponse:
        answer = await super().Handshake(request, context)
        answer.features.remove("diff")
        return answer


class SlowHandshake(DriverService):
    """Asks its devices first."""

    async def Handshake(
        self, request: driver_pb2.HandshakeRequest, context: RpcContext
    ) -> driver_pb2.HandshakeResponse:
        await asyncio.sleep(2.1)
        return await super().Handshake(request, context)


class LateOnce(DriverService):
    """Is kept off the processor when it is asked for the third time, after the suite has introduced itself."""

    _asked = 0

    async def Handshake(
        self, request: driver_pb2.HandshakeRequest, context: RpcContext
    ) -> driver_pb2.HandshakeResponse:
        self._asked += 1
        if self._asked == 3:
            await asyncio.sleep(2.1)
        return await super().Handshake(request, context)


class BindsLateOnce(MechanismService):
    """Is kept off the processor when it is asked to bind for the first time."""

    _asked = 0

    async def BindPorts(
        self, request: mechanism_pb2.BindPortsRequest, context: RpcContext
    ) -> mechanism_pb2.BindPortsResponse:
        self._asked += 1
        if self._asked == 1:
            await asyncio.sleep(1.1)
        return await super().BindPorts(request, context)


class NewDigestEveryTime(DriverService):
    """Hashes something that changes, such as the address of an object."""

    async def Handshake(
        self, request: driver_pb2.HandshakeRequest, context: RpcContext
    ) -> driver_pb2.HandshakeResponse:
        answer = await super().Handshake(request, context)
        answer.schema_digest = uuid.uuid4().bytes + uuid.uuid4().bytes
        return answer


class DeafToDrain(Process):
    """Says that it has drained, and goes on."""

    async def drain(self, grace: float) -> int:
        for act in self._on_drain:
            await act()
        return 0


class TakesAnything(Process):
    """Declares a limit and does not keep it."""

    def _guard(self, changes: int, field: str) -> None:
        super()._guard(0, field)


class WritesNewestState(Custody):
    """Takes its newest version of state for the one that the core asked for."""

    def hand_over(
        self, kind: Kind, answer: Accepted | Done, message: mechanism_pb2.Accept | mechanism_pb2.Done
    ) -> None:
        super().hand_over(kind, answer, message)
        if answer.state is not None and message.HasField("state"):
            newest = write_state(revision_in(answer.state, 2), 2, "1")
            message.state.version, message.state.data = newest.version, newest.data


class ForgetsWhatIsHeld(MechanismService):
    """Does not remember revisions."""

    def __init__(self, process: Process, hooks: Hooks) -> None:
        super().__init__(process, hooks)
        self._held = _Nothing()


class _Nothing(Held):
    def newer_than(self, resource: object, revision: int, *, delete: bool) -> int | None:
        return None


class AnswersTwice(MechanismService):
    """Answers the first change again at the end."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        answer = await super().Postcommit(request, context)
        answer.results.extend(answer.results[:1])
        return answer


class AnswersUnknownId(MechanismService):
    """Answers under the resource's id instead of the change's."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        answer = await super().Postcommit(request, context)
        for change, result in zip(request.changes, answer.results, strict=True):
            result.change_id = change.id
        return answer


class AllOrNothing(MechanismService):
    """Fails all changes of a call if one fails."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        answer = await super().Postcommit(request, context)
        failed = [result.failed for result in answer.results if result.WhichOneof("outcome") == "failed"]
        for result in answer.results if failed else ():
            result.failed.CopyFrom(failed[0])
        return answer


class GuessesKinds(MechanismService):
    """Takes a kind that it does not know for a port."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        for change in request.changes:
            if change.kind not in change_pb2.ResourceKind.values():
                change.kind = change_pb2.RESOURCE_KIND_PORT
        return await super().Postcommit(request, context)


class BindsUnoffered(MechanismService):
    """Binds to the network's first segment, whatever is offered."""

    async def BindPorts(
        self, request: mechanism_pb2.BindPortsRequest, context: RpcContext
    ) -> mechanism_pb2.BindPortsResponse:
        answer = await super().BindPorts(request, context)
        for wanted, result in zip(request.requests, answer.results, strict=True):
            if result.WhichOneof("outcome") == "bound":
                result.bound.segment_id = wanted.network.segments[0].id
        return answer


class RaisesRaw(MechanismService):
    """Lets the runtime answer when something is missing."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        for change in request.changes:
            if change.kind == change_pb2.RESOURCE_KIND_PORT:
                _password_in(change.current.port.binding.profile)
        return await super().Postcommit(request, context)


def _password_in(profile: bytes) -> None:
    if not profile.rstrip().endswith(b"}"):
        raise KeyError("password of the switch")


class NumbersEventsAlike(EventService):
    """Gives every event the number 1."""

    async def Watch(
        self, request: event_pb2.WatchRequest, context: RpcContext
    ) -> AsyncIterator[event_pb2.WatchResponse]:
        async for event in super().Watch(request, context):
            event.sequence = 1
            yield event


class NamesAnotherDomain(MechanismService):
    """Signs its errors with the vendor's name instead of the driver's."""

    @property
    def driver_name(self) -> str:
        return "acme-inc"

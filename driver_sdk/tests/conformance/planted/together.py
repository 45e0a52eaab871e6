"""Defects that show when there is more than one: changes of a call, requests, watchers, processes."""

# ruff: noqa: N802 - the methods are named as the contract names them

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count

from jackfield.driver.v1 import change_pb2, event_pb2, mechanism_pb2, reconcile_pb2
from jackfield_sdk import Accepted, Action, ChangeContext, Done, Kind, NetworkContext
from jackfield_sdk._servicer.custody import Custody
from jackfield_sdk._servicer.event_service import EventService
from jackfield_sdk._servicer.mechanism_service import MechanismService
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.reconcile_service import ReconcileService
from jackfield_sdk._servicer.refusal import RpcContext
from jackfield_sdk.answers import PostcommitAnswer
from jackfield_sdk.examples.loopback import LoopbackDriver
from jackfield_sdk.examples.loopback.states import revision_in, write_state


class HoldsWhatItJudged(LoopbackDriver):
    """Takes what it accepted in precommit for what the core has."""

    async def start(self) -> None:
        await super().start()
        self._judged: dict[tuple[Kind, str], int] = {}

    async def _judge(self, kind: Kind, context: ChangeContext) -> None:
        await super()._judge(kind, context)
        if context.action is not Action.DELETE:
            self._judged[kind, context.current.id] = context.revision

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        judged = self._judged.get((kind, context.current.id), 0)
        return Done(revision=judged) if judged > context.revision else await super()._act(kind, context)


class BelievesWhatItHears(LoopbackDriver):
    """Knows which revision it made as long as it lives, and does not look for it on the device."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        self.fabric.catch_up()
        if context.action is not Action.DELETE and context.current.id in self.fabric.held(kind):
            self.fabric.remove(kind, context)
        return await super()._act(kind, context)


class AsksInPrecommit(LoopbackDriver):
    """Has the core keep something as soon as it has judged."""

    async def create_network_precommit(self, context: NetworkContext) -> Accepted:
        return Accepted(state=write_state(context.revision, self.write_state_version, "1"))


class WritesNewestWhenItAccepts(Custody):
    """Keeps to the version of state that the core asked for in postcommit only."""

    def hand_over(self, change: object, answer: Accepted | Done, message: object) -> None:
        super().hand_over(change, answer, message)  # type: ignore[arg-type]
        if isinstance(message, mechanism_pb2.Accept) and answer.state is not None:
            newest = write_state(revision_in(answer.state, 2), 2, "1")
            message.state.version, message.state.data = newest.version, newest.data


class LosesDeletes(MechanismService):
    """Sorts a call by what is to be written, and leaves out what is to be deleted beside it."""

    async def Postcommit(
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        deletes = [change for change in request.changes if change.action == change_pb2.ACTION_DELETE]
        others = [change for change in request.changes if change.action != change_pb2.ACTION_DELETE]
        if not others:
            return await super().Postcommit(request, context)
        rest = mechanism_pb2.PostcommitRequest(changes=others, epoch=request.epoch)
        answer = await super().Postcommit(rest, context)
        for change in deletes:
            answer.results.add(change_id=change.change_id).done.revision = change.revision
        return answer


class BindsByPlace(MechanismService):
    """Gives out what it counts within a call."""

    async def BindPorts(
        self, request: mechanism_pb2.BindPortsRequest, context: RpcContext
    ) -> mechanism_pb2.BindPortsResponse:
        answer = await super().BindPorts(request, context)
        for number, result in enumerate(answer.results):
            if result.WhichOneof("outcome") == "bound":
                result.bound.vif_details = json.dumps({"queue": number}).encode()
        return answer


class TellsOfTheFirst(ReconcileService):
    """Compares one change, and forgets that there are more."""

    async def Diff(
        self, request: reconcile_pb2.DiffRequest, context: RpcContext
    ) -> AsyncIterator[reconcile_pb2.DiffResponse]:
        async for part in super().Diff(request, context):
            if part.id == request.changes[0].id:
                yield part


class TellsTheNewest(EventService):
    """Knows one watcher, the one that came last."""

    _watchers = 0

    async def Watch(
        self, request: event_pb2.WatchRequest, context: RpcContext
    ) -> AsyncIterator[event_pb2.WatchResponse]:
        self._watchers += 1
        mine, sequence = self._watchers, count(1)
        async for event in super().Watch(request, context):
            if mine == self._watchers or event.WhichOneof("event") != "port_status":
                event.sequence = next(sequence)
                yield event


class BeginsWithNothing(EventService):
    """Tells of ports what happens from now on."""

    async def Watch(
        self, request: event_pb2.WatchRequest, context: RpcContext
    ) -> AsyncIterator[event_pb2.WatchResponse]:
        began, sequence = False, count(1)
        async for event in super().Watch(request, context):
            began = began or event.WhichOneof("event") == "in_sync"
            if began or event.WhichOneof("event") != "port_status":
                event.sequence = next(sequence)
                yield event


class TakesItsTime(LoopbackDriver):
    """Writes as slowly as a switch does."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        await asyncio.sleep(0.5)
        return await super()._act(kind, context)


class CallsItDrained(Process):
    """Takes nothing new, and says that nothing is left."""

    async def drain(self, grace: float) -> int:
        await super().drain(0.0)
        return 0

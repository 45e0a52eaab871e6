"""`MechanismService`: every change gets exactly one result, whatever its hook does.

Precommit decodes, asks, answers. Postcommit does so inside the lane of the resource, after a look
at the revision that is held. An exception of a hook is that change's result, and the next change
is none the wiser.
"""

from __future__ import annotations

from collections.abc import Hashable

import structlog
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceServicer

from jackfield_sdk._convert import decode, encode
from jackfield_sdk._redaction import trace_of
from jackfield_sdk._servicer.batch import run_batch
from jackfield_sdk._servicer.deadlines import deadline_of
from jackfield_sdk._servicer.held import Held
from jackfield_sdk._servicer.hooks import Hook, Hooks
from jackfield_sdk._servicer.lanes import Lanes
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.refusal import RpcContext, answered, refused
from jackfield_sdk.answers import BindAnswer, Done, Skip, Veto
from jackfield_sdk.capabilities import Phase
from jackfield_sdk.context import Action
from jackfield_sdk.errors import DriverError, Effect, Infeasible, Rejected
from jackfield_sdk.reasons import CallReason, ChangeReason
from jackfield_sdk.resources import Host, Kind

log = structlog.get_logger("jackfield_sdk")


class MechanismService(MechanismServiceServicer):
    """Judges, acts and binds through the hooks of one driver."""

    def __init__(self, process: Process, hooks: Hooks) -> None:
        self._process = process
        self._hooks = hooks
        self._precommit = hooks.of_phase(Phase.PRECOMMIT)
        self._postcommit = hooks.of_phase(Phase.POSTCOMMIT)
        self._bind = hooks.find("bind_port")
        self._lanes = Lanes()
        self._held = Held()

    @property
    def driver_name(self) -> str:
        """The domain of refusals."""
        return self._process.driver.name

    @answered
    async def Precommit(  # noqa: N802
        self, request: mechanism_pb2.PrecommitRequest, context: RpcContext
    ) -> mechanism_pb2.PrecommitResponse:
        """Judge every change on its own."""
        with self._process.admit(len(request.changes)):
            decoder = self._decoder(deadline_of(context, request.budget if request.HasField("budget") else None))

            async def judge(change: change_pb2.Change) -> mechanism_pb2.PrecommitResult:
                return await self._judge(decoder, change)

            results = await run_batch(request.changes, judge, run_of=_run_of, workers=self._workers)
            return mechanism_pb2.PrecommitResponse(results=results)

    @answered
    async def Postcommit(  # noqa: N802
        self, request: mechanism_pb2.PostcommitRequest, context: RpcContext
    ) -> mechanism_pb2.PostcommitResponse:
        """Make every change true on its own; the batch is not atomic."""
        with self._process.admit(len(request.changes)):
            decoder = self._decoder(deadline_of(context))

            async def act(change: change_pb2.Change) -> mechanism_pb2.PostcommitResult:
                return await self._take_lane(decoder, change)

            together = self._process.driver.begins_together
            results = await run_batch(request.changes, act, run_of=_run_of, workers=self._workers, together=together)
            return mechanism_pb2.PostcommitResponse(results=results)

    @answered
    async def BindPorts(  # noqa: N802
        self, request: mechanism_pb2.BindPortsRequest, context: RpcContext
    ) -> mechanism_pb2.BindPortsResponse:
        """Choose for every port on its own."""
        with self._process.admit(len(request.requests), field="requests"):
            decoder = self._decoder(deadline_of(context))
            host = _host(decoder, request)

            async def bind(wanted: mechanism_pb2.BindRequest) -> mechanism_pb2.BindResult:
                return await self._choose(decoder, host, wanted)

            results = await run_batch(request.requests, bind, run_of=lambda _: None, workers=self._workers)
            return mechanism_pb2.BindPortsResponse(results=results)

    @property
    def _workers(self) -> int:
        return self._process.settings.concurrency

    def _decoder(self, deadline: float | None) -> decode.Decoder:
        return decode.Decoder(deadline, self._process.custody.declared.names)

    async def _judge(self, decoder: decode.Decoder, change: change_pb2.Change) -> mechanism_pb2.PrecommitResult:
        try:
            kind, action = _kind_and_action(change)
            hook = self._precommit.get((kind, action))
            if hook is None:
                return encode.verdict(change.change_id, None)
            told = self._process.custody.told(kind, change.id)
            answer = await self._hooks.call(hook, decoder.change(kind, action, change))
            result = encode.verdict(change.change_id, answer)
            if answer is not None:
                self._process.custody.hand_over(told, answer, result.accept)
            return result
        except Rejected as rejected:
            return encode.reject(change.change_id, rejected)
        except Exception as error:
            failed = self._failure(error, Phase.PRECOMMIT, change)
            return mechanism_pb2.PrecommitResult(change_id=change.change_id, failed=failed)

    async def _take_lane(self, decoder: decode.Decoder, change: change_pb2.Change) -> mechanism_pb2.PostcommitResult:
        resource = (change.kind, change.id)
        await self._lanes.enter(resource)
        try:
            return await self._act(decoder, resource, change)
        except Exception as error:
            failed = self._failure(error, Phase.POSTCOMMIT, change)
            return mechanism_pb2.PostcommitResult(change_id=change.change_id, failed=failed)
        finally:
            self._lanes.leave(resource)

    async def _act(
        self, decoder: decode.Decoder, resource: Hashable, change: change_pb2.Change
    ) -> mechanism_pb2.PostcommitResult:
        kind, action = _kind_and_action(change)
        delete = action is Action.DELETE
        # What the core learned from a listing has the revision that stands on the device, and goes
        # whatever this process remembers of it.
        is_orphan = delete and decode.is_bare(change)
        held = None if is_orphan else self._held.newer_than(resource, change.revision, delete=delete)
        if held is not None:
            return encode.outcome(change.change_id, held, None)
        hook = self._postcommit.get((kind, action))
        told = self._process.custody.told(kind, change.id)
        answer = None if hook is None else await self._hooks.call(hook, decoder.change(kind, action, change))
        result = encode.outcome(change.change_id, change.revision, answer)
        if isinstance(answer, Done):
            self._process.custody.hand_over(told, answer, result.done)
        if result.HasField("done"):
            self._held.acknowledge(resource, result.done.revision, delete=delete)
            if delete and kind is Kind.PORT:
                self._process.driver.events.forget_port(change.id)
        return result

    async def _choose(
        self, decoder: decode.Decoder, host: Host, wanted: mechanism_pb2.BindRequest
    ) -> mechanism_pb2.BindResult:
        offered = [segment.id for segment in wanted.segments]
        try:
            answer = await self._ask_to_bind(self._bind, decoder, host, wanted)
            return encode.binding(wanted.request_id, answer, offered)
        except Rejected as rejected:
            return encode.binding(wanted.request_id, Veto(rejected.message), offered)
        except DriverError as error:
            return encode.binding(wanted.request_id, Skip(error.reason), offered)
        except decode.Malformed as error:
            return encode.binding(wanted.request_id, Skip(f"malformed request: {error}"), offered)
        except Exception as error:
            trace = trace_of(error, wanted)
            log.error("hook.failed", driver=self.driver_name, hook="bind_port", id=wanted.port.id, exception=trace)
            return encode.binding(wanted.request_id, Skip("the driver failed; its log has the trace"), offered)

    async def _ask_to_bind(
        self, hook: Hook | None, decoder: decode.Decoder, host: Host, wanted: mechanism_pb2.BindRequest
    ) -> BindAnswer:
        if hook is None:
            return Skip("this driver binds no ports")
        answer: BindAnswer = await self._hooks.call(hook, decoder.bind(host, wanted))
        return answer

    def _failure(self, error: Exception, phase: Phase, change: change_pb2.Change) -> change_pb2.Error:
        if isinstance(error, (DriverError, Rejected)):
            return encode.error(error)
        if isinstance(error, decode.Malformed):
            return encode.error(
                Infeasible(f"malformed change: {error}", code=ChangeReason.MALFORMED, effect=Effect.NONE)
            )
        log.error(
            "hook.failed",
            driver=self.driver_name,
            phase=phase.value,
            action=change_pb2.Action.Name(change.action),
            kind=change_pb2.ResourceKind.Name(change.kind),
            id=change.id,
            revision=change.revision,
            exception=trace_of(error, change),
        )
        return encode.bug(error)


def _kind_and_action(change: change_pb2.Change) -> tuple[Kind, Action]:
    kind, action = decode.KINDS.get(change.kind), decode.ACTIONS.get(change.action)
    if kind is None or action is None:
        message = f"kind {change.kind} with action {change.action} is not served by this driver"
        raise Infeasible(message, code=ChangeReason.UNSUPPORTED, effect=Effect.NONE)
    return kind, action


def _run_of(change: change_pb2.Change) -> Hashable:
    return change.kind, change.action == change_pb2.ACTION_DELETE


def _host(decoder: decode.Decoder, request: mechanism_pb2.BindPortsRequest) -> Host:
    try:
        return decoder.host(request.host)
    except decode.Malformed as error:
        raise refused(CallReason.MALFORMED, f"host: {error}", field="host") from None

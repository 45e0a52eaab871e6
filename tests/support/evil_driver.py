"""A driver that does whatever a test tells it, served over a real Unix socket.

Every RPC has a script, which gets the request and returns the answer, bytes
that are none, or raises :class:`Abort`. Without one it is answered well.
"""

import asyncio
import inspect
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, mechanism_pb2

from support import verdicts

Script = Callable[[Any], Any]


class Abort(Exception):
    """Raised by a script to end the call with a status."""

    def __init__(self, code: grpc.StatusCode, details: str = "", metadata: Sequence[tuple[str, Any]] = ()) -> None:
        super().__init__(details)
        self.code, self.details, self.metadata = code, details, tuple(metadata)


_METHODS = {
    "/jackfield.driver.v1.DriverService/Handshake": driver_pb2.HandshakeRequest,
    "/jackfield.driver.v1.DriverService/GetSchemas": driver_pb2.GetSchemasRequest,
    "/jackfield.driver.v1.DriverService/Drain": driver_pb2.DrainRequest,
    "/jackfield.driver.v1.MechanismService/Precommit": mechanism_pb2.PrecommitRequest,
    "/jackfield.driver.v1.MechanismService/Postcommit": mechanism_pb2.PostcommitRequest,
    "/jackfield.driver.v1.MechanismService/BindPorts": mechanism_pb2.BindPortsRequest,
    "/grpc.health.v1.Health/Check": health_pb2.HealthCheckRequest,
}


class EvilDriver(grpc.GenericRpcHandler):
    """Answers as it is scripted: ``driver.on("Precommit", script)``. Unscripted, it behaves.

    A script gets the decoded request and returns a message, raw bytes, or None
    for the good answer; it may wait, and may raise :class:`Abort`.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.endpoint = f"unix://{path}"
        self.interests: list[capability_pb2.Interest] = [an_interest("network"), an_interest("port")]
        self.limits = capability_pb2.Limits()
        self.bind: capability_pb2.BindCapability | None = capability_pb2.BindCapability(max_levels=1)
        self.calls: list[tuple[str, Any]] = []
        self._granted: list[tuple[str, float]] = []
        self.in_flight = self.most_in_flight = 0
        self._scripts: dict[str, Script] = {}
        self._server: grpc.aio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.instance_id = ""
        self.epoch = "1"
        self.backend_health = capability_pb2.BACKEND_HEALTH_UNSPECIFIED
        self.version = "1.0"
        self.states: capability_pb2.StateVersions | None = None
        """Versions of state that it speaks; None if it keeps none."""

    def on(self, rpc: str, script: Script) -> None:
        """Answer *rpc* by *script* from now on."""
        self._scripts[rpc] = script

    def hangs(self, rpc: str) -> None:
        """Never answer *rpc* from now on."""
        self.on(rpc, hang)

    def answers(self, rpc: str, answer: Message | bytes) -> None:
        """Answer *rpc* with *answer* from now on."""
        self.on(rpc, lambda _request: answer)

    def aborts(self, rpc: str, code: grpc.StatusCode, details: str = "", metadata: Any = ()) -> None:
        """End *rpc* with a status from now on."""

        def abort(_request: Any) -> None:
            raise Abort(code, details, metadata)

        self.on(rpc, abort)

    def behaves(self) -> None:
        """Forget all scripts."""
        self._scripts.clear()

    def requests(self, rpc: str) -> list[Any]:
        """Return the requests of one kind so far."""
        return [request for name, request in self.calls if name == rpc]

    def granted(self, rpc: str) -> list[float]:
        """Return the seconds that were left for each call of one kind when it came, as its deadline said."""
        return [seconds for name, seconds in self._granted if name == rpc]

    async def start(self) -> None:
        """Listen, as a new process would."""
        self.instance_id = str(uuid.uuid4())
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def stop(self) -> None:
        """Be gone at once, calls in flight included; a script of such a call may say so too."""
        if self._server is not None:
            self._stopping = asyncio.create_task(self._server.stop(0))
            self._server = None
        if self._stopping is not None:
            # The call that says so is one of those that end, which must not end the stop half way.
            await asyncio.shield(self._stopping)

    def service(self, details: Any) -> Any:
        request_type = _METHODS.get(details.method)
        if request_type is None:
            return None
        rpc = details.method.rpartition("/")[2]

        async def answer(raw: bytes, context: Any) -> bytes:
            return await self._answer(rpc, request_type.FromString(raw), context)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, rpc: str, request: Any, context: Any) -> bytes:
        self.calls.append((rpc, request))
        self._granted.append((rpc, context.time_remaining()))
        self.in_flight += rpc != "Check"
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = self._scripts[rpc](request) if rpc in self._scripts else None
            if inspect.isawaitable(answer):
                answer = await answer
        except Abort as abort:
            await context.abort(abort.code, abort.details, abort.metadata)
        finally:
            self.in_flight -= rpc != "Check"
        answer = getattr(self, f"_{rpc.lower()}")(request) if answer is None else answer
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    def _check(self, _request: Any) -> Any:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def _handshake(self, _request: Any) -> driver_pb2.HandshakeResponse:
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version=self.version,
            instance_id=self.instance_id,
            contract_major=1,
            interests=self.interests,
            bind=self.bind,
            limits=self.limits,
            features=["states"] if self.states else [],
            state_version=self.states,
            backends=[
                capability_pb2.Backend(
                    id="fabric", epoch=self.epoch, health=self.backend_health, message=str(len(self.calls))
                )
            ],
        )

    def _drain(self, _request: Any) -> Message:
        return driver_pb2.DrainResponse()

    def handshake(self) -> driver_pb2.HandshakeResponse:
        """Return the good handshake, to be spoiled."""
        return self._handshake(None)

    def _precommit(self, request: Any) -> Message:
        return verdicts.accepting(request)

    def _postcommit(self, request: Any) -> Message:
        return verdicts.doing(request)

    def _bindports(self, request: Any) -> Message:
        return verdicts.binding(request, "ovs")


async def hang(_request: Any) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def an_interest(
    kind: str,
    *,
    actions: Sequence[str] = ("create", "update", "delete"),
    phases: Sequence[str] = ("precommit", "postcommit"),
) -> capability_pb2.Interest:
    """Return an interest in all actions and both phases."""
    return capability_pb2.Interest(
        kind=getattr(change_pb2, f"RESOURCE_KIND_{kind.upper()}"),
        actions=[getattr(change_pb2, f"ACTION_{action.upper()}") for action in actions],
        phases=[getattr(change_pb2, f"PHASE_{phase.upper()}") for phase in phases],
    )

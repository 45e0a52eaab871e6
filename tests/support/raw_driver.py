"""A driver without an SDK and without manners, for what a dispatcher has to survive."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, mechanism_pb2
from jackfield_core.mechanism import translate
from jackfield_core.types import Kind

from support import verdicts

_METHODS = {
    "Handshake": driver_pb2.HandshakeRequest,
    "GetSchemas": driver_pb2.GetSchemasRequest,
    "Postcommit": mechanism_pb2.PostcommitRequest,
    "Check": health_pb2.HealthCheckRequest,
}
_ACTIONS = [change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE, change_pb2.ACTION_DELETE]


class RawDriver(grpc.GenericRpcHandler):
    """A driver without manners: *answer* gets each Postcommit and returns a message or bytes, or aborts."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.endpoint = f"unix://{path}"
        self.answer: Callable[[Any, Any], Any] = self.good
        self.requests: list[Any] = []
        self.kinds = [Kind.NETWORK, Kind.SUBNET, Kind.PORT]
        self.actions = list(_ACTIONS)
        self.max_batch = 0
        self.declares: dict[str, Any] = {}
        self.schemas: list[driver_pb2.AttributeSchema] = []
        self._server: grpc.aio.Server | None = None

    async def up(self) -> None:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def down(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def told(self) -> list[Any]:
        """Return all changes so far, in order."""
        return [change for request in self.requests for change in request.changes]

    async def good(self, request: Any, _context: Any) -> Message:
        return verdicts.doing(request)

    def service(self, details: Any) -> Any:
        rpc = details.method.rpartition("/")[2]
        if rpc not in _METHODS:
            return None

        async def handle(raw: bytes, context: Any) -> bytes:
            answer = await getattr(self, f"_{rpc.lower()}")(_METHODS[rpc].FromString(raw), context)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _check(self, _request: Any, _context: Any) -> Any:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def _handshake(self, _request: Any, _context: Any) -> Message:
        interests = [
            capability_pb2.Interest(
                kind=translate.KINDS[kind], actions=self.actions, phases=[change_pb2.PHASE_POSTCOMMIT]
            )
            for kind in self.kinds
        ]
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version="1",
            instance_id=str(id(self._server)),
            contract_major=1,
            interests=interests,
            limits=capability_pb2.Limits(max_batch=self.max_batch),
            **self.declares,
        )

    async def _getschemas(self, _request: Any, _context: Any) -> Message:
        return driver_pb2.GetSchemasResponse(digest=b"digest", schemas=self.schemas)

    async def _postcommit(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        return await self.answer(request, context)

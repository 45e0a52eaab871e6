"""A recorder on the wire: it stands between a core and a driver, passes everything on, and keeps it.

It knows calls by their path only and never decodes what it passes, so that a recording holds what
was really said. Health checks are passed on and not kept. Of `Watch` the snapshot is kept.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from jackfield.driver.v1 import event_pb2

from evolution.recording import MESSAGES, Exchange

STREAMS = {"Watch", "ListOwned", "Diff"}


class Relay(grpc.GenericRpcHandler):
    """Passes calls on to the driver at *target*; `exchanges` is what it has kept."""

    def __init__(self, socket: Path, target: Path) -> None:
        self._socket = socket
        self._channel: Any = grpc.aio.insecure_channel(f"unix://{target}", [("grpc.default_authority", "localhost")])
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.exchanges: list[Exchange] = []

    async def __aenter__(self) -> "Relay":
        self._server.add_insecure_port(f"unix://{self._socket}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)
        await self._channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Serve every call, whatever it is called."""
        path = str(details.method)
        if path.rpartition("/")[2] in STREAMS:
            return grpc.unary_stream_rpc_method_handler(self._stream(path))
        return grpc.unary_unary_rpc_method_handler(self._unary(path))

    def _unary(self, path: str) -> Any:
        async def call(request: bytes, context: Any) -> bytes:
            try:
                response: bytes = await self._channel.unary_unary(path)(request, timeout=context.time_remaining())
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
            self._keep(path, request, (response,))
            return response

        return call

    def _stream(self, path: str) -> Any:
        async def call(request: bytes, context: Any) -> AsyncIterator[bytes]:
            told: list[bytes] = []
            try:
                async for response in self._channel.unary_stream(path)(request):
                    told.append(response)
                    if event_pb2.WatchResponse.FromString(response).HasField("in_sync"):
                        self._keep(path, request, tuple(told))
                    yield response
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))

        return call

    def _keep(self, path: str, request: bytes, responses: tuple[bytes, ...]) -> None:
        rpc = path.rpartition("/")[2]
        if rpc in MESSAGES:
            self.exchanges.append(Exchange(rpc, request, responses))

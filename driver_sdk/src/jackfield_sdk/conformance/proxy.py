"""A proxy that loses, delays and doubles calls between the core and the driver.

It forwards any method as raw bytes, in both directions, so it needs to know nothing of the contract.
A fault is set for a method and for a number of calls; after these all is well again:

    async with disturbed(core) as (proxy, wire):
        proxy.set("Postcommit", Fault.DROP_ANSWER)
        await core.settle(port, wire=wire)
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio

from jackfield_sdk._transport import server_options
from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.endpoint import Endpoint
from jackfield_sdk.conformance.wire import Wire

_Context = grpc.aio.ServicerContext[bytes, bytes]


class Fault(StrEnum):
    """What goes wrong with a call."""

    DROP_REQUEST = "the request is lost on the way"
    DROP_ANSWER = "the driver acts, and its answer is lost on the way"
    DUPLICATE = "the request arrives twice at the same time"
    DELAY = "the request arrives late"
    CUT = "the connection breaks while the driver acts"


class FaultProxy:
    """Listens on a Unix socket of its own, at `endpoint`, and forwards to a driver."""

    def __init__(self, driver: Endpoint, *, delay: float = 0.2) -> None:
        """Forward to `driver`; late requests come `delay` seconds late."""
        self._driver = driver
        self._delay = delay
        self._faults: dict[str, list[Fault]] = {}
        self.endpoint = Endpoint("")

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="jackfield-")
        self.endpoint = Endpoint(f"unix:{Path(self._folder.name) / 'proxy.sock'}")
        self._upstream = self._driver.open()
        self._server = grpc.aio.server(options=server_options())
        self._server.add_generic_rpc_handlers((_Handlers(self._forward),))
        self._server.add_insecure_port(self.endpoint.address)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)
        await self._upstream.close()
        self._folder.cleanup()

    def set(self, method: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` calls of a method go wrong."""
        self._faults[method] = [fault] * times

    async def _forward(self, path: str, requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        method = path.rpartition("/")[2]
        waiting = self._faults.get(method)
        fault = waiting.pop(0) if waiting else None
        sent = [request async for request in requests]
        timeout = context.time_remaining()
        match fault:
            case None:
                async for answer in self._call(path, sent, timeout):
                    yield answer
            case Fault.DELAY:
                await asyncio.sleep(self._delay)
                async for answer in self._call(path, sent, timeout):
                    yield answer
            case Fault.DUPLICATE:
                both = await asyncio.gather(self._read(path, sent, timeout), self._read(path, sent, timeout))
                for answer in both[1]:
                    yield answer
            case _:
                await self._lose(fault, path, sent, timeout)
                await context.abort(grpc.StatusCode.UNAVAILABLE, f"proxy: {fault.value}")

    async def _lose(self, fault: Fault, path: str, sent: list[bytes], timeout: float | None) -> None:
        if fault is Fault.DROP_ANSWER:
            await self._read(path, sent, timeout)
        elif fault is Fault.CUT:
            acting = asyncio.create_task(self._read(path, sent, timeout))
            await asyncio.sleep(0.001)
            acting.cancel()
            await asyncio.wait([acting])

    async def _read(self, path: str, sent: list[bytes], timeout: float | None) -> list[bytes]:
        return [answer async for answer in self._call(path, sent, timeout)]

    async def _call(self, path: str, sent: list[bytes], timeout: float | None) -> AsyncIterator[bytes]:
        call: Any = self._upstream.stream_stream(path)
        try:
            async for answer in call(iter(sent), timeout=timeout):
                yield answer
        except grpc.aio.AioRpcError as error:
            raise _Upstream(error) from None


@asynccontextmanager
async def disturbed(core: Core) -> AsyncIterator[tuple[FaultProxy, Wire]]:
    """Stand between a core and its driver: the proxy, and the wire that goes through it."""
    async with FaultProxy(core.options.endpoint) as proxy:
        wire = Wire(proxy.endpoint, core.scrutiny, core.transcript)
        try:
            yield proxy, wire
        finally:
            await wire.close()


class _Upstream(Exception):
    """The driver's own status, on its way through."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(error.details())
        self.error = error


class _Handlers(grpc.GenericRpcHandler):
    """Takes every method as a stream of bytes: a unary call is a stream of one."""

    def __init__(self, forward: Any) -> None:
        self._forward = forward

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method

        async def handle(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
            try:
                async for answer in self._forward(path, requests, context):
                    yield answer
            except _Upstream as upstream:
                error = upstream.error
                await context.abort(error.code(), error.details() or "", error.trailing_metadata() or ())

        return grpc.stream_stream_rpc_method_handler(handle)

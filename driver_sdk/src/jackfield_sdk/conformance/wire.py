"""The raw client: every call to the driver goes through here, and is remembered.

Some rules hold for every answer, whatever the case is about: an error carries `ErrorInfo` where only
a driver can have made it, no text is a raw exception, and no secret comes back. They are looked at
here, where all answers pass, and what is found stays on record until the rule's own case asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2

from jackfield_sdk._transport import MAX_MESSAGE_BYTES
from jackfield_sdk.conformance.endpoint import Endpoint
from jackfield_sdk.conformance.scrutiny import Scrutiny
from jackfield_sdk.conformance.transcript import Refusal, Transcript, refusal_of
from jackfield_sdk.conformance.verdict import Broken

_A = TypeVar("_A", bound=Message)

_DRIVER = "/jackfield.driver.v1.DriverService/"
_MECHANISM = "/jackfield.driver.v1.MechanismService/"
_RECONCILE = "/jackfield.driver.v1.ReconcileService/"
_EVENT = "/jackfield.driver.v1.EventService/"
_HEALTH = "/grpc.health.v1.Health/"

METHODS: dict[str, tuple[str, type[Message]]] = {
    "Handshake": (_DRIVER, driver_pb2.HandshakeResponse),
    "GetSchemas": (_DRIVER, driver_pb2.GetSchemasResponse),
    "UpgradeStates": (_DRIVER, driver_pb2.UpgradeStatesResponse),
    "Drain": (_DRIVER, driver_pb2.DrainResponse),
    "Precommit": (_MECHANISM, mechanism_pb2.PrecommitResponse),
    "Postcommit": (_MECHANISM, mechanism_pb2.PostcommitResponse),
    "BindPorts": (_MECHANISM, mechanism_pb2.BindPortsResponse),
    "ListOwned": (_RECONCILE, reconcile_pb2.ListOwnedResponse),
    "Diff": (_RECONCILE, reconcile_pb2.DiffResponse),
    "Watch": (_EVENT, event_pb2.WatchResponse),
    "Check": (_HEALTH, health_pb2.HealthCheckResponse),
}
_STREAMED = {"ListOwned", "Diff", "Watch"}
_COUNTED = {"Precommit", "Postcommit", "BindPorts"}

# Seconds that a call may take where no rule is about time: enough for a host that is busy with other work.
PATIENCE = 30.0
# Seconds until the end of a listing, by the contract's limit for one message of it.
_LISTED_WITHIN = 120.0


class Wire:
    """Calls one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        scrutiny: Scrutiny,
        transcript: Transcript,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """Open a channel that sends messages of that size; nothing is sent yet."""
        self._channel = endpoint.open(max_message_bytes)
        self._scrutiny = scrutiny
        self._transcript = transcript
        self._turn = asyncio.Semaphore(4)

    def allow(self, max_in_flight: int) -> None:
        """Make at most so many Precommit, Postcommit and BindPorts at the same time."""
        self._turn = asyncio.Semaphore(max_in_flight)

    async def close(self) -> None:
        """Close the connection, with all calls on it."""
        await self._channel.close()

    async def call(self, method: str, request: Message | bytes, timeout: float = PATIENCE) -> Any:
        """Make a unary call; `Broken` if a status comes instead of an answer."""
        answer = await self.attempt(method, request, timeout)
        if isinstance(answer, Refusal):
            raise Broken(f"{method} was refused: {answer}", "an answer")
        return answer

    async def attempt(self, method: str, request: Message | bytes, timeout: float = PATIENCE) -> Any:
        """Make a unary call and return the answer, or the `Refusal` that came instead."""
        if method in _COUNTED:
            async with self._turn:
                return await self._attempt(method, request, timeout)
        return await self._attempt(method, request, timeout)

    async def refused(self, method: str, request: Message | bytes, timeout: float = PATIENCE) -> Refusal:
        """Make a call that must be refused; `Broken` if it is answered."""
        if method in _STREAMED:
            answer: Any = await self.listed_or_refused(method, request, timeout)
        else:
            answer = await self.attempt(method, request, timeout)
        if not isinstance(answer, Refusal):
            raise Broken(f"{method} was answered", "a status with ErrorInfo")
        return answer

    async def listed(self, method: str, request: Message | bytes, timeout: float = _LISTED_WITHIN) -> list[Any]:
        """Read a stream to its end; `Broken` if it breaks."""
        answer = await self.listed_or_refused(method, request, timeout)
        if isinstance(answer, Refusal):
            raise Broken(f"{method} broke: {answer}", "a stream that ends")
        return answer

    async def listed_or_refused(
        self, method: str, request: Message | bytes, timeout: float = _LISTED_WITHIN
    ) -> list[Any] | Refusal:
        """Read a stream to its end, or return the `Refusal` that it broke with."""
        found: list[Any] = []

        async def read() -> Message:
            async for part in self._stream(method, request, timeout):
                self._scrutiny.answer(method, part)
                found.append(part)
            return found[-1] if found else METHODS[method][1]()

        answer = await self._recorded(method, request, read)
        return answer if isinstance(answer, Refusal) else found

    async def first_of(self, method: str, request: Message | bytes) -> Any:
        """Open a stream, return its first message, or the `Refusal` that came instead, and leave it."""

        async def read() -> Any:
            async with aclosing(self._stream(method, request, PATIENCE)) as parts:
                async for part in parts:
                    self._scrutiny.answer(method, part)
                    return part
            return METHODS[method][1]()

        return await self._recorded(method, request, read)

    async def stream(self, method: str, request: Message | bytes, timeout: float | None = None) -> AsyncIterator[Any]:
        """Read a stream that does not end by itself; AioRpcError if it breaks."""
        async for part in self._stream(method, request, timeout):
            self._scrutiny.answer(method, part)
            yield part

    async def _attempt(self, method: str, request: Message | bytes, timeout: float) -> Any:
        service, response = METHODS[method]
        call: Any = self._channel.unary_unary(service + method, _to_bytes)

        async def make() -> Message:
            return _parsed(response, await call(request, timeout=timeout))

        answer = await self._recorded(method, request, make)
        if not isinstance(answer, Refusal):
            self._scrutiny.answer(method, answer)
        return answer

    async def _recorded(self, method: str, request: Message | bytes, make: Callable[[], Awaitable[_A]]) -> _A | Refusal:
        try:
            answer = await make()
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            self._transcript.record(method, _for_record(request), str(refusal))
            self._scrutiny.refusal(method, refusal, whole=not isinstance(request, bytes))
            return refusal
        except DecodeError as error:
            self._transcript.record(method, _for_record(request), "bytes that cannot be decoded")
            raise Broken(f"{method} answered bytes that cannot be decoded", "a message of the contract") from error
        self._transcript.record(method, _for_record(request), answer)
        return answer

    async def _stream(self, method: str, request: Message | bytes, timeout: float | None) -> AsyncGenerator[Any]:
        service, response = METHODS[method]
        stream: Any = self._channel.unary_stream(service + method, _to_bytes)
        call = stream(request, timeout=timeout)
        try:
            async for part in call:
                yield _parsed(response, part)
        finally:
            call.cancel()


def _to_bytes(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _parsed(response: type[Message], data: bytes) -> Message:
    # gRPC's own deserializer would log a broken answer and hand out None.
    message = response()
    message.ParseFromString(data)
    return message


def _for_record(request: Message | bytes) -> Message | str:
    return f"{len(request)} bytes: {request[:40].hex()}" if isinstance(request, bytes) else request

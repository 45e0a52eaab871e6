"""One connection to one driver process.

Client libraries make many status codes themselves, so an error is a word of
the driver only if it carries ``ErrorInfo`` of the driver's own domain; all
others mean that nobody knows what happened. Answers are decoded here and not by
the library, which would turn an undecodable one into ``None`` and a log line.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, EncodeError, Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2
from prometheus_client import Counter, Histogram

from jackfield_core.mechanism.answers import Garbage, NoVerdict
from jackfield_core.mechanism.dial import open_channel
from jackfield_core.mechanism.status import no_verdict
from jackfield_core.mechanism.wire import Encoded
from jackfield_core.setting import Tls

CALLS = Counter("jackfield_driver_calls", "Calls to mechanism drivers.", ["driver", "rpc", "code"])
SECONDS = Histogram(
    "jackfield_driver_call_seconds",
    "Time that calls to mechanism drivers took.",
    ["driver", "rpc"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60),
)

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT")
MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[RequestT, ResponseT]):
    """A remote procedure: its short name, its path, and how its answer is decoded."""

    name: str
    path: str
    request: type[RequestT]
    decode: Callable[[bytes], ResponseT]
    is_harmless: bool = False
    """True if it has no side effects, and a user waits for it."""
    items: str = ""
    """Field of the request whose items are the work to do; empty if the work is always small."""

    def work(self, request: RequestT | Encoded) -> int:
        """Return how many items of work *request* brings."""
        if isinstance(request, Encoded):
            return request.work
        return len(getattr(request, self.items)) if self.items else 0


def _rpc(
    service: str,
    name: str,
    request: type[RequestT],
    response: type[MessageT],
    *,
    is_harmless: bool = False,
    items: str = "",
) -> Rpc[RequestT, MessageT]:
    return Rpc(name, f"/{service}/{name}", request, response.FromString, is_harmless, items)


_DRIVER = "jackfield.driver.v1.DriverService"
_MECHANISM = "jackfield.driver.v1.MechanismService"
HANDSHAKE = _rpc(_DRIVER, "Handshake", driver_pb2.HandshakeRequest, driver_pb2.HandshakeResponse)
GET_SCHEMAS = _rpc(_DRIVER, "GetSchemas", driver_pb2.GetSchemasRequest, driver_pb2.GetSchemasResponse)
UPGRADE_STATES = _rpc(_DRIVER, "UpgradeStates", driver_pb2.UpgradeStatesRequest, driver_pb2.UpgradeStatesResponse)
DRAIN = _rpc(_DRIVER, "Drain", driver_pb2.DrainRequest, driver_pb2.DrainResponse)
PRECOMMIT = _rpc(
    _MECHANISM,
    "Precommit",
    mechanism_pb2.PrecommitRequest,
    mechanism_pb2.PrecommitResponse,
    is_harmless=True,
    items="changes",
)
# Whoever reads the answer decodes it, if the bytes do not say already what it means.
POSTCOMMIT = Rpc("Postcommit", f"/{_MECHANISM}/Postcommit", mechanism_pb2.PostcommitRequest, bytes, items="changes")
BIND_PORTS = _rpc(
    _MECHANISM,
    "BindPorts",
    mechanism_pb2.BindPortsRequest,
    mechanism_pb2.BindPortsResponse,
    is_harmless=True,
    items="requests",
)
HEALTH = _rpc("grpc.health.v1.Health", "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)
WATCH = _rpc("jackfield.driver.v1.EventService", "Watch", event_pb2.WatchRequest, event_pb2.WatchResponse)
_RECONCILE = "jackfield.driver.v1.ReconcileService"
LIST_OWNED = _rpc(_RECONCILE, "ListOwned", reconcile_pb2.ListOwnedRequest, reconcile_pb2.ListOwnedResponse)
DIFF = _rpc(_RECONCILE, "Diff", reconcile_pb2.DiffRequest, reconcile_pb2.DiffResponse)
_ALL = (HANDSHAKE, GET_SCHEMAS, UPGRADE_STATES, DRAIN, PRECOMMIT, POSTCOMMIT, BIND_PORTS, HEALTH)


class DriverClient:
    """A channel to the driver called *name*; *endpoint* is ``unix:///path`` or address and port."""

    def __init__(self, name: str, endpoint: str, tls: Tls | None = None) -> None:
        """Open the channel, with the files of *tls* as they are now.

        Raises:
            NoVerdict: One of them cannot be read.
        """
        self._name = name
        self._channel = open_channel(name, endpoint, tls)
        self._methods: dict[str, Any] = {rpc.name: self._channel.unary_unary(rpc.path) for rpc in _ALL}
        self._waited_for: set[Any] = set()
        self.told_at = 0.0
        """When a stream that has to end last brought something (``time.monotonic()``)."""
        self._keepers = 0
        self._not_kept = asyncio.Event()
        self._not_kept.set()
        self._seconds = {rpc.name: SECONDS.labels(name, rpc.name) for rpc in _ALL}
        self._answered = {rpc.name: CALLS.labels(name, rpc.name, "OK") for rpc in _ALL}

    async def call(self, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, timeout: float) -> ResponseT:
        """Call *rpc* and return the decoded answer within *timeout* seconds.

        Raises:
            NoVerdict: No answer; whether the driver did anything is unknown.
            Garbage: The answer cannot be decoded.
        """
        started = time.perf_counter()
        call = None
        try:
            # The deadline belongs to gRPC: it reaches the driver, and costs no timer here.
            call = self._methods[rpc.name](_encode(self._name, request), timeout=timeout)
            if rpc.is_harmless:
                self._waited_for.add(call)
            response = rpc.decode(await call)
        except DecodeError:
            self._count(rpc.name, "GARBAGE")
            raise Garbage(self._name, f"the answer to {rpc.name} cannot be decoded") from None
        except grpc.aio.AioRpcError as error:
            self._count(rpc.name, error.code().name)
            raise no_verdict(self._name, error) from None
        except grpc.aio.BaseError as error:
            raise NoVerdict(self._name, f"the channel is not usable: {error}", attempted=False) from None
        except asyncio.CancelledError:
            self._count(rpc.name, "CANCELLED")
            _raise_unless_closed(self._name)
        finally:
            self._waited_for.discard(call)
            self._seconds[rpc.name].observe(time.perf_counter() - started)
        self._answered[rpc.name].inc()
        return response

    async def stream(
        self, rpc: Rpc[RequestT, ResponseT], request: RequestT | Encoded, silence: float, timeout: float | None = None
    ) -> AsyncGenerator[ResponseT, None]:
        """Call *rpc* and yield its answers until the driver ends the stream, within *timeout* seconds if it has to end.

        Raises:
            NoVerdict: The stream broke, or brought nothing for *silence* seconds.
            Garbage: An answer cannot be decoded.
        """
        method: Any = self._channel.unary_stream(rpc.path)
        try:
            call = method(_encode(self._name, request), timeout=timeout)
        except grpc.aio.BaseError as error:
            raise NoVerdict(self._name, f"the channel is not usable: {error}", attempted=False) from None
        try:
            while (answer := await self._next(rpc, call, silence)) is not None:
                if timeout is not None:
                    self.told_at = time.monotonic()
                yield answer
            self._count(rpc.name, "OK")
        finally:
            call.cancel()

    async def _next(self, rpc: Rpc[RequestT, ResponseT], call: Any, silence: float) -> ResponseT | None:
        """Return the next answer of a stream, or None at its end."""
        try:
            async with asyncio.timeout(silence):
                answer = await call.read()
            return None if answer is grpc.aio.EOF else rpc.decode(answer)
        except TimeoutError:
            self._count(rpc.name, "DEADLINE_EXCEEDED")
            raise NoVerdict(self._name, f"it told nothing for {silence:g} s", code="DEADLINE_EXCEEDED") from None
        except DecodeError:
            self._count(rpc.name, "GARBAGE")
            raise Garbage(self._name, f"an answer to {rpc.name} cannot be decoded") from None
        except grpc.aio.AioRpcError as error:
            self._count(rpc.name, error.code().name)
            raise no_verdict(self._name, error) from None
        except grpc.aio.BaseError as error:
            raise NoVerdict(self._name, f"the channel is not usable: {error}", attempted=False) from None
        except asyncio.CancelledError:
            _raise_unless_closed(self._name)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the channel from being closed because the driver is slow: streams that take long go on."""
        self._keepers += 1
        self._not_kept.clear()
        try:
            yield
        finally:
            self._keepers -= 1
            if not self._keepers:
                self._not_kept.set()

    @property
    def is_kept(self) -> bool:
        """True while somebody needs the channel, see :meth:`kept`."""
        return self._keepers > 0

    async def not_kept(self) -> None:
        """Return when nobody needs the channel any more, see :meth:`kept`."""
        await self._not_kept.wait()

    async def disconnected(self) -> None:
        """Return when the connection that is there now is gone."""
        while (state := self._channel.get_state()) is grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)

    def abandon(self) -> None:
        """End the calls that users wait for; the process does not answer them."""
        for call in [*self._waited_for]:
            call.cancel()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; calls in flight get *grace* seconds to end."""
        await self._channel.close(grace)

    def _count(self, rpc: str, code: str) -> None:
        CALLS.labels(self._name, rpc, code).inc()


def _encode(name: str, request: Message | Encoded) -> bytes:
    if isinstance(request, Encoded):
        return request.data
    try:
        return request.SerializeToString()
    except EncodeError as error:
        raise NoVerdict(name, f"the request cannot be encoded: {error}", code="INTERNAL", attempted=False) from error


def _raise_unless_closed(name: str) -> NoReturn:
    """Tell a caller that gave up from a channel that was closed under its feet."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    raise NoVerdict(name, "it does not answer, or the connection was closed", code="CANCELLED")

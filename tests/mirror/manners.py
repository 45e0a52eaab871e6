"""The ways in which a driver can misbehave, one function each.

A manner gets the call, the request and the good answer. It returns another answer, as message or
as bytes, or None for the good one; or it never returns, or ends the call with a status.
"""

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, event_pb2, mechanism_pb2

Manner = Callable[..., Awaitable[Any]]
HUGE = 20 << 20
"""Bytes of an answer that is larger than any message may be."""
SHOUT = "\x1b[31mRED\x00 ALERT\r\n\x07" * 20_000
"""A text for people that no terminal, database or person should get."""
_JUDGING = ("Precommit", "Postcommit", "BindPorts")


async def hangs(evil: Any, rpc: str, _request: Any, _good: Any, context: Any) -> Any:
    """Never answer."""
    if rpc in _JUDGING:
        await evil.changed.wait()
        await context.abort(grpc.StatusCode.UNKNOWN, "it hung")


async def dies(evil: Any, rpc: str, _request: Any, _good: Any, _context: Any) -> Any:
    """Be gone in the middle of the call."""
    if rpc in _JUDGING:
        evil.die()


async def garbage(_evil: Any, rpc: str, *_: Any) -> Any:
    """Answer with bytes that are no message."""
    return b"\xff\xfe garbage" if rpc in _JUDGING else None


async def wrong_ids(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Answer something that nobody asked."""
    if rpc not in _JUDGING:
        return None
    for result in good.results:
        setattr(result, "request_id" if rpc == "BindPorts" else "change_id", "nobody")
    return good


async def too_few(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Leave one result out."""
    if rpc in _JUDGING:
        del good.results[-1]
        return good
    return None


async def too_many(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Answer everything twice."""
    if rpc in _JUDGING:
        good.results.extend(list(good.results))
        return good
    return None


async def higher_revision(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Acknowledge a revision that was never sent."""
    if rpc != "Postcommit":
        return None
    for result in good.results:
        result.done.revision += 1
    return good


async def huge(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Answer with 20 MB."""
    return good.SerializeToString() + _padding(HUGE) if rpc in _JUDGING else None


async def unimplemented(_evil: Any, rpc: str, _request: Any, _good: Any, context: Any) -> Any:
    """Declare what is not there."""
    if rpc in _JUDGING:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")


async def no_limits(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Declare limits that nobody keeps, and ask the core to keep megabytes."""
    if rpc == "Handshake":
        good.limits.CopyFrom(
            capability_pb2.Limits(max_batch=2**32 - 1, max_in_flight=2**32 - 1, max_state_bytes=2**32 - 1)
        )
        return good
    state = change_pb2.DriverState(version=1, data=b"x" * (8 << 20))
    for result in getattr(good, "results", ()):
        if rpc == "Precommit":
            result.accept.state.CopyFrom(state)
        elif rpc == "Postcommit":
            result.done.state.CopyFrom(state)
    return good


async def changes_instance(evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Be somebody else with another memory every time; the server is reborn every second."""
    if rpc != "Handshake":
        return None
    good.instance_id = str(uuid.uuid4())
    good.backends[0].epoch = str(evil.births)
    return good


async def refuses(_evil: Any, rpc: str, request: Any, _good: Any, _context: Any) -> Any:
    """Refuse whatever there is to refuse."""
    if rpc == "Precommit":
        reject = mechanism_pb2.Reject(reason="NO", message="Not today.")
        return mechanism_pb2.PrecommitResponse(
            results=[mechanism_pb2.PrecommitResult(change_id=one.change_id, reject=reject) for one in request.changes]
        )
    if rpc == "Postcommit":
        return _failures(request, change_pb2.Error(disposition=change_pb2.DISPOSITION_INFEASIBLE, reason="NO"))
    if rpc == "BindPorts":
        skip = mechanism_pb2.Skip(reason="Not today.")
        return mechanism_pb2.BindPortsResponse(
            results=[mechanism_pb2.BindResult(request_id=one.request_id, skip=skip) for one in request.requests]
        )
    return None


async def slow_handshake(_evil: Any, rpc: str, *_: Any) -> Any:
    """Think for five seconds about who it is."""
    if rpc == "Handshake":
        await asyncio.sleep(5)


async def flaps(evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Be able to load only every other time; the server is reborn every second."""
    if rpc == "Handshake" and evil.calls["Handshake"] % 2:
        good.load_error = SHOUT
        return good
    return None


async def in_progress(_evil: Any, rpc: str, request: Any, _good: Any, _context: Any) -> Any:
    """Be at it for ever, and ask to be asked again at once."""
    if rpc != "Postcommit":
        return None
    waits = mechanism_pb2.InProgress(retry_after=Duration())
    return mechanism_pb2.PostcommitResponse(
        results=[mechanism_pb2.PostcommitResult(change_id=one.change_id, in_progress=waits) for one in request.changes]
    )


async def attributes(_evil: Any, rpc: str, _request: Any, good: Any, _context: Any) -> Any:
    """Set attributes that it never declared."""
    for result in getattr(good, "results", ()):
        if rpc == "Precommit":
            result.accept.attributes["never_declared"] = b'"x"'
        elif rpc == "Postcommit":
            result.done.attributes["never_declared"] = b'"x"'
    return good


async def shouts(_evil: Any, rpc: str, request: Any, _good: Any, _context: Any) -> Any:
    """Fail with texts of half a megabyte, full of control characters."""
    loud = change_pb2.Error(reason=SHOUT, user_message=SHOUT, operator_message=SHOUT)
    if rpc == "Postcommit":
        return _failures(request, loud)
    if rpc == "Precommit":
        return mechanism_pb2.PrecommitResponse(
            results=[mechanism_pb2.PrecommitResult(change_id=one.change_id, failed=loud) for one in request.changes]
        )
    return None


async def shouts_in_status(evil: Any, rpc: str, _request: Any, _good: Any, context: Any) -> Any:
    """Fail with a status whose texts are full of control characters."""
    if rpc in _JUDGING:
        info = error_details_pb2.ErrorInfo(domain=evil.name, reason=SHOUT[:100])
        status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=SHOUT[:1000])
        status.details.add().Pack(info)
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(grpc.StatusCode.INTERNAL, SHOUT[:1000], metadata)


async def mumbles(_evil: Any, *_: Any) -> Any:
    """Answer well, and tell events that are no messages."""


async def floods(_evil: Any, *_: Any) -> Any:
    """Answer well, and tell more events than anybody can hear; see `flood`."""


MODES: dict[str, Manner] = {
    manner.__name__: manner
    for manner in (
        hangs, dies, garbage, wrong_ids, too_few, too_many, higher_revision, huge, unimplemented, no_limits,
        changes_instance, refuses, slow_handshake, flaps, in_progress, attributes, shouts, shouts_in_status, mumbles,
        floods,
    )
}  # fmt: skip
"""All of them, by name."""


def flood(evil: Any) -> Iterator[bytes]:
    """Return events without end to come: of ports that exist and that do not, of drift, of epochs, and big ones."""
    for number in range(1000):
        port_id = evil.known_ports[number % len(evil.known_ports)] if evil.known_ports and number % 2 else uuid.uuid4()
        status = event_pb2.PortStatus(port_id=str(port_id), observed_revision=number, up=bool(number & 2))
        yield event_pb2.WatchResponse(port_status=status).SerializeToString()
    for id in list(evil.held):
        gone = event_pb2.Drift(kind=change_pb2.RESOURCE_KIND_NETWORK, id=id, message=SHOUT)
        yield event_pb2.WatchResponse(drift=gone).SerializeToString()
    backend = capability_pb2.Backend(id="fabric", epoch=str(uuid.uuid4()), message=SHOUT)
    yield event_pb2.WatchResponse(backend=backend).SerializeToString()


def _failures(request: Any, error: change_pb2.Error) -> Any:
    return mechanism_pb2.PostcommitResponse(
        results=[mechanism_pb2.PostcommitResult(change_id=one.change_id, failed=error) for one in request.changes]
    )


@functools.cache
def _padding(size: int) -> bytes:
    """Return an unknown field of *size* bytes, which a decoder skips."""
    length, rest = b"", size
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return b"\xfa\x7f" + length + bytes([rest]) + bytes(size)

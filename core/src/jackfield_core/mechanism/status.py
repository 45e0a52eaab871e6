"""What a status says beyond its code.

A driver speaks for itself if the status holds ``ErrorInfo`` of its own domain.
Then its ``RetryInfo`` is heeded, and its ``BadRequest``, which names the fields
that it cannot take, reaches the operator.
"""

from typing import TypeVar

import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.verdicts import clean

LONGEST_PAUSE = 86400.0
"""Seconds that a driver can ask to be left alone."""
LONGEST_TEXT = 1000
"""Characters of what is kept of a driver's words."""

DRAINING = "DRAINING"
"""Reason of a process that takes nothing new."""
NEVER_LEFT = "failed to connect"
"""How gRPC's text begins when a call found no connection to leave on."""

DetailT = TypeVar("DetailT", bound=Message)


def no_verdict(name: str, error: grpc.aio.AioRpcError) -> NoVerdict:
    """Return what a failed call to the driver called *name* tells."""
    code = error.code().name
    status = _rich_status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    if info is None or info.domain != name:
        is_sent = not (error.details() or "").startswith(NEVER_LEFT)
        return NoVerdict(name, _text(code, error, []), code=code, attempted=is_sent)
    return NoVerdict(
        name,
        _text(code, error, _violations(status)),
        code=code,
        reason=clean(info.reason, 63),
        # A process that drains has done nothing, and says so.
        attempted=info.reason != DRAINING,
        has_error_info=True,
        retry_after=_retry_after(status),
    )


def _rich_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    return status


def _detail(status: status_pb2.Status, message: DetailT) -> DetailT | None:
    for detail in status.details:
        try:
            if detail.Is(message.DESCRIPTOR) and detail.Unpack(message):
                return message
        except DecodeError:
            continue
    return None


def _text(code: str, error: grpc.aio.AioRpcError, violations: list[str]) -> str:
    said = error.details() or "no details"
    # A driver that names one field often repeats the sentence there.
    more = [violation for violation in violations if violation not in said]
    return clean("; ".join([f"{code}: {said}", *more]), LONGEST_TEXT)


def _violations(status: status_pb2.Status) -> list[str]:
    request = _detail(status, error_details_pb2.BadRequest())
    if request is None:
        return []
    return [f"{violation.field}: {violation.description}" for violation in request.field_violations]


def _retry_after(status: status_pb2.Status) -> float | None:
    info = _detail(status, error_details_pb2.RetryInfo())
    if info is None:
        return None
    return float(min(max(0.0, info.retry_delay.seconds + info.retry_delay.nanos / 1e9), LONGEST_PAUSE))

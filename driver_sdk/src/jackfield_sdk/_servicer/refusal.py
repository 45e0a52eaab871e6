"""How a whole call is refused: a status with our `ErrorInfo`, and never the text of an exception.

Client libraries make many status codes by themselves, so the core believes a refusal only if it
carries `ErrorInfo` with the driver's name as its domain. Everything else it treats as an unknown
outcome, and that is what a fault of ours has to look like.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Protocol, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from jackfield_sdk._convert import encode
from jackfield_sdk._redaction import trace_of
from jackfield_sdk.errors import DriverError, Infeasible, Rejected, RetryLater
from jackfield_sdk.reasons import CallReason

log = structlog.get_logger("jackfield_sdk")

RpcContext = grpc.aio.ServicerContext[Any, Any]
_DETAILS = "grpc-status-details-bin"


class Refused(Exception):
    """A call that is not answered: the status code, a stable reason, and a sentence.

    `field` is the field of the request that is wrong, as the proto files name it. `retry_after` is
    in seconds.
    """

    def __init__(
        self, code: grpc.StatusCode, reason: str, message: str, *, field: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after


def refused(why: CallReason, message: str, *, field: str = "") -> Refused:
    """Refuse a call for a reason of the contract."""
    return Refused(why.code, why.reason, message, field=field)


class _Service(Protocol):
    @property
    def driver_name(self) -> str: ...


_S = TypeVar("_S", bound=_Service)
_Q = TypeVar("_Q", bound=Message)
_A = TypeVar("_A")


def answered(
    method: Callable[[_S, _Q, RpcContext], Awaitable[_A]],
) -> Callable[[_S, _Q, RpcContext], Awaitable[_A]]:
    """Turn what a unary method raises into a status."""

    @functools.wraps(method)
    async def call(self: _S, request: _Q, context: RpcContext) -> _A:
        try:
            answer = await method(self, request, context)
        except Exception as error:
            await _abort(self.driver_name, method.__name__, error, request, context)
        log.debug("call.answered", driver=self.driver_name, method=method.__name__, request=request, answer=answer)
        return answer

    return call


def streamed(
    method: Callable[[_S, _Q, RpcContext], AsyncIterator[_A]],
) -> Callable[[_S, _Q, RpcContext], AsyncIterator[_A]]:
    """Turn what a streaming method raises into a status."""

    @functools.wraps(method)
    async def call(self: _S, request: _Q, context: RpcContext) -> AsyncIterator[_A]:
        try:
            async for answer in method(self, request, context):
                yield answer
        except Exception as error:
            await _abort(self.driver_name, method.__name__, error, request, context)

    return call


def refusal_of(error: DriverError | Rejected) -> Refused:
    """Refuse a call because a hook that answers for the whole of it raised an error of ours."""
    if isinstance(error, Rejected):
        return Refused(grpc.StatusCode.FAILED_PRECONDITION, error.reason, error.message)
    final = isinstance(error, Infeasible)
    code = grpc.StatusCode.FAILED_PRECONDITION if final else grpc.StatusCode.UNAVAILABLE
    retry_after = error.delay if isinstance(error, RetryLater) else None
    return Refused(code, error.code, error.reason, retry_after=retry_after)


async def _abort(driver_name: str, method: str, error: Exception, request: Message, context: RpcContext) -> NoReturn:
    if isinstance(error, Refused):
        details = rich_status(error, driver_name).SerializeToString()
        await context.abort(error.code, error.message, ((_DETAILS, details),))
    log.error("call.failed", driver=driver_name, method=method, exception=trace_of(error, request))
    await context.abort(grpc.StatusCode.INTERNAL, "the driver failed; its log has the trace")


def rich_status(refused: Refused, driver_name: str) -> Status:
    """Build the `google.rpc.Status` of a refusal."""
    status = Status(code=refused.code.value[0], message=refused.message)
    status.details.add().Pack(ErrorInfo(reason=refused.reason, domain=driver_name))
    if refused.field:
        violation = BadRequest.FieldViolation(field=refused.field, description=refused.message)
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    if refused.retry_after is not None:
        status.details.add().Pack(RetryInfo(retry_delay=encode.duration(refused.retry_after)))
    return status

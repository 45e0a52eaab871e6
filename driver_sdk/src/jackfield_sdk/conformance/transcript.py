"""What went over the wire in one case, for the report of a failure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from jackfield_sdk.conformance.mask import shown

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status that came instead of an answer; `reason` and `domain` are empty without `ErrorInfo`."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    details: bytes = b""

    def __str__(self) -> str:
        info = f"ErrorInfo(reason={self.reason}, domain={self.domain})" if self.domain else "no ErrorInfo"
        return f"{self.code.name}, {info}: {self.message}"


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Read the status of a failed call, and what it carries."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS:
            details = value if isinstance(value, bytes) else value.encode()
            return _with_info(error, details)
    return Refusal(error.code(), error.details() or "")


def _with_info(error: grpc.aio.AioRpcError, details: bytes) -> Refusal:
    status, info = Status(), ErrorInfo()
    try:
        status.ParseFromString(details)
        packed = next((each for each in status.details if each.Is(ErrorInfo.DESCRIPTOR)), None)
        if packed is not None:
            packed.Unpack(info)
    except DecodeError:
        return Refusal(error.code(), error.details() or "", details=details)
    return Refusal(error.code(), error.details() or "", info.reason, info.domain, details)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call: the request as text, and the answer, the refusal, or what became of it."""

    method: str
    sent: str
    came: str


class Transcript:
    """The last exchanges of a case."""

    def __init__(self, keep: int = 3) -> None:
        """Keep so many exchanges."""
        self._exchanges: deque[tuple[str, Message | str, Message | str]] = deque(maxlen=keep)

    def clear(self) -> None:
        """Begin another case."""
        self._exchanges.clear()

    def record(self, method: str, sent: Message | str, came: Message | str) -> None:
        """Remember an exchange; it is put into words only if somebody asks."""
        self._exchanges.append((method, sent, came))

    def exchanges(self) -> list[Exchange]:
        """Return what is remembered, the last one last, masked."""
        return [Exchange(method, _text(sent), _text(came)) for method, sent, came in self._exchanges]


def _text(part: Message | str) -> str:
    return part if isinstance(part, str) else shown(part)

"""The look that every answer gets: errors are marked, texts are for people, secrets stay away.

What is found is kept by rule. The case of that rule fails with it, at the end of the run, even if
the answer was given in the middle of quite another case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from jackfield_sdk._redaction import is_map, masked_copy
from jackfield_sdk.conformance.mask import leaks
from jackfield_sdk.conformance.transcript import Refusal

# Codes that no client library makes by itself (gRPC, doc/statuscodes.md): a driver did.
_DRIVERS_OWN = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.DATA_LOSS,
}

# How the text of an exception looks when it gets out of the runtimes that drivers are written in.
_RAW = re.compile(
    r"Traceback \(most recent|File \".*\", line \d+|Unexpected <class|Exception calling application"
    r"|Exception iterating|<class '|object at 0x|Error: .*\n\s+at |\bat [\w.$<>]+ ?\(.*:\d+(:\d+)?\)"
    r"|panic: |goroutine \d+"
    r"|java\.\w+\.|\b\w+(Error|Exception)\b\s*[:(]"
)
_REASON = re.compile(r"[A-Z0-9_]{1,63}")
# Fields of answers that hold a stable name, and fields that hold a sentence.
_REASONS = {"Error.reason", "Reject.reason"}
_SENTENCES = {
    "Error.user_message",
    "Error.operator_message",
    "Reject.message",
    "Skip.reason",
    "Veto.reason",
    "Backend.message",
    "Unreachable.reason",
    "HandshakeResponse.load_error",
    "Drift.message",
    "PortStatus.reason",
    "DiffResponse.lines",
}


class Scrutiny:
    """Collects what is wrong with answers, by the id of the rule."""

    def __init__(self, sentinel: str) -> None:
        """Look for `sentinel` where no secret may stand."""
        self.sentinel = sentinel
        self.driver = ""
        self._found: dict[str, list[str]] = {}

    def found(self, rule: str) -> list[str]:
        """Return what was found against a rule, in order."""
        return self._found.get(rule, [])

    def answer(self, method: str, message: Message) -> None:
        """Look at an answer, or at one message of a stream."""
        if leaks(message, self.sentinel):
            self._note("E3", f"the answer to {method} contains a value that was sent in a field marked sensitive")
        for field, text in _texts(masked_copy(message)):
            if field in _SENTENCES and _RAW.search(text):
                self._note("I6", f"{field} of an answer to {method} is the text of an exception: {text[:200]!r}")
            if field in _REASONS and not _REASON.fullmatch(text):
                self._note("I5", f"{field} of an answer to {method} is no stable name: {text[:80]!r}")

    def refusal(self, method: str, refusal: Refusal, *, whole: bool = True) -> None:
        """Look at a status; one that answers a message that was not `whole` may be in the library's words."""
        if self.sentinel in refusal.message or self.sentinel.encode() in refusal.details:
            self._note("E3", f"the status of {method} contains a value that was sent in a field marked sensitive")
        if whole and _RAW.search(refusal.message):
            self._note("I6", f"the status of {method} is the text of an exception: {refusal.message[:200]!r}")
        if refusal.code in _DRIVERS_OWN and not refusal.domain:
            self._note("I5", f"{method} was refused with {refusal.code.name} and no ErrorInfo")
        if refusal.domain and self.driver and refusal.domain != self.driver:
            self._note("I5", f"the domain of {method}'s ErrorInfo is {refusal.domain!r}, the driver is {self.driver!r}")
        if refusal.domain and not _REASON.fullmatch(refusal.reason):
            self._note("I5", f"the reason of {method}'s ErrorInfo is no stable name: {refusal.reason[:80]!r}")
        if refusal.details and not _readable(refusal.details):
            self._note("I5", f"the details of {method}'s status are no google.rpc.Status")

    def _note(self, rule: str, what: str) -> None:
        noted = self._found.setdefault(rule, [])
        if what not in noted:
            noted.append(what)


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """Walk through all strings of a message, each with "Message.field"."""
    for field, value in message.ListFields():
        many = value if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_STRING:
            for text in many:
                yield f"{message.DESCRIPTOR.name}.{field.name}", text
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not is_map(field):
            for each in many:
                yield from _texts(each)


def _readable(details: bytes) -> bool:
    try:
        Status().ParseFromString(details)
    except DecodeError:
        return False
    return True

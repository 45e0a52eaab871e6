"""A recorded conversation: one JSON object a line, with the bytes of the wire and a sentence about them.

    {"rpc": "Postcommit", "says": "create network#1 at 1: done", "request": "…", "response": "…"}

The bytes are what counts, in base64: a field that gets another number tomorrow is noticed. The
sentence is for people. The last line holds how the story ended.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2

FOLDER = Path(__file__).parent / "recordings"
"""A folder for each release, a file for each of its drivers."""

MESSAGES: dict[str, tuple[type[Message], type[Message]]] = {
    "Handshake": (driver_pb2.HandshakeRequest, driver_pb2.HandshakeResponse),
    "GetSchemas": (driver_pb2.GetSchemasRequest, driver_pb2.GetSchemasResponse),
    "Precommit": (mechanism_pb2.PrecommitRequest, mechanism_pb2.PrecommitResponse),
    "Postcommit": (mechanism_pb2.PostcommitRequest, mechanism_pb2.PostcommitResponse),
    "BindPorts": (mechanism_pb2.BindPortsRequest, mechanism_pb2.BindPortsResponse),
    "Watch": (event_pb2.WatchRequest, event_pb2.WatchResponse),
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call: its short name, the request, and the answers, which are one but for streams."""

    rpc: str
    request: bytes
    responses: tuple[bytes, ...]

    @property
    def asked(self) -> Any:
        """The request as today's contract reads it."""
        return MESSAGES[self.rpc][0].FromString(self.request)

    @property
    def answered(self) -> Any:
        """The first answer as today's contract reads it."""
        return MESSAGES[self.rpc][1].FromString(self.responses[0])


@dataclass(frozen=True, slots=True)
class Recording:
    """All calls of a story in the order of their ends, and its end."""

    exchanges: Sequence[Exchange]
    end: dict[str, Any]


def save(path: Path, exchanges: Iterable[Exchange], sayings: Iterable[str], end: dict[str, Any]) -> None:
    """Write a recording."""
    lines = [
        {
            "rpc": exchange.rpc,
            "says": saying,
            "request": base64.b64encode(exchange.request).decode(),
            "responses": [base64.b64encode(response).decode() for response in exchange.responses],
        }
        for exchange, saying in zip(exchanges, sayings, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"end": end}]))


def load(path: Path) -> Recording:
    """Read a recording."""
    *lines, last = [json.loads(line) for line in path.read_text().splitlines()]
    exchanges = [
        Exchange(
            line["rpc"],
            base64.b64decode(line["request"]),
            tuple(base64.b64decode(response) for response in line["responses"]),
        )
        for line in lines
    ]
    return Recording(exchanges, last["end"])

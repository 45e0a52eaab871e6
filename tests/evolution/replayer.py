"""A recording, served as a driver: whatever the core asks is answered as the real driver once did.

A change is looked up by what it means, and the recorded result is given, under the identifiers of
today. What was never recorded is noted in `unheard`, and fails.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import change_pb2, event_pb2

from evolution.meaning import Key, Names, answers, parts
from evolution.recording import MESSAGES, Recording

HEARTBEAT = 5.0


class Replayer(grpc.GenericRpcHandler):
    """A driver made of a recording."""

    def __init__(self, recording: Recording, socket: Path) -> None:
        self._socket = socket
        self._exchanges = recording.exchanges
        self._results = _results(recording)
        self._names = Names()
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.unheard: list[Key] = []

    async def __aenter__(self) -> "Replayer":
        self._server.add_insecure_port(f"unix://{self._socket}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    def forget(self, resource: str, action: str) -> None:
        """Lose what was recorded of one resource and action, to see what comes of it."""
        lost = [key for key in self._results if (key.resource, key.action) == (resource, action)]
        assert lost, f"nothing is recorded of {action} {resource}"
        for key in lost:
            del self._results[key]

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Serve what was recorded, and health checks; nothing else is there."""
        rpc = str(details.method).rpartition("/")[2]
        if rpc == "Check":
            return grpc.unary_unary_rpc_method_handler(_check)
        if rpc == "Watch":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        if rpc not in MESSAGES:
            return None

        async def call(raw: bytes, _context: Any) -> bytes:
            return self._answer(rpc, MESSAGES[rpc][0].FromString(raw))

        return grpc.unary_unary_rpc_method_handler(call)

    def _answer(self, rpc: str, request: Any) -> bytes:
        if rpc in {"Handshake", "GetSchemas"}:
            return self._last(rpc)[0]
        response: Any = MESSAGES[rpc][1]()
        for key, part in parts(rpc, self._names, request).items():
            self._fill(response.results.add(), key, part)
        return bytes(response.SerializeToString())

    def _fill(self, result: Any, key: Key, part: Any) -> None:
        """Say of *part* what was said of it then, under the identifiers of today."""
        if key in self._results:
            then, said = self._results[key]
            result.CopyFrom(said)
            if key.rpc == "BindPorts" and result.HasField("bound"):
                chosen = [segment.id for segment in then.segments].index(said.bound.segment_id)
                result.bound.segment_id = part.segments[chosen].id
        else:
            self.unheard.append(key)
            if key.rpc != "BindPorts":
                result.failed.disposition = change_pb2.DISPOSITION_INFEASIBLE
                result.failed.reason = "NOT_RECORDED"
        id_field = "request_id" if key.rpc == "BindPorts" else "change_id"
        setattr(result, id_field, getattr(part, id_field))

    async def _watch(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        told = self._last("Watch")
        for event in told:
            yield event
        sequence = len(told)
        while True:
            await asyncio.sleep(HEARTBEAT)
            sequence += 1
            yield event_pb2.WatchResponse(sequence=sequence, heartbeat=event_pb2.Heartbeat()).SerializeToString()

    def _last(self, rpc: str) -> tuple[bytes, ...]:
        return [exchange.responses for exchange in self._exchanges if exchange.rpc == rpc][-1]


def _results(recording: Recording) -> dict[Key, tuple[Any, Any]]:
    names, found = Names(), {}
    for exchange in recording.exchanges:
        if exchange.rpc in {"Precommit", "Postcommit", "BindPorts"}:
            found.update(answers(exchange.rpc, names, exchange.asked, exchange.answered))
    return found


async def _check(_request: bytes, _context: Any) -> bytes:
    return bytes(health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString())

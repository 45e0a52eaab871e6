"""What a call means, without what is new every time: identifiers, times, tokens.

A resource is named by its kind and its number in the order of appearance, which the story fixes.
So a change of today finds the change of the recording that meant the same, however today's core
batches, and whatever it has learnt to say besides.
"""

from typing import Any, NamedTuple

from jackfield.driver.v1 import change_pb2

from evolution.recording import Exchange


class Key(NamedTuple):
    """What one part of a call is about: ``("Postcommit", "network#1", "create", 3)``."""

    rpc: str
    resource: str
    action: str
    number: int
    """Revision of a change; level of a binding."""


class Names:
    """Names resources in the order in which they appear."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, id: str) -> str:
        """Return the name of a resource, a new one if it was never seen."""
        if id not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[id] = f"{kind}#{self._counts[kind]}"
        return self._names[id]


def parts(rpc: str, names: Names, request: Any) -> dict[Key, Any]:
    """Return the changes, or the requests to bind, of a call by what they are about."""
    if rpc == "BindPorts":
        return {Key(rpc, names.of("port", part.port.id), "bind", part.level): part for part in request.requests}
    return {
        Key(rpc, names.of(_kind(change), change.id), _action(change), change.revision): change
        for change in request.changes
    }


def answers(rpc: str, names: Names, request: Any, response: Any) -> dict[Key, tuple[Any, Any]]:
    """Return (part, its result) of a call by what it is about."""
    id_of = "request_id" if rpc == "BindPorts" else "change_id"
    results = {getattr(result, id_of): result for result in response.results}
    return {key: (part, results[getattr(part, id_of)]) for key, part in parts(rpc, names, request).items()}


def essence(part: Any, result: Any) -> tuple[Any, ...]:
    """Return what counts of a result: what the core does because of it, and no wording."""
    outcome = result.WhichOneof("outcome" if "outcome" in result.DESCRIPTOR.oneofs_by_name else "verdict")
    said = getattr(result, outcome)
    match outcome:
        case "done" | "accept":
            state = (said.state.version, said.state.data) if said.HasField("state") else None
            return outcome, getattr(said, "revision", 0), state, dict(said.attributes)
        case "reject":
            return outcome, said.reason, said.field
        case "failed":
            return outcome, said.disposition, said.reason, said.effect
        case "bound":
            offered = [segment.id for segment in part.segments]
            return outcome, offered.index(said.segment_id), said.vif_type, said.vif_details, said.wired
    return (outcome,)


def saying(names: Names, exchange: Exchange) -> str:
    """Tell in a line what was asked and answered."""
    if exchange.rpc == "Handshake":
        hello = exchange.answered
        return f"{hello.driver_name} {hello.driver_version}, features {' '.join(hello.features) or 'none'}"
    if exchange.rpc in {"GetSchemas", "Watch"}:
        return f"{len(exchange.responses)} answers"
    found = answers(exchange.rpc, names, exchange.asked, exchange.answered)
    return "; ".join(
        f"{key.action} {key.resource} at {key.number}: {essence(part, result)[0]}"
        for key, (part, result) in found.items()
    )


def _kind(change: change_pb2.Change) -> str:
    return change_pb2.ResourceKind.Name(change.kind).removeprefix("RESOURCE_KIND_").lower()


def _action(change: change_pb2.Change) -> str:
    return change_pb2.Action.Name(change.action).removeprefix("ACTION_").lower()

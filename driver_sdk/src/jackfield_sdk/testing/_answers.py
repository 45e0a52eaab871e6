"""The core's way to read what a driver answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2

from jackfield_sdk.answers import Accepted, Bound, Done, InProgress, NextLevel, Skip, Veto
from jackfield_sdk.context import DriverState
from jackfield_sdk.errors import Rejected


@dataclass(frozen=True, slots=True)
class Failed:
    """An `Error` of the contract, as the core reads it; `disposition` and `effect` by their names."""

    disposition: str
    reason: str
    user_message: str
    operator_message: str
    effect: str
    retry_after: float | None = None


def verdict(message: mechanism_pb2.PrecommitResult) -> Accepted | Rejected | Failed:
    """Read a verdict."""
    match message.WhichOneof("verdict"):
        case "accept":
            return Accepted(_state(message.accept), _attributes(message.accept.attributes))
        case "reject":
            refusal = message.reject
            return Rejected(refusal.message, reason=refusal.reason, field=refusal.field)
        case "failed":
            return failed(message.failed)
    raise AssertionError("a result without a verdict")


def outcome(message: mechanism_pb2.PostcommitResult) -> Done | InProgress | Failed:
    """Read what became of a change."""
    match message.WhichOneof("outcome"):
        case "done":
            return Done(_state(message.done), _attributes(message.done.attributes), message.done.revision)
        case "in_progress":
            return InProgress(message.in_progress.retry_after.ToTimedelta().total_seconds())
        case "failed":
            return failed(message.failed)
    raise AssertionError("a result without an outcome")


def upgraded(message: driver_pb2.UpgradeStatesResult) -> DriverState | Failed:
    """Read a rewritten state, or why there is none."""
    match message.WhichOneof("outcome"):
        case "state":
            return DriverState(message.state.version, message.state.data)
        case "error":
            return failed(message.error)
    raise AssertionError("a result without an outcome")


def binding(message: mechanism_pb2.BindResult) -> Bound | NextLevel | Skip | Veto:
    """Read the answer to a request to bind."""
    match message.WhichOneof("outcome"):
        case "bound":
            bound = message.bound
            return Bound(bound.segment_id, bound.vif_type, json.loads(bound.vif_details), bound.wired)
        case "next":
            wanted = message.next.wanted
            return NextLevel(message.next.segment_id, wanted.network_type, wanted.physical_network or None)
        case "skip":
            return Skip(message.skip.reason)
        case "veto":
            return Veto(message.veto.reason)
    raise AssertionError("a result without an answer")


def failed(message: change_pb2.Error) -> Failed:
    """Read an error."""
    return Failed(
        change_pb2.Disposition.Name(message.disposition).removeprefix("DISPOSITION_"),
        message.reason,
        message.user_message,
        message.operator_message,
        change_pb2.Effect.Name(message.effect).removeprefix("EFFECT_"),
        message.retry_after.ToTimedelta().total_seconds() if message.HasField("retry_after") else None,
    )


def _state(message: mechanism_pb2.Accept | mechanism_pb2.Done) -> DriverState | None:
    return DriverState(message.state.version, message.state.data) if message.HasField("state") else None


def _attributes(values: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in values.items()}

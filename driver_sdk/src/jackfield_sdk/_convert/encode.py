"""From what hooks answer to the messages that the core reads.

An answer is checked here as far as the driver alone can get it wrong: a stored state that is too
large, a segment that was not offered, a revision that goes back. `Faulty` is a bug of the driver
and never a reason to drop the rest of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.driver.v1 import capability_pb2, change_pb2, event_pb2, mechanism_pb2, reconcile_pb2

from jackfield_sdk.answers import (
    Accepted,
    Bound,
    Done,
    InProgress,
    NextLevel,
    Owned,
    Skip,
    Unreachable,
    Veto,
)
from jackfield_sdk.capabilities import Backend, BackendHealth, BindCapability, Interest, Phase, StateVersions
from jackfield_sdk.context import Action, DriverState
from jackfield_sdk.errors import DeviceConflict, DriverError, Effect, Infeasible, Rejected, RetryLater
from jackfield_sdk.events import Cable, Drift, Observed, PortStatus
from jackfield_sdk.reasons import ChangeReason
from jackfield_sdk.resources import Kind

KINDS = {
    Kind.NETWORK: change_pb2.RESOURCE_KIND_NETWORK,
    Kind.SUBNET: change_pb2.RESOURCE_KIND_SUBNET,
    Kind.PORT: change_pb2.RESOURCE_KIND_PORT,
}
ACTIONS = {
    Action.CREATE: change_pb2.ACTION_CREATE,
    Action.UPDATE: change_pb2.ACTION_UPDATE,
    Action.DELETE: change_pb2.ACTION_DELETE,
}
PHASES = {
    Phase.PRECOMMIT: change_pb2.PHASE_PRECOMMIT,
    Phase.POSTCOMMIT: change_pb2.PHASE_POSTCOMMIT,
}
HEALTH = {
    BackendHealth.UNKNOWN: capability_pb2.BACKEND_HEALTH_UNSPECIFIED,
    BackendHealth.UP: capability_pb2.BACKEND_HEALTH_UP,
    BackendHealth.DEGRADED: capability_pb2.BACKEND_HEALTH_DEGRADED,
    BackendHealth.DOWN: capability_pb2.BACKEND_HEALTH_DOWN,
}
EFFECTS = {
    Effect.NONE: change_pb2.EFFECT_NONE,
    Effect.MAYBE: change_pb2.EFFECT_MAYBE,
    Effect.PARTIAL: change_pb2.EFFECT_PARTIAL,
}


class Faulty(Exception):
    """An answer that no driver may give: what is wrong with it."""


def interest(value: Interest) -> capability_pb2.Interest:
    """Declare an interest, its actions and phases in the order of the contract."""
    return capability_pb2.Interest(
        kind=KINDS[value.kind],
        actions=[message for action, message in ACTIONS.items() if action in value.actions],
        phases=[message for phase, message in PHASES.items() if phase in value.phases],
    )


def bind_capability(value: BindCapability) -> capability_pb2.BindCapability:
    """Declare which bindings to be asked for."""
    return capability_pb2.BindCapability(
        network_types=sorted(value.network_types), vnic_types=sorted(value.vnic_types), max_levels=value.max_levels
    )


def backend(value: Backend) -> capability_pb2.Backend:
    """Tell the state of a backend."""
    return capability_pb2.Backend(id=value.id, epoch=value.epoch, health=HEALTH[value.health], message=value.message)


def state_versions(value: StateVersions) -> capability_pb2.StateVersions:
    """Declare which versions of state are read and written."""
    return capability_pb2.StateVersions(min_readable=value.min_readable, writes=value.writes)


def state(value: DriverState, limit: int) -> change_pb2.DriverState:
    """Hand a state over to be kept; Faulty if it is larger than `limit` bytes."""
    if len(value.data) > limit:
        raise Faulty(f"the driver's state has {len(value.data)} bytes, and {limit} are allowed")
    return change_pb2.DriverState(version=value.version, data=value.data)


def verdict(change_id: str, answer: Accepted | None) -> mechanism_pb2.PrecommitResult:
    """Accept a change, without what the answer wants kept."""
    if answer is not None and not isinstance(answer, Accepted):
        raise Faulty(f"a precommit hook answers Accepted or None, not {type(answer).__name__}")
    return mechanism_pb2.PrecommitResult(change_id=change_id, accept=mechanism_pb2.Accept())


def reject(change_id: str, error: Rejected) -> mechanism_pb2.PrecommitResult:
    """Refuse a change with the driver's words."""
    refusal = mechanism_pb2.Reject(reason=error.reason, message=error.message, field=error.field)
    return mechanism_pb2.PrecommitResult(change_id=change_id, reject=refusal)


def outcome(change_id: str, revision: int, answer: Done | InProgress | None) -> mechanism_pb2.PostcommitResult:
    """Tell that a change of `revision` is true, or on its way, without what the answer wants kept."""
    if answer is None:
        return mechanism_pb2.PostcommitResult(change_id=change_id, done=mechanism_pb2.Done(revision=revision))
    if isinstance(answer, InProgress):
        progress = mechanism_pb2.InProgress(retry_after=duration(answer.retry_after))
        return mechanism_pb2.PostcommitResult(change_id=change_id, in_progress=progress)
    if not isinstance(answer, Done):
        raise Faulty(f"a postcommit hook answers Done, InProgress or None, not {type(answer).__name__}")
    if answer.revision is not None and answer.revision < revision:
        raise Faulty(f"revision {answer.revision} is lower than the one sent, {revision}")
    done = mechanism_pb2.Done(revision=revision if answer.revision is None else answer.revision)
    return mechanism_pb2.PostcommitResult(change_id=change_id, done=done)


def binding(
    request_id: str, answer: Bound | NextLevel | Skip | Veto | None, offered: Iterable[str]
) -> mechanism_pb2.BindResult:
    """Answer a request to bind; Faulty for a segment that is none of those `offered`."""
    match answer:
        case Bound(segment_id=segment_id) | NextLevel(segment_id=segment_id) if segment_id not in offered:
            raise Faulty(f"segment {segment_id} was not offered")
        case Bound():
            bound = mechanism_pb2.Bound(
                segment_id=answer.segment_id,
                vif_type=answer.vif_type,
                vif_details=_json(answer.vif_details),
                wired=answer.wired,
            )
            return mechanism_pb2.BindResult(request_id=request_id, bound=bound)
        case NextLevel():
            wanted = mechanism_pb2.WantedSegment(
                network_type=answer.network_type, physical_network=answer.physical_network
            )
            level = mechanism_pb2.NextLevel(segment_id=answer.segment_id, wanted=wanted)
            return mechanism_pb2.BindResult(request_id=request_id, next=level)
        case Veto(reason=reason):
            return mechanism_pb2.BindResult(request_id=request_id, veto=mechanism_pb2.Veto(reason=reason))
        case Skip(reason=reason):
            return mechanism_pb2.BindResult(request_id=request_id, skip=mechanism_pb2.Skip(reason=reason))
        case None:
            return mechanism_pb2.BindResult(request_id=request_id, skip=mechanism_pb2.Skip())
    raise Faulty(f"bind_port answers Bound, NextLevel, Skip, Veto or None, not {type(answer).__name__}")


def error(value: DriverError | Rejected) -> change_pb2.Error:
    """Tell why a change is not true.

    A refusal after the transaction cannot undo it, so `Rejected` in postcommit is infeasible.
    """
    if isinstance(value, Rejected):
        return change_pb2.Error(
            disposition=change_pb2.DISPOSITION_INFEASIBLE,
            reason=value.reason,
            user_message=value.message,
            operator_message=value.message,
            effect=change_pb2.EFFECT_MAYBE,
        )
    message = change_pb2.Error(
        disposition=_disposition(value),
        reason=value.code,
        user_message=value.user_message,
        operator_message=value.reason,
        effect=EFFECTS[value.effect],
    )
    if isinstance(value, RetryLater) and value.delay is not None:
        message.retry_after.CopyFrom(duration(value.delay))
    return message


def bug(error: Exception) -> change_pb2.Error:
    """Tell that the driver has a fault.

    What the SDK found is told. An exception of the driver's own is not, because its text may hold
    anything: the log of the driver has it.
    """
    told = str(error) if isinstance(error, Faulty) else "the driver failed; its log has the trace"
    return change_pb2.Error(
        disposition=change_pb2.DISPOSITION_BUG,
        reason=ChangeReason.DRIVER_BUG,
        operator_message=told,
        effect=change_pb2.EFFECT_MAYBE,
    )


def owned(value: Owned) -> reconcile_pb2.OwnedResource:
    """Tell what a backend holds."""
    return reconcile_pb2.OwnedResource(
        kind=KINDS[value.kind], id=value.id, revision=value.revision, digest=value.digest, backend=value.backend
    )


def unreachable(value: Unreachable) -> reconcile_pb2.Unreachable:
    """Tell which backend could not be read."""
    return reconcile_pb2.Unreachable(backend=value.backend, reason=value.reason)


def observed(value: Observed, sequence: int) -> event_pb2.WatchResponse:
    """Tell what was observed on a device."""
    time = Timestamp()
    time.FromDatetime(value.time)
    message = event_pb2.WatchResponse(sequence=sequence, observe_time=time)
    match value.event:
        case PortStatus(port_id=port_id, up=up, revision=revision, reason=reason):
            status = event_pb2.PortStatus(port_id=port_id, observed_revision=revision, up=up, reason=reason)
            message.port_status.CopyFrom(status)
        case Backend() as changed:
            message.backend.CopyFrom(backend(changed))
        case Drift(kind=kind, id=id, message=text):
            message.drift.CopyFrom(event_pb2.Drift(kind=KINDS[kind], id=id, message=text))
        case Cable(host=host, interface=interface, switch_id=switch_id, switch_port=switch_port):
            cable = event_pb2.Topology(host=host, interface=interface, switch_id=switch_id, switch_port=switch_port)
            message.topology.CopyFrom(cable)
    return message


def duration(seconds: float) -> Duration:
    """Tell a time in seconds."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1_000_000_000))
    return message


def _disposition(error: DriverError) -> change_pb2.Disposition.ValueType:
    match error:
        case Infeasible():
            return change_pb2.DISPOSITION_INFEASIBLE
        case DeviceConflict():
            return change_pb2.DISPOSITION_CONFLICT
        case _:
            return change_pb2.DISPOSITION_RETRY


def _json(value: Any) -> bytes:
    if value == {}:
        return b"{}"
    return json.dumps(value, separators=(",", ":")).encode()

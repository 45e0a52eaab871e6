"""Both sides introduce themselves, and the core believes only what makes sense."""

from importlib import metadata

from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2

from jackfield_core.db.driver import BindCapability, Interest
from jackfield_core.mechanism.answers import Backend, Garbage, Handshake, Limits, StateVersions, Unfit
from jackfield_core.mechanism.dial import MAX_MESSAGE_BYTES
from jackfield_core.mechanism.verdicts import clean
from jackfield_core.types import Action, Kind

CONTRACT_MAJOR = 1
FEATURES = ("attributes", "states", "watch", "list_owned", "diff")
"""What the core makes use of if the driver names it too."""

# What this release does not know is left out: a driver may be newer than the core.
_KINDS = {
    change_pb2.RESOURCE_KIND_NETWORK: Kind.NETWORK,
    change_pb2.RESOURCE_KIND_SUBNET: Kind.SUBNET,
    change_pb2.RESOURCE_KIND_PORT: Kind.PORT,
}
_ACTIONS = {
    change_pb2.ACTION_CREATE: Action.CREATE,
    change_pb2.ACTION_UPDATE: Action.UPDATE,
    change_pb2.ACTION_DELETE: Action.DELETE,
}
_PHASES = {change_pb2.PHASE_PRECOMMIT: "precommit", change_pb2.PHASE_POSTCOMMIT: "postcommit"}
BACKEND_HEALTH = {
    capability_pb2.BACKEND_HEALTH_UP: "up",
    capability_pb2.BACKEND_HEALTH_DEGRADED: "degraded",
    capability_pb2.BACKEND_HEALTH_DOWN: "down",
}
_LONGEST = 255
_MOST_BACKENDS = 1000
_MOST = Limits(max_batch=10_000, max_in_flight=1000, max_state_bytes=65536)
"""What the core keeps to, whatever a driver allows: its states have to fit into every later call."""
_LARGEST_STATE_VERSION = 2**31 - 1


def introduction(core_instance_id: str, deployment_id: str) -> driver_pb2.HandshakeRequest:
    """Return what the core says of itself to every driver."""
    return driver_pb2.HandshakeRequest(
        core_version=metadata.version("jackfield-core"),
        core_instance_id=core_instance_id,
        deployment_id=deployment_id,
        contract_majors=[CONTRACT_MAJOR],
        features=FEATURES,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )


def told(introduction: driver_pb2.HandshakeRequest, state_version: int | None) -> driver_pb2.HandshakeRequest:
    """Return the introduction for a driver whose state is to be written in *state_version*; None if in its newest."""
    request = driver_pb2.HandshakeRequest()
    request.CopyFrom(introduction)
    if state_version is not None:
        request.write_state_version = state_version
    return request


def read(name: str, request: driver_pb2.HandshakeRequest, response: driver_pb2.HandshakeResponse) -> Handshake:
    """Return what the driver called *name* says of itself in answer to *request*.

    Raises:
        Unfit: It is another driver, speaks no contract of ours, or could not load.
        Garbage: The answer breaks the contract.
    """
    if response.driver_name != name:
        raise Unfit(f'the process calls itself "{clean(response.driver_name, 63)}"')
    if response.contract_major != CONTRACT_MAJOR:
        raise Unfit(f"it speaks contract {response.contract_major}, the core speaks {CONTRACT_MAJOR}")
    if response.HasField("load_error"):
        raise Unfit(f"it could not load: {clean(response.load_error, 500)}")
    if not response.instance_id or not _is_name(response.instance_id) or not _is_name(response.driver_version):
        raise Garbage(name, "the handshake's instance_id or driver_version is empty, too long or not printable")
    backends = tuple(
        Backend(backend.id, backend.epoch, BACKEND_HEALTH.get(backend.health, "unknown"), clean(backend.message, 1000))
        for backend in response.backends
    )
    if len({backend.id for backend in backends}) != len(backends) or len(backends) > _MOST_BACKENDS:
        raise Garbage(name, f"the handshake names a backend twice, or more than {_MOST_BACKENDS}")
    features = frozenset(response.features)
    if sum(map(len, features)) + len(response.schema_digest) > _LONGEST * 16:
        raise Garbage(name, "the handshake's features or schema_digest are too long")
    return Handshake(
        version=response.driver_version,
        instance_id=response.instance_id,
        interests=tuple(_interest(interest) for interest in response.interests if interest.kind in _KINDS),
        bind=_bind(response.bind) if response.HasField("bind") else None,
        limits=_limits(response.limits),
        backends=backends,
        features=features,
        state_versions=_state_versions(response) if response.HasField("state_version") else None,
        told_state_version=request.write_state_version if request.HasField("write_state_version") else None,
        schema_digest=response.schema_digest if "attributes" in features else b"",
    )


def _state_versions(response: driver_pb2.HandshakeResponse) -> StateVersions:
    versions = response.state_version
    if versions.min_readable > versions.writes or versions.writes > _LARGEST_STATE_VERSION:
        raise Garbage(response.driver_name, "the handshake's state_version writes what it cannot read, or is too large")
    return StateVersions(versions.min_readable, versions.writes)


def _limits(limits: capability_pb2.Limits) -> Limits:
    return Limits(
        min(limits.max_batch or 100, _MOST.max_batch),
        min(limits.max_in_flight or 4, _MOST.max_in_flight),
        min(limits.max_state_bytes or 16384, _MOST.max_state_bytes),
    )


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST and text.isprintable()


def _interest(message: capability_pb2.Interest) -> Interest:
    return Interest(
        _KINDS[message.kind],
        tuple(_ACTIONS[action] for action in message.actions if action in _ACTIONS),
        tuple(_PHASES[phase] for phase in message.phases if phase in _PHASES),
    )


def _bind(message: capability_pb2.BindCapability) -> BindCapability:
    return BindCapability(tuple(message.network_types), tuple(message.vnic_types), max(1, message.max_levels))

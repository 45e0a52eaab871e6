"""What a driver said of itself in the handshake, as the core reads it."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.driver.v1 import change_pb2, driver_pb2

KIND_NUMBERS = {
    "network": change_pb2.RESOURCE_KIND_NETWORK,
    "subnet": change_pb2.RESOURCE_KIND_SUBNET,
    "port": change_pb2.RESOURCE_KIND_PORT,
}
ACTION_NUMBERS = {
    "create": change_pb2.ACTION_CREATE,
    "update": change_pb2.ACTION_UPDATE,
    "delete": change_pb2.ACTION_DELETE,
}
PHASE_NUMBERS = {"precommit": change_pb2.PHASE_PRECOMMIT, "postcommit": change_pb2.PHASE_POSTCOMMIT}

# What the suite speaks as a core.
FEATURES = ("attributes", "states", "watch", "list_owned", "diff")

# The most changes that the suite puts into one call, so that a generous limit costs no minutes.
_MOST_IN_A_BATCH = 1_000
_MOST_STATE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Facts:
    """One handshake, with the contract's defaults filled in."""

    message: driver_pb2.HandshakeResponse

    @property
    def driver(self) -> str:
        """The name that the driver says it has; the domain of its errors."""
        return self.message.driver_name

    @property
    def max_batch(self) -> int:
        """Changes in one request."""
        return self.message.limits.max_batch or 100

    @property
    def batch(self) -> int:
        """Changes that the suite puts into one request."""
        return min(self.max_batch, _MOST_IN_A_BATCH)

    @property
    def max_in_flight(self) -> int:
        """Requests at the same time."""
        return self.message.limits.max_in_flight or 4

    @property
    def max_state_bytes(self) -> int:
        """Bytes of state for one resource; the core takes no more than 65,536, whatever the driver declares."""
        return min(self.message.limits.max_state_bytes or 16_384, _MOST_STATE_BYTES)

    @property
    def epochs(self) -> dict[str, str]:
        """The epoch of every backend."""
        return {backend.id: backend.epoch for backend in self.message.backends}

    def names(self, feature: str) -> bool:
        """Tell whether the driver named a feature."""
        return feature in self.message.features

    def wants(self, kind: str, action: str, phase: str) -> bool:
        """Tell whether the driver wants to hear of an action on a kind in a phase."""
        return any(
            interest.kind == KIND_NUMBERS[kind]
            and ACTION_NUMBERS[action] in interest.actions
            and PHASE_NUMBERS[phase] in interest.phases
            for interest in self.message.interests
        )

    def kinds(self, phase: str) -> list[str]:
        """Return the kinds that a phase is tried with, parents first.

        In postcommit a resource lives and dies, so the driver has to want every action. Verdicts are asked for on
        creates, because most drivers judge nothing else.
        """
        actions = ["create"] if phase == "precommit" else list(ACTION_NUMBERS)
        return [kind for kind in KIND_NUMBERS if all(self.wants(kind, action, phase) for action in actions)]

    def judges(self, change: change_pb2.Change) -> bool:
        """Tell whether the driver wants to judge a change."""
        return any(
            interest.kind == change.kind
            and change.action in interest.actions
            and change_pb2.PHASE_PRECOMMIT in interest.phases
            for interest in self.message.interests
        )

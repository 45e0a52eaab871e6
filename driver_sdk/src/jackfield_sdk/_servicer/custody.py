"""What a driver hands to the core to keep: states and attributes, as both sides agreed.

The core says in its handshake what it keeps, and which version of state shall be written until
the operator has finalised an upgrade. What it did not say is not sent to it. What the driver did
not declare is a fault of the driver, and ends up in its log by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2

from jackfield_sdk._convert import encode
from jackfield_sdk._convert.encode import Faulty
from jackfield_sdk._servicer.declared import Declared
from jackfield_sdk.answers import Accepted, Done
from jackfield_sdk.context import DriverState
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.errors import Effect, Infeasible
from jackfield_sdk.resources import Kind

log = structlog.get_logger("jackfield_sdk")

_NAME = re.compile(r"[a-z0-9-]{1,63}")

ATTRIBUTES = "attributes"
STATES = "states"

Kept = mechanism_pb2.Accept | mechanism_pb2.Done


@dataclass(frozen=True, slots=True)
class Told:
    """The resource that a hook is called for, and the version of state that it is told to write."""

    kind: Kind
    id: str
    state_version: int


class Custody:
    """What one driver process and the core that it serves keep for each other."""

    def __init__(self, driver: MechanismDriver, max_state_bytes: int) -> None:
        """Hand nothing over before the first handshake."""
        self._driver = driver
        self._limit = max_state_bytes
        self._core_keeps: frozenset[str] = frozenset()
        self.declared = Declared()

    def declare(self) -> None:
        """Read off the driver what it declares; Infeasible, in words, if that is wrong."""
        name, versions = self._driver.name, self._driver.state_versions
        if not _NAME.fullmatch(name):
            message = f'the name "{name}" is not of lower case letters, digits and hyphens, or longer than 63 bytes'
            raise Infeasible(message, effect=Effect.NONE)
        if versions is not None and not 0 < versions.min_readable <= versions.writes < 2**31:
            message = f"state_versions: {versions.min_readable} is read and {versions.writes} written"
            raise Infeasible(message, effect=Effect.NONE)
        self.declared = Declared(self._driver.attributes)

    def features(self) -> list[str]:
        """Name the optional parts that this driver makes use of."""
        return [ATTRIBUTES] * bool(self.declared) + [STATES] * (self._driver.state_versions is not None)

    def agree(self, request: driver_pb2.HandshakeRequest) -> None:
        """Hear what the core keeps, and which version of state it wants."""
        self._core_keeps = frozenset(request.features)
        told = request.write_state_version if request.HasField("write_state_version") else None
        if told != self._driver.pinned_state_version:
            log.info("state.version_pinned", driver=self._driver.name, version=told)
        self._driver.pinned_state_version = told

    def hand_over(self, change: Told, answer: Accepted | Done, message: Kept) -> None:
        """Put what `answer` wants kept into `message`; Faulty if the driver may not want that."""
        if answer.state is not None:
            state = self._state_for_now(change, answer.state)
            if STATES in self._core_keeps:
                message.state.CopyFrom(state)
        if answer.attributes:
            values = self.declared.encode(change.kind, answer.attributes)
            if ATTRIBUTES in self._core_keeps:
                message.attributes.update(values)

    def told(self, kind: Kind, id: str) -> Told:
        """Remember what a hook is told that is called now."""
        return Told(kind, id, self._driver.write_state_version)

    def _state_for_now(self, change: Told, value: DriverState) -> change_pb2.DriverState:
        now = self._driver.write_state_version
        if value.version == change.state_version != now:
            # The operator finalised an upgrade while the hook was at work. It did as it was told.
            value = self._driver.upgrade_state(change.kind, change.id, value, now)
        return self.state(value, now)

    def state(self, value: DriverState, version: int) -> change_pb2.DriverState:
        """Write a state of `version`; Faulty for another version, or more bytes than allowed."""
        if self._driver.state_versions is None:
            raise Faulty("the driver wants a state kept and declares no state_versions")
        if value.version != version:
            raise Faulty(f"the driver wrote state of version {value.version}, and was told to write {version}")
        return encode.state(value, self._limit)

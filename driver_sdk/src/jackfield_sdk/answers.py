"""What a hook answers. The plain answer is `None`: accepted, done, or not my port.

A richer answer carries what the core shall keep (`DriverState`), what it shall allocate
(`NextLevel`), or when it shall ask again (`InProgress`). Refusals are exceptions, see `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk.context import DriverState
from jackfield_sdk.resources import Kind


@dataclass(frozen=True, slots=True)
class Accepted:
    """Precommit: the change may be made.

    `state` is written in the transaction; None keeps what there is. `attributes` are set in the
    vendor's own namespace, by name, as JSON values.
    """

    state: DriverState | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """Postcommit: the change is true on the device.

    `revision` is None for the one that was sent, or a higher one that the device holds already.
    """

    state: DriverState | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class InProgress:
    """Postcommit: the change is being made; the core sends it again after `retry_after` seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Bound:
    """The port is bound to `segment_id`, one of those offered.

    `vif_type` and `vif_details` tell the compute service how to plug. `wired` is True if nothing
    on the host has to wire the port, so that no agent's report is awaited.
    """

    segment_id: str
    vif_type: str
    vif_details: Mapping[str, Any] = field(default_factory=dict)
    wired: bool = False


@dataclass(frozen=True, slots=True)
class NextLevel:
    """The level is bound to `segment_id`; another driver binds the next one.

    The core allocates the segment of the next level: `network_type` on `physical_network`.
    """

    segment_id: str
    network_type: str
    physical_network: str | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """Not this driver's port; `reason` tells the operator why."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Veto:
    """No driver may bind this port here; `reason` tells the user why."""

    reason: str


PrecommitAnswer = Accepted | None
PostcommitAnswer = Done | InProgress | None
BindAnswer = Bound | NextLevel | Skip | Veto | None


@dataclass(frozen=True, slots=True)
class Owned:
    """A resource found on a backend, with the revision and digest that came when it was made true.

    The digest is empty if somebody has changed it since then.
    """

    kind: Kind
    id: str
    revision: int
    digest: bytes = b""
    backend: str = ""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A backend that could not be read: what it holds is unknown, not absent."""

    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a dry run: what would be done to one `backend`."""

    text: str
    backend: str = ""

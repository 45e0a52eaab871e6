"""What a hook is called with: one resource at one revision, and everything it stands on.

In precommit `original` is the state before the transaction. In postcommit it is the state that
this driver acknowledged last, so the difference to `current` is exactly what is left to do,
however many revisions lie between the two. On delete `current` is the last state.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jackfield_sdk.resources import BindingLevel, Host, Masked, Network, Port, Segment, Subnet


class Action(StrEnum):
    """What happened to a resource, seen from the driver that is told.

    In postcommit CREATE means that this driver never acknowledged the resource, and UPDATE that
    it acknowledged an earlier revision.
    """

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class DriverState:
    """Opaque bytes that the core keeps for a driver, per resource, at most 16 KiB by default.

    `version` names the encoding and is the driver's own affair. The data never shows in a repr.
    """

    version: int
    data: bytes = field(repr=False)


class Timed:
    """What all contexts share: the time that is left."""

    __slots__ = ()

    deadline: float | None

    def remaining(self) -> float | None:
        """Return the seconds that are left to answer, 0 if they are over; None if there is no limit.

        Hand it to the vendor's library as its time-out: nobody waits for what comes later, and the
        core sends the change again.
        """
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True, slots=True)
class NetworkContext(Timed):
    """A change of a network, or of one of its segments.

    `revision` grows with every change. `attributes` are the vendor's own, by name. `digest` is
    the core's fingerprint of `current`; a driver stores it and returns it from `list_owned`.
    `deadline` is on the clock of `time.monotonic()`; None if the caller set none.

    To delete an orphan, which the driver listed and the core does not know, `current` of any
    kind has nothing but its `id`, and what it stands on is empty.
    """

    current: Network
    original: Network | None
    revision: int
    action: Action
    attributes: Mapping[str, Any] = field(default_factory=Masked)
    state: DriverState | None = None
    digest: bytes = b""
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class SubnetContext(Timed):
    """A change of a subnet; `network` is the network it belongs to. See `NetworkContext`."""

    current: Subnet
    original: Subnet | None
    network: Network
    revision: int
    action: Action
    attributes: Mapping[str, Any] = field(default_factory=Masked)
    state: DriverState | None = None
    digest: bytes = b""
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class PortContext(Timed):
    """A change of a port. See `NetworkContext` for what all contexts share.

    `subnets` are those that the port has addresses on, `segments` those that it is bound to, in
    the order of the levels, and `host` is None unless the port is bound to one.
    """

    current: Port
    original: Port | None
    network: Network
    subnets: tuple[Subnet, ...]
    segments: tuple[Segment, ...]
    host: Host | None
    revision: int
    action: Action
    attributes: Mapping[str, Any] = field(default_factory=Masked)
    state: DriverState | None = None
    digest: bytes = b""
    deadline: float | None = None


ChangeContext = NetworkContext | SubnetContext | PortContext


@dataclass(frozen=True, slots=True)
class BindContext(Timed):
    """A port that wants to be bound on `host` at one level.

    `segments` are the candidates at this level; level 0 is the fabric, and `bound_levels` are
    those bound so far.
    """

    port: Port
    network: Network
    segments: tuple[Segment, ...]
    level: int
    bound_levels: tuple[BindingLevel, ...]
    host: Host
    deadline: float | None = None

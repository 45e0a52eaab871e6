"""What a driver declares in the handshake, read off the class that was written.

The core calls a driver for nothing that it did not declare, so a driver without
`create_port_precommit` costs a port create nothing. Nobody writes the declaration by hand: a
hook that the class overrides is a hook that it wants to be called for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from jackfield_sdk.context import Action
from jackfield_sdk.resources import Kind


class Phase(StrEnum):
    """When a hook is called: inside the transaction to judge, or after it to act."""

    PRECOMMIT = "precommit"
    POSTCOMMIT = "postcommit"


class BackendHealth(StrEnum):
    """How a backend answers: wholly, in part, or not at all."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Backend:
    """A device or controller behind the driver.

    `epoch` changes when the backend may have lost what it was told: a wiped switch, a restored
    controller, the memory of a new process. The core then sends everything again. `message` is
    a sentence for the operator.
    """

    id: str
    epoch: str
    health: BackendHealth = BackendHealth.UP
    message: str = ""


@dataclass(frozen=True, slots=True)
class Interest:
    """Every action of `actions` in every phase of `phases`, on one kind of resource."""

    kind: Kind
    actions: frozenset[Action]
    phases: frozenset[Phase]


@dataclass(frozen=True, slots=True)
class BindCapability:
    """Which bindings a driver can be asked for; an empty set means any."""

    network_types: frozenset[str] = frozenset()
    vnic_types: frozenset[str] = frozenset()
    max_levels: int = 1


@dataclass(frozen=True, slots=True)
class StateVersions:
    """Versions of `DriverState.version`: the oldest that the driver reads, and the one it writes."""

    min_readable: int = 1
    writes: int = 1


def hook_name(kind: Kind, action: Action, phase: Phase) -> str:
    """Name the hook, as in `create_port_precommit`."""
    return f"{action}_{kind}_{phase}"


def overridden_hooks(driver: type, base: type) -> Iterator[tuple[Kind, Action, Phase]]:
    """Walk through the hooks that `driver` overrides, in the order of the contract."""
    for kind in Kind:
        for phase in Phase:
            for action in Action:
                name = hook_name(kind, action, phase)
                if getattr(driver, name) is not getattr(base, name):
                    yield kind, action, phase


def interests_in(hooks: Iterable[tuple[Kind, Action, Phase]]) -> tuple[Interest, ...]:
    """Declare exactly `hooks`, in as few interests as that takes.

    An interest is a product of actions and phases, so the two phases of a kind share one only
    if they want the same actions.
    """
    wanted: dict[Kind, dict[Phase, set[Action]]] = {}
    for kind, action, phase in hooks:
        wanted.setdefault(kind, {}).setdefault(phase, set()).add(action)
    interests: list[Interest] = []
    for kind, by_phase in wanted.items():
        by_actions: dict[frozenset[Action], set[Phase]] = {}
        for phase, actions in by_phase.items():
            by_actions.setdefault(frozenset(actions), set()).add(phase)
        interests += [Interest(kind, actions, frozenset(phases)) for actions, phases in by_actions.items()]
    return tuple(interests)
